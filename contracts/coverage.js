// Fails unless the tests ran through every line of the contracts that are deployed; reads what `hardhat test --coverage`
// left. Contracts made for tests alone (contracts/test, contracts/examples) are not counted.
import { readdir, readFile } from "node:fs/promises";

const root = new URL("../", import.meta.url);
const wanted = (await readdir(new URL("contracts/", root))).filter((name) => name.endsWith(".sol"));
const report = await readFile(new URL("coverage/lcov.info", root), "utf8").catch(() => "");
const missed = new Map();
for (const record of report.split("end_of_record")) {
  const file = /^SF:contracts\/(.+)$/m.exec(record)?.[1];
  if (file) missed.set(file, [...record.matchAll(/^DA:(\d+),0$/gm)].map((line) => line[1]));
}
for (const file of wanted) {
  const lines = missed.get(file);
  if (lines?.length === 0) continue;
  console.error(`contracts/${file}: ${lines ? `no test reaches line ${lines.join(", ")}` : "no test reaches it"}`);
  process.exitCode = 1;
}
if (!process.exitCode) console.log(`every line of ${wanted.join(", ")} is reached`);
