import { expect } from "chai";
import { network } from "hardhat";

const ROOT = "0x" + "ab".repeat(32);
const LATER = "0x" + "cd".repeat(32);

describe("TreeHeads", () => {
  let ethers, contract, first, second;

  beforeEach(async () => {
    ({ ethers } = await network.create());
    [first, second] = await ethers.getSigners();
    contract = await ethers.deployContract("TreeHeads");
  });

  it("knows no head before the first", async () => {
    expect(await contract.head(first.address)).to.deep.equal([0n, "0x" + "00".repeat(32), 0n, 0n]);
  });

  it("keeps size, root, block and time, and tells it by an event", async () => {
    await expect(contract.anchor(7n, ROOT)).to.emit(contract, "Anchored").withArgs(first.address, 7n, ROOT);
    const block = await ethers.provider.getBlock("latest");
    expect(await contract.head(first.address)).to.deep.equal([7n, ROOT, BigInt(block.number), BigInt(block.timestamp)]);
  });

  it("refuses a head that does not grow, the same one included", async () => {
    await contract.anchor(7n, ROOT);
    for (const size of [7n, 6n, 0n]) {
      await expect(contract.anchor(size, LATER)).to.be.revertedWithCustomError(contract, "NotGrowing").withArgs(7n, size);
    }
    expect((await contract.head(first.address)).root).to.equal(ROOT);
  });

  it("refuses an empty tree as a first head", async () => {
    await expect(contract.anchor(0n, ROOT)).to.be.revertedWithCustomError(contract, "NotGrowing").withArgs(0n, 0n);
  });

  it("keeps the lines of two senders apart", async () => {
    await contract.anchor(7n, ROOT);
    await contract.connect(second).anchor(3n, LATER);
    expect((await contract.head(first.address)).size).to.equal(7n);
    expect((await contract.head(second.address)).root).to.equal(LATER);
  });

  it("takes no money and no unknown call", async () => {
    await expect(first.sendTransaction({ to: contract.target, value: 1n })).to.be.revert(ethers);
    await expect(first.sendTransaction({ to: contract.target, data: "0xdeadbeef" })).to.be.revert(ethers);
  });

  it("costs less than 36,000 gas a head after the first [gas]", async () => {
    await contract.anchor(7n, ROOT);
    const receipt = await (await contract.anchor(8n, LATER)).wait();
    expect(receipt.gasUsed).to.be.lessThan(36_000n);
  });
});
