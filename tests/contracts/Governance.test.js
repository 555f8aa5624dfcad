import { expect } from "chai";
import { network } from "hardhat";

const ZERO = "0x" + "00".repeat(32);
const A = "0x" + "aa".repeat(32);
const B = "0x" + "bb".repeat(32);

describe("Governance", () => {
  let ethers, provider, contract, ann, bob;

  beforeEach(async () => {
    ({ ethers } = await network.create());
    provider = ethers.provider;
    [ann, bob] = await ethers.getSigners();
    contract = await ethers.deployContract("Governance");
  });

  const number = () => provider.getBlockNumber();
  const inForce = async (block, who = ann) => (await contract.inForce(who.address, block)).policy;

  it("knows no policy before the first", async () => {
    expect(await contract.count(ann.address)).to.equal(0n);
    expect(await contract.published(ann.address, 0n, 10n)).to.deep.equal([]);
    expect(await contract.inForce(ann.address, await number())).to.deep.equal([ZERO, 0n, 0n]);
  });

  it("keeps hash, block and time, and tells it by an event", async () => {
    await expect(contract.publish(A)).to.emit(contract, "Published").withArgs(ann.address, A, 0n);
    const block = await provider.getBlock("latest");
    const told = [A, BigInt(block.number), BigInt(block.timestamp)];
    expect(await contract.published(ann.address, 0n, 10n)).to.deep.equal([told]);
    expect(await contract.inForce(ann.address, block.number)).to.deep.equal(told);
    expect(await inForce(block.number - 1)).to.equal(ZERO);
  });

  it("refuses no policy, and the one in force", async () => {
    await expect(contract.publish(ZERO)).to.be.revertedWithCustomError(contract, "NoPolicy");
    await contract.publish(A);
    await expect(contract.publish(A)).to.be.revertedWithCustomError(contract, "Unchanged").withArgs(A);
    expect(await contract.count(ann.address)).to.equal(1n);
  });

  it("lets an earlier policy come back, and keeps both times", async () => {
    for (const policy of [A, B, A]) await contract.publish(policy);
    const list = await contract.published(ann.address, 0n, 10n);
    expect(list.map((one) => one.policy)).to.deep.equal([A, B, A]);
    expect(list[2].number).to.be.greaterThan(list[0].number);
  });

  it("keeps the lists of two senders apart", async () => {
    await contract.publish(A);
    await contract.connect(bob).publish(B);
    expect(await inForce(await number())).to.equal(A);
    expect(await inForce(await number(), bob)).to.equal(B);
    expect(await contract.count(bob.address)).to.equal(1n);
  });

  it("finds what was in force in each block, however many there were", async () => {
    const wanted = new Map();
    for (let round = 1; round <= 9; ++round) {
      const policy = "0x" + round.toString(16).padStart(64, "0");
      await contract.publish(policy);
      wanted.set(await number(), policy);
      if (round % 3 === 0) await provider.send("hardhat_mine", ["0x" + round.toString(16)]);
    }
    let policy = ZERO;
    for (let block = 0; block <= (await number()) + 3; ++block) {
      policy = wanted.get(block) ?? policy;
      expect(await inForce(block)).to.equal(policy, `block ${block}`);
    }
  });

  it("counts the last of several in one block", async () => {
    await provider.send("evm_setAutomine", [false]);
    await contract.publish(A, { gasLimit: 200_000n });
    await contract.publish(B, { gasLimit: 200_000n });
    await provider.send("evm_mine", []);
    await provider.send("evm_setAutomine", [true]);
    expect(await contract.count(ann.address)).to.equal(2n);
    expect(await inForce(await number())).to.equal(B);
  });

  it("tells a long list page by page", async () => {
    const policies = [1, 2, 3, 4, 5].map((n) => "0x" + n.toString().padStart(64, "0"));
    for (const policy of policies) await contract.publish(policy);
    const page = async (start, limit) =>
      (await contract.published(ann.address, start, limit)).map((one) => one.policy);
    expect(await page(0n, 3n)).to.deep.equal(policies.slice(0, 3));
    expect(await page(3n, 3n)).to.deep.equal(policies.slice(3));
    expect(await page(5n, 3n)).to.deep.equal([]);
    expect(await page(2n ** 256n - 1n, 2n ** 256n - 1n)).to.deep.equal([]);
    expect(await page(0n, 2n ** 256n - 1n)).to.deep.equal(policies);
  });

  it("takes no money and no unknown call", async () => {
    await expect(ann.sendTransaction({ to: contract.target, value: 1n })).to.be.revert(ethers);
    await expect(ann.sendTransaction({ to: contract.target, data: "0xdeadbeef" })).to.be.revert(ethers);
  });

  it("costs at most 76,500 gas a policy after the first [gas]", async () => {
    await contract.publish(A);
    expect((await (await contract.publish(B)).wait()).gasUsed).to.be.lessThan(76_500n);
  });
});
