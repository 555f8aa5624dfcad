import { expect } from "chai";
import { network } from "hardhat";

const [VALID, REFUSED, NO_CONTRACT, NOT_DEPLOYED] = [1n, 2n, 3n, 4n];
const NOBODY = "0x" + "00".repeat(20);

describe("WalletVerdict", () => {
  let ethers, ann, bob, digest, factory;

  beforeEach(async () => {
    ({ ethers } = await network.create());
    [ann, bob] = [ethers.Wallet.createRandom(), ethers.Wallet.createRandom()];
    digest = ethers.keccak256("0x1234");
    factory = await ethers.deployContract("WalletFactory");
  });

  const signed = (who) => who.signingKey.sign(digest).serialized;

  async function verdict(wallet, signature, through = NOBODY, preparation = "0x") {
    const judge = await ethers.getContractFactory("WalletVerdict");
    const { data } = await judge.getDeployTransaction(wallet, digest, signature, through, preparation);
    return BigInt(await ethers.provider.call({ data, gasLimit: 5_000_000n }));
  }

  it("believes a wallet that is there, and says when it refuses", async () => {
    const wallet = await ethers.deployContract("OwnedWallet", [ann.address]);
    expect(await verdict(wallet.target, signed(ann))).to.equal(VALID);
    expect(await verdict(wallet.target, signed(bob))).to.equal(REFUSED);
    expect(await verdict(wallet.target, "0x00")).to.equal(REFUSED);
  });

  it("says when there is no contract, and when the factory makes none", async () => {
    expect(await verdict(ann.address, signed(ann))).to.equal(NO_CONTRACT);
    expect(await verdict(ann.address, signed(ann), factory.target, "0x")).to.equal(NOT_DEPLOYED);
  });

  it("deploys a wallet that is not there yet, and keeps nothing", async () => {
    const salt = ethers.ZeroHash;
    const where = await factory.where(ann.address, salt);
    const preparation = factory.interface.encodeFunctionData("make", [ann.address, salt]);
    expect(await verdict(where, signed(ann), factory.target, preparation)).to.equal(VALID);
    expect(await verdict(where, signed(bob), factory.target, preparation)).to.equal(REFUSED);
    expect(await ethers.provider.getCode(where)).to.equal("0x");
  });

  it("is not taken in by wallets that answer anything, nothing, or never", async () => {
    for (let habit = 0; habit <= 12; ++habit) {
      const wallet = await ethers.deployContract("OddWallet", [habit]);
      const wanted = habit === 8 ? VALID : REFUSED; // 8: the right answer, and much behind it
      if (habit !== 11) expect(await verdict(wallet.target, signed(ann)), `habit ${habit}`).to.equal(wanted);
    }
  });
});
