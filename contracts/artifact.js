// Writes what the node and the tests load from Hardhat's build; with --check it only compares.
import { readFile, writeFile } from "node:fs/promises";

const at = (path) => new URL(`../${path}`, import.meta.url);

async function built(source, name) {
  const { abi, bytecode, deployedBytecode } = JSON.parse(
    await readFile(at(`build/hardhat/contracts/${source}.sol/${name}.json`), "utf8"),
  );
  return { contract: name, compiler: "solc 0.8.37", abi, bytecode, deployedBytecode };
}

async function bytecodes(source, names) {
  const made = await Promise.all(names.map((name) => built(source, name)));
  return Object.fromEntries(made.map(({ contract, bytecode }) => [contract, bytecode]));
}

const TOKENS = ["Coin", "Ticket", "Badge", "Odd"];
const ENS = ["EnsRegistry", "EnsResolver", "EnsWildcard", "EnsOffchain"];

const FILES = [
  ["node/anchor/TreeHeads.json", "contracts/TreeHeads.sol", await built("TreeHeads", "TreeHeads")],
  ["node/anchor/Registry.json", "contracts/Registry.sol", await built("Registry", "Registry")],
  ["node/anchor/Governance.json", "contracts/Governance.sol", await built("Governance", "Governance")],
  ["identity/WalletVerdict.json", "contracts/WalletVerdict.sol", await built("WalletVerdict", "WalletVerdict")],
  ...(await Promise.all(
    ["OwnedWallet", "WalletFactory", "OddWallet"].map(async (name) => [
      `tests/contracts/${name}.json`,
      "contracts/examples/Wallets.sol",
      await built("examples/Wallets", name),
    ]),
  )),
  ["tests/contracts/tokens.json", "contracts/test/Tokens.sol", await bytecodes("test/Tokens", TOKENS)],
  ["tests/contracts/did.json", "contracts/test/DidRegistry.sol", await bytecodes("test/DidRegistry", ["DidRegistry"])],
  ["tests/contracts/ens.json", "contracts/test/Ens.sol", await bytecodes("test/Ens", ENS)],
];

for (const [target, source, content] of FILES) {
  const text = JSON.stringify(content, null, 1) + "\n";
  if (!process.argv.includes("--check")) {
    await writeFile(at(target), text);
  } else if ((await readFile(at(target), "utf8").catch(() => "")) !== text) {
    console.error(`${target} is not what ${source} compiles to: run \`npm run build\``);
    process.exitCode = 1;
  }
}
