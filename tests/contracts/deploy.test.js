import { expect } from "chai";
import { network } from "hardhat";
import { CONTRACTS, deploy } from "../../contracts/deploy/deploy.js";

const PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
const MAKER = "0x3fAB184622Dc19b6109349B94811493BF2a45362";
const SIGNED =
  "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0" +
  "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba0" + "22".repeat(32) + "a0" + "22".repeat(32);

describe("deploy.js", () => {
  let ethers, signer;

  beforeEach(async () => {
    ({ ethers } = await network.create());
    [signer] = await ethers.getSigners();
  });

  async function putProxy() {
    await (await signer.sendTransaction({ to: MAKER, value: ethers.parseEther("0.01") })).wait();
    await ethers.provider.broadcastTransaction(SIGNED);
    expect(await ethers.provider.getCode(PROXY)).not.to.equal("0x");
  }

  it("says what is missing on a chain without the deployment proxy", async () => {
    for (const name of CONTRACTS) {
      await expect(deploy(ethers, name)).to.be.rejectedWith(/no deterministic deployment proxy/);
    }
  });

  it("deploys each contract once, and it works there", async () => {
    await putProxy();
    for (const name of CONTRACTS) {
      const made = await deploy(ethers, name);
      expect(made.deployed).to.equal(true);
      const again = await deploy(ethers, name);
      expect(again).to.deep.equal({ ...made, deployed: false, gas: 0 });
    }
    const { address } = await deploy(ethers, "Governance");
    const contract = await ethers.getContractAt("Governance", address);
    await contract.publish("0x" + "aa".repeat(32));
    expect(await contract.count(signer.address)).to.equal(1n);
  });
});
