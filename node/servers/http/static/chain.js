// What a chain says of a log's head: asked of whomever the visitor trusts, a server of theirs or the wallet in the browser.

import { equal, fromHex, hex, sha256 } from "./tlog.js";
import { moment } from "./receipt.js";

const PATIENCE = 20_000; // milliseconds for one question
const MAX_ANSWER = 1 << 22; // characters

// Asks a JSON-RPC server.
export function server(url) {
  let id = 0;
  return async (method, params) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await response.text();
    if (text.length > MAX_ANSWER) throw new Error("its answer is too long");
    const answer = JSON.parse(text);
    if (answer.error) throw new Error(String(answer.error.message ?? "it refused the question").slice(0, 200));
    return answer.result;
  };
}

// Asks a wallet (EIP-1193).
export const wallet = (provider) => (method, params) => provider.request({ method, params });

// Connections by chain id, for those that answer; `faults` says of the others why not.
export async function connect(offers) {
  const chains = new Map();
  const faults = [];
  for (const { name, ask } of offers) {
    try {
      const id = BigInt(await ask("eth_chainId", []));
      chains.set(`eip155:${id}`, [...(chains.get(`eip155:${id}`) ?? []), { name, ask }]);
    } catch (error) {
      faults.push(`${name} does not answer (${error.message})`);
    }
  }
  return { chains, faults };
}

// Step 5: one place that does not hold fails it; otherwise one that holds is enough.
export async function onChain(receipt, paths, { chains, faults }, facts) {
  if (!receipt.anchors.length) return result(null, "Not checked: the log was not anchored yet when the receipt was made. Ask for a new one.");
  const own = paths.slice(1);
  const found = [];
  for (const place of receipt.anchors) {
    const path = typeof place.proof === "string" ? own.shift() : paths[0];
    for (const one of chains.get(place.chain) ?? [null]) found.push(await at(place, path.checkpoint, one, facts));
  }
  const results = found.map(({ holds }) => holds);
  const holds = results.includes(false) ? false : results.includes(true) ? true : null;
  return result(holds, [...found.map(({ words }) => words), ...faults.map((fault) => `${fault}.`)].join(" "));
}

const result = (holds, words) => ({ name: "chain", holds, words });

async function at(place, checkpoint, connection, facts) {
  if (place.chain === facts.embedded && !connection) {
    return result(null, `Not checked: ${place.chain} is the node's own private chain, which proves nothing to others.`);
  }
  if (!connection) return result(null, `Not checked: no server for ${place.chain} was given.`);
  try {
    const { holds, words } = await compare(place, checkpoint, connection.ask, facts);
    return result(holds, `${words} (${place.chain}, asked: ${connection.name}).`);
  } catch (error) {
    return result(null, `Not checked: ${connection.name} could not be asked (${String(error.message).slice(0, 200)}).`);
  }
}

async function compare(place, checkpoint, ask, facts) {
  const code = fromHex((await ask("eth_getCode", [place.contract, "latest"])).slice(2));
  if (hex(await sha256(code)) !== facts.code) return { holds: false, words: `There is no TreeHeads contract at ${place.contract}` };
  const { root, time } = await stored(place, checkpoint.size, ask, facts);
  if (root === null) return { holds: false, words: `The contract stored no head of ${checkpoint.size} entries for ${place.sender} in block ${place.block}` };
  if (!equal(root, checkpoint.root)) return { holds: false, words: `The contract stored another root for ${checkpoint.size} entries` };
  const final = await newestFinal(ask);
  if (final === null || final < place.block) {
    return { holds: null, words: `The contract holds the same root, but its block ${place.block} is not final yet; ask again later` };
  }
  const since = time ? `, ${moment(time)}` : "";
  return { holds: true, words: `The contract holds the same root since block ${place.block}${since}, which is final` };
}

// The root stored for that size, from the block's state, or else from its event: public servers seldom keep old state.
async function stored(place, size, ask, facts) {
  const block = `0x${place.block.toString(16)}`;
  const sender = place.sender.slice(2).toLowerCase().padStart(64, "0");
  try {
    const words = fromHex((await ask("eth_call", [{ to: place.contract, data: `0x${facts.head}${sender}` }, block])).slice(2));
    const number = (at) => BigInt(`0x${hex(words.slice(at, at + 32))}`);
    if (words.length === 128 && number(0) === size && number(64) === BigInt(place.block)) {
      return { root: words.slice(32, 64), time: Number(number(96)) };
    }
  } catch {
    // The event below tells as much.
  }
  const topics = [`0x${facts.anchored}`, `0x${sender}`, `0x${size.toString(16).padStart(64, "0")}`];
  const events = await ask("eth_getLogs", [{ fromBlock: block, toBlock: block, address: place.contract, topics }]);
  const event = events.find(({ address, blockNumber, topics: have }) =>
    address.toLowerCase() === place.contract.toLowerCase() && BigInt(blockNumber) === BigInt(place.block) && have.join() === topics.join());
  return { root: event ? fromHex(event.data.slice(2)) : null, time: 0 };
}

async function newestFinal(ask) {
  const block = await ask("eth_getBlockByNumber", ["finalized", false]);
  return block ? Number(BigInt(block.number)) : null;
}
