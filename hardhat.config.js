// Builds and tests contracts/ without the network: the compiler is npm's `solc` (JavaScript), pinned in package.json.
import { createRequire } from "node:module";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatMatchers from "@nomicfoundation/hardhat-ethers-chai-matchers";
import hardhatMocha from "@nomicfoundation/hardhat-mocha";
import { configVariable, defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

const compiler = (evmVersion) => ({
  version: "0.8.37",
  path: require.resolve("solc/soljson.js"),
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion,
    metadata: { bytecodeHash: "none", appendCBOR: false }, // the same bytes wherever it is built
  },
});

export default defineConfig({
  plugins: [hardhatEthers, hardhatMatchers, hardhatMocha],
  paths: { sources: "contracts", tests: "tests/contracts", artifacts: "build/hardhat", cache: "build/hardhat-cache" },
  test: { mocha: { timeout: 300_000 } }, // the machine may be busy
  coverage: { skipFiles: ["contracts/test/**", "contracts/examples/**"] },
  networks: {
    chain: {
      type: "http", // where contracts/deploy/deploy.js deploys
      url: configVariable("WAXSEAL_RPC_URL"),
      accounts: [configVariable("WAXSEAL_DEPLOYER_KEY")],
    },
  },
  solidity: {
    compilers: [compiler("shanghai")], // what every chain we know of runs, and the embedded one
    overrides: { "contracts/test/Tokens.sol": compiler("cancun") }, // OpenZeppelin 5 copies memory with MCOPY
  },
});
