// Writes what the node loads (node/anchor/TreeHeads.json) from Hardhat's build; with --check it only compares.
import { readFile, writeFile } from "node:fs/promises";

const TARGET = new URL("../node/anchor/TreeHeads.json", import.meta.url);
const BUILT = new URL("../build/hardhat/contracts/TreeHeads.sol/TreeHeads.json", import.meta.url);

const { abi, bytecode, deployedBytecode } = JSON.parse(await readFile(BUILT, "utf8"));
const text = JSON.stringify({ contract: "TreeHeads", compiler: "solc 0.8.37", abi, bytecode, deployedBytecode }, null, 1) + "\n";

if (!process.argv.includes("--check")) {
  await writeFile(TARGET, text);
} else if ((await readFile(TARGET, "utf8")) !== text) {
  console.error("node/anchor/TreeHeads.json is not what contracts/TreeHeads.sol compiles to: run `npm run build`");
  process.exitCode = 1;
}
