// Puts Registry and Governance on a chain, at the address that follows from their code (CREATE2), and prints a JSON line
// for each. Run again it changes nothing. What is deployed is what node/anchor/*.json hold, not a fresh build:
//
//   WAXSEAL_RPC_URL=https://... WAXSEAL_DEPLOYER_KEY=0x... npx hardhat run contracts/deploy/deploy.js --network chain
//
// TreeHeads is not among them: each node's keeper deploys its own with its first transaction.
import { readFile } from "node:fs/promises";
import { network } from "hardhat";

const PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"; // github.com/Arachnid/deterministic-deployment-proxy
const SALT = "0x" + "00".repeat(32);
export const CONTRACTS = ["Registry", "Governance"];

async function artifact(name) {
  return JSON.parse(await readFile(new URL(`../../node/anchor/${name}.json`, import.meta.url), "utf8"));
}

/// Where a contract stands, whether it was there already, and the gas its deployment took.
export async function deploy(ethers, name) {
  const { bytecode, deployedBytecode } = await artifact(name);
  const address = ethers.getCreate2Address(PROXY, SALT, ethers.keccak256(bytecode));
  const told = { contract: name, address, chain: Number((await ethers.provider.getNetwork()).chainId) };
  if ((await ethers.provider.getCode(address)) === deployedBytecode) return { ...told, deployed: false, gas: 0 };
  if ((await ethers.provider.getCode(PROXY)) === "0x") {
    throw new Error(`chain ${told.chain} has no deterministic deployment proxy at ${PROXY}: put it there first`);
  }
  const [signer] = await ethers.getSigners();
  const receipt = await (await signer.sendTransaction({ to: PROXY, data: ethers.concat([SALT, bytecode]) })).wait();
  if ((await ethers.provider.getCode(address)) !== deployedBytecode) {
    throw new Error(`${name} does not stand at ${address} after transaction ${receipt.hash}`);
  }
  return { ...told, deployed: true, gas: Number(receipt.gasUsed) };
}

if (process.argv.some((argument) => argument.endsWith("deploy.js"))) {
  const { ethers } = await network.create();
  for (const name of CONTRACTS) console.log(JSON.stringify(await deploy(ethers, name)));
}
