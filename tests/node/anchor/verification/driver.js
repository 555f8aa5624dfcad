// Asks the audit page's own modules, in Node.js: one case a line on standard input, one answer a line.

import { createInterface } from "node:readline";

const folder = new URL(process.argv[2]);
const { Fault, fromHex, parseKey, verifyConsistency, verifyInclusion } = await import(new URL("tlog.js", folder));
const { parseReceipt, verifyReceipt } = await import(new URL("receipt.js", folder));

const ASKED = {
  inclusion: ({ leaf, index, size, path, root }) =>
    verifyInclusion(fromHex(leaf), BigInt(index), BigInt(size), path.map(fromHex), fromHex(root)),
  consistency: ({ old, size, oldRoot, newRoot, path }) =>
    verifyConsistency(BigInt(old), BigInt(size), fromHex(oldRoot), fromHex(newRoot), path.map(fromHex)),
  receipt: async ({ message, receipt, keys }) => {
    let parsed;
    try {
      parsed = parseReceipt(receipt);
    } catch (error) {
      if (error instanceof Fault) return [];
      throw error;
    }
    const { steps } = await verifyReceipt(fromHex(message), parsed, await Promise.all(keys.map(parseKey)));
    return steps.map(({ holds }) => holds);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, ...facts } = JSON.parse(line);
  console.log(JSON.stringify(await ASKED[kind](facts)));
}
