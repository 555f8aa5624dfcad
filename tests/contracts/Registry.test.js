import { expect } from "chai";
import { network } from "hardhat";

const NAME = "waxseal.test/log";
const ZERO = "0x" + "00".repeat(32);
const NOBODY = "0x" + "00".repeat(20);
const key = (byte) => "0x" + byte.toString(16).padStart(2, "0").repeat(32);
const K1 = key(1);
const K2 = key(2);
const K3 = key(3);

describe("Registry", () => {
  let ethers, provider, contract, ann, bob, origin;

  beforeEach(async () => {
    ({ ethers } = await network.create());
    provider = ethers.provider;
    [ann, bob] = await ethers.getSigners();
    contract = await ethers.deployContract("Registry");
    origin = ethers.keccak256(ethers.toUtf8Bytes(NAME));
  });

  const number = () => provider.getBlockNumber();
  const time = async (block) => BigInt((await provider.getBlock(block)).timestamp);
  const inForce = async (block, who = ann) => contract.keyAt(who.address, origin, block);
  const keys = async (from = ZERO, limit = 100n) =>
    (await contract.history(ann.address, origin, from, limit)).map((period) => period.key);

  async function both(...sent) {
    await provider.send("evm_setAutomine", [false]);
    const waiting = [];
    for (const send of sent) waiting.push(await send());
    await provider.send("evm_mine", []);
    await provider.send("evm_setAutomine", [true]);
    for (const one of waiting) await one.wait();
  }

  it("knows nothing before the first registration", async () => {
    expect(await contract.line(ann.address, origin)).to.deep.equal([NOBODY, NOBODY, ZERO]);
    expect(await contract.history(ann.address, origin, ZERO, 10n)).to.deep.equal([]);
    expect(await inForce(await number())).to.equal(ZERO);
    expect(await contract.first(origin)).to.equal(NOBODY);
  });

  it("begins a line: owner, key, block, time and event", async () => {
    await expect(contract.register(NAME, K1))
      .to.emit(contract, "Registered")
      .withArgs(ann.address, origin, NAME, K1);
    const block = await number();
    expect(await contract.line(ann.address, origin)).to.deep.equal([ann.address, NOBODY, K1]);
    expect(await contract.history(ann.address, origin, ZERO, 10n)).to.deep.equal([
      [K1, BigInt(block), 0n, await time(block), 0n, false],
    ]);
    expect(await inForce(block - 1)).to.equal(ZERO);
    expect(await inForce(block)).to.equal(K1);
    expect(await inForce(block + 1000)).to.equal(K1);
  });

  it("lets another register the same origin, under his own account and not in the first one's place", async () => {
    await contract.register(NAME, K1);
    await contract.connect(bob).register(NAME, K2);
    expect(await inForce(await number())).to.equal(K1);
    expect(await inForce(await number(), bob)).to.equal(K2);
    expect(await contract.first(origin)).to.equal(ann.address);
  });

  it("keeps a faster one's claim from mattering to who knows the account", async () => {
    await contract.connect(bob).register(NAME, K2); // saw ann's transaction and came before it
    await contract.register(NAME, K1);
    expect(await contract.first(origin)).to.equal(bob.address);
    expect(await inForce(await number())).to.equal(K1);
  });

  it("refuses a second registration, a zero key and an origin of no or too many octets", async () => {
    await expect(contract.register("", K1)).to.be.revertedWithCustomError(contract, "UnusableOrigin").withArgs(0n);
    await expect(contract.register("é".repeat(128), K1))
      .to.be.revertedWithCustomError(contract, "UnusableOrigin")
      .withArgs(256n);
    await contract.register("x".repeat(255), K1);
    await expect(contract.register(NAME, ZERO)).to.be.revertedWithCustomError(contract, "UnusableKey").withArgs(ZERO);
    expect(await contract.first(origin)).to.equal(NOBODY);
    await contract.register(NAME, K1);
    await expect(contract.register(NAME, K2)).to.be.revertedWithCustomError(contract, "AlreadyRegistered");
  });

  it("rotates: the old key keeps its past, the new one gets none", async () => {
    await contract.register(NAME, K1);
    const first = await number();
    await provider.send("hardhat_mine", ["0x5"]);
    await expect(contract.rotate(ann.address, origin, K1, K2))
      .to.emit(contract, "Rotated")
      .withArgs(ann.address, origin, K1, K2);
    const second = await number();
    expect(await inForce(first)).to.equal(K1);
    expect(await inForce(second - 1)).to.equal(K1);
    expect(await inForce(second)).to.equal(K2);
    expect(await contract.history(ann.address, origin, ZERO, 10n)).to.deep.equal([
      [K2, BigInt(second), 0n, await time(second), 0n, false],
      [K1, BigInt(first), BigInt(second), await time(first), await time(second), false],
    ]);
  });

  it("refuses a rotation by a stranger, of nothing, from an old key, to a used key or to zero", async () => {
    await expect(contract.rotate(ann.address, origin, ZERO, K1))
      .to.be.revertedWithCustomError(contract, "NotOwner")
      .withArgs(NOBODY);
    await contract.register(NAME, K1);
    await expect(contract.connect(bob).rotate(ann.address, origin, K1, K2))
      .to.be.revertedWithCustomError(contract, "NotOwner")
      .withArgs(ann.address);
    await contract.rotate(ann.address, origin, K1, K2);
    await expect(contract.rotate(ann.address, origin, K1, K3))
      .to.be.revertedWithCustomError(contract, "NotNewest")
      .withArgs(K2);
    for (const used of [K1, K2, ZERO]) {
      await expect(contract.rotate(ann.address, origin, K2, used))
        .to.be.revertedWithCustomError(contract, "UnusableKey")
        .withArgs(used);
    }
    expect(await keys()).to.deep.equal([K2, K1]);
  });

  it("revokes from its block on, and not backwards; a rotation brings the line back", async () => {
    await contract.register(NAME, K1);
    const first = await number();
    await provider.send("hardhat_mine", ["0x3"]);
    await expect(contract.revoke(ann.address, origin, K1))
      .to.emit(contract, "Revoked")
      .withArgs(ann.address, origin, K1);
    const revoked = await number();
    expect(await inForce(revoked - 1)).to.equal(K1);
    expect(await inForce(revoked)).to.equal(ZERO);
    await contract.rotate(ann.address, origin, K1, K2);
    const again = await number();
    expect(await inForce(first)).to.equal(K1);
    expect(await inForce(again - 1)).to.equal(ZERO);
    expect(await inForce(again)).to.equal(K2);
    const [newest, old] = await contract.history(ann.address, origin, ZERO, 10n);
    expect([newest.revoked, old.revoked, old.until]).to.deep.equal([false, true, BigInt(revoked)]);
  });

  it("refuses to revoke for a stranger, an unknown key, one rotated out, and twice", async () => {
    await contract.register(NAME, K1);
    await expect(contract.connect(bob).revoke(ann.address, origin, K1))
      .to.be.revertedWithCustomError(contract, "NotOwner")
      .withArgs(ann.address);
    await expect(contract.revoke(ann.address, origin, K3)).to.be.revertedWithCustomError(contract, "NotInForce");
    await contract.rotate(ann.address, origin, K1, K2);
    await expect(contract.revoke(ann.address, origin, K1)).to.be.revertedWithCustomError(contract, "NotInForce");
    await contract.revoke(ann.address, origin, K2);
    await expect(contract.revoke(ann.address, origin, K2))
      .to.be.revertedWithCustomError(contract, "NotInForce")
      .withArgs(K2);
    await expect(contract.rotate(ann.address, origin, K2, K1)).to.be.revertedWithCustomError(contract, "UnusableKey");
  });

  it("gives a line to another account in two steps; its name and its past stay", async () => {
    await contract.register(NAME, K1);
    await expect(contract.connect(bob).offer(ann.address, origin, bob.address))
      .to.be.revertedWithCustomError(contract, "NotOwner")
      .withArgs(ann.address);
    await expect(contract.connect(bob).accept(ann.address, origin))
      .to.be.revertedWithCustomError(contract, "NotOffered")
      .withArgs(NOBODY);
    await expect(contract.offer(ann.address, origin, bob.address))
      .to.emit(contract, "Offered")
      .withArgs(ann.address, origin, bob.address);
    await contract.offer(ann.address, origin, NOBODY);
    await expect(contract.connect(bob).accept(ann.address, origin)).to.be.revertedWithCustomError(contract, "NotOffered");
    await contract.offer(ann.address, origin, bob.address);
    expect(await contract.line(ann.address, origin)).to.deep.equal([ann.address, bob.address, K1]);
    await expect(contract.connect(bob).accept(ann.address, origin))
      .to.emit(contract, "Accepted")
      .withArgs(ann.address, origin, bob.address);
    await expect(contract.rotate(ann.address, origin, K1, K2))
      .to.be.revertedWithCustomError(contract, "NotOwner")
      .withArgs(bob.address);
    await expect(contract.register(NAME, K3)).to.be.revertedWithCustomError(contract, "AlreadyRegistered");
    await contract.connect(bob).rotate(ann.address, origin, K1, K2);
    expect(await inForce(await number())).to.equal(K2);
    expect(await contract.line(ann.address, origin)).to.deep.equal([bob.address, NOBODY, K2]);
  });

  it("keeps apart what happens in one block: the state after it counts", async () => {
    await both(
      () => contract.register(NAME, K1, { gasLimit: 300_000n }),
      () => contract.rotate(ann.address, origin, K1, K2, { gasLimit: 300_000n }),
    );
    const block = await number();
    expect(await inForce(block)).to.equal(K2);
    expect(await inForce(block - 1)).to.equal(ZERO);
    const [, old] = await contract.history(ann.address, origin, ZERO, 10n);
    expect([old.since, old.until]).to.deep.equal([BigInt(block), BigInt(block)]);
  });

  it("tells a long history page by page", async () => {
    await contract.register(NAME, key(1));
    for (let byte = 2; byte <= 9; ++byte) await contract.rotate(ann.address, origin, key(byte - 1), key(byte));
    expect(await keys()).to.deep.equal([9, 8, 7, 6, 5, 4, 3, 2, 1].map(key));
    expect(await keys(ZERO, 4n)).to.deep.equal([9, 8, 7, 6].map(key));
    expect(await keys(key(6), 4n)).to.deep.equal([6, 5, 4, 3].map(key));
    expect(await keys(key(2), 4n)).to.deep.equal([2, 1].map(key));
    expect(await keys(ZERO, 0n)).to.deep.equal([]);
    expect(await keys(key(200), 4n)).to.deep.equal([]); // no key of this line
  });

  it("takes no money and no unknown call", async () => {
    await expect(ann.sendTransaction({ to: contract.target, value: 1n })).to.be.revert(ethers);
    await expect(ann.sendTransaction({ to: contract.target, data: "0xdeadbeef" })).to.be.revert(ethers);
  });

  it("costs little: at most 118,000 gas a registration, 84,000 a rotation, 33,500 a revocation [gas]", async () => {
    const gas = async (sent) => (await (await sent).wait()).gasUsed;
    const [registered, rotated, revoked] = [
      await gas(contract.register(NAME, K1)),
      await gas(contract.rotate(ann.address, origin, K1, K2)),
      await gas(contract.revoke(ann.address, origin, K2)),
    ];
    expect(registered).to.be.lessThan(118_000n);
    expect(rotated).to.be.lessThan(84_000n);
    expect(revoked).to.be.lessThan(33_500n);
  });
});
