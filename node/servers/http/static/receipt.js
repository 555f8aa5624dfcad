// Receipts: read them, and take the steps of verification that need no chain.

import { Fault, equal, fromHex, hasSigned, hex, join, leafHash, parseProof, sha256, verifyInclusion } from "./tlog.js";
import { oddities, ways } from "./exported.js";

const MAX_RECEIPT = 1 << 17; // characters
const MAX_PLACES = 16;
const DIRECTIONS = { received: 1, submitted: 2 };
const OUTCOMES = { inbox: 1, junk: 2, held: 3, sent: 4, divided: 5 };

const isHash = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isAddress = (value) => typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value);
const isText = (value, length) => typeof value === "string" && value.length > 0 && value.length <= length;
const isNumber = (value) => Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
const isOf = (table) => (value) => typeof value === "string" && Object.hasOwn(table, value);
const orNull = (check) => (value) => value === null || check(value);

const WHERE = {
  chain: (value) => typeof value === "string" && /^eip155:[1-9][0-9]{0,18}$/.test(value),
  contract: isAddress,
  sender: isAddress,
  transaction: (value) => typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value),
  block: isNumber,
};
const FACTS = {
  version: (value) => typeof value === "string",
  origin: (value) => isText(value, 300),
  sha256: isHash,
  direction: isOf(DIRECTIONS),
  time: isNumber,
  salt: isHash,
  proof: (value) => isText(value, 1 << 16),
};
const FORMS = {
  "waxseal.receipt/1": FACTS,
  "waxseal.receipt/2": { ...FACTS, outcome: orNull(isOf(OUTCOMES)), policy: orNull(isHash), anchors: Array.isArray },
};
const OPTIONAL = { "waxseal.receipt/1": { anchor: () => true }, "waxseal.receipt/2": {} };

// A receipt of either form, as form 2.
export function parseReceipt(text) {
  if (text.length > MAX_RECEIPT) throw new Fault(`a receipt has at most ${MAX_RECEIPT} characters`);
  let facts;
  try {
    facts = JSON.parse(text, plain);
  } catch (error) {
    throw error instanceof Fault ? error : new Fault("this is no receipt of Waxseal: it is no JSON");
  }
  refuseDoubles(text);
  const form = FORMS[facts?.version];
  if (!form) throw new Fault("this is no receipt of Waxseal, or one of a newer kind");
  check(facts, form, OPTIONAL[facts.version], "the receipt");
  const old = facts.version === "waxseal.receipt/1";
  const anchors = old ? [facts.anchor ?? null].filter(Boolean) : facts.anchors;
  if (anchors.length > MAX_PLACES) throw new Fault(`a receipt names at most ${MAX_PLACES} places`);
  const more = old ? {} : { proof: orNull((value) => isText(value, 1 << 16)) };
  for (const place of anchors) check(place, WHERE, more, "a place on a chain");
  return { outcome: null, policy: null, ...facts, anchors };
}

function check(part, needed, optional, what) {
  if (typeof part !== "object" || part === null || Array.isArray(part)) throw new Fault(`${what} is no JSON object`);
  for (const [name, isGood] of Object.entries(needed)) {
    if (!Object.hasOwn(part, name) || !isGood(part[name])) throw new Fault(`${what} has no good ${name}`);
  }
  for (const [name, value] of Object.entries(part)) {
    if (Object.hasOwn(needed, name)) continue;
    if (!Object.hasOwn(optional, name) || !optional[name](value)) throw new Fault(`${what} has a field ${name} that is not known`);
  }
}

// JSON.parse takes the last of two fields of one name; another program might take the first.
function refuseDoubles(text) {
  const open = [];
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)|[{}[\]]/gs)) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (colon) {
      const name = JSON.parse(string);
      if (open.at(-1).has(name)) throw new Fault(`this is no receipt of Waxseal: ${name} stands there twice`);
      open.at(-1).add(name);
    }
  }
}

// "1.0" and "1e0" are not 1: a number has one spelling.
function plain(_name, value, context) {
  if (typeof value === "number" && context && !/^(0|[1-9][0-9]*)$/.test(context.source)) throw new Fault("a number is not written plainly");
  return value;
}

// The bytes that the log's entry is the SHA-256 of: 74, or 107 with outcome and policy.
export function encodeLeaf(receipt) {
  const hasVerdict = receipt.outcome !== null;
  if (hasVerdict !== (receipt.policy !== null)) throw new Fault("it names an outcome without a policy, or a policy without an outcome");
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(receipt.time));
  const direction = Uint8Array.of(DIRECTIONS[receipt.direction]);
  const first = join(Uint8Array.of(hasVerdict ? 2 : 1), fromHex(receipt.salt), fromHex(receipt.sha256), direction, time);
  return hasVerdict ? join(first, Uint8Array.of(OUTCOMES[receipt.outcome]), fromHex(receipt.policy)) : first;
}

// Every proof the receipt holds: its own first, then those of its places that have one.
export function readProofs(receipt) {
  return [receipt.proof, ...receipt.anchors.map(({ proof }) => proof).filter((proof) => typeof proof === "string")].map(parseProof);
}

// Steps 1 to 4, as {name, holds, words}; `holds` is null for what could not be checked. Never throws for what is claimed.
export async function verifyReceipt(message, receipt, keys) {
  const steps = [await aboutMessage(message, receipt)];
  let paths;
  try {
    encodeLeaf(receipt);
    steps.push(step("leaf", true, leafWords(receipt)));
  } catch (error) {
    steps.push(step("leaf", false, `The receipt's facts make no leaf: ${error.message}.`));
  }
  try {
    paths = readProofs(receipt);
  } catch (error) {
    const words = `The receipt's proof cannot be read: ${error.message}.`;
    return { steps: [...steps, step("inclusion", false, words), step("checkpoint", false, words)], paths: [] };
  }
  steps.push(await inclusion(receipt, paths), await signedBy(receipt, paths, keys));
  return { steps, paths };
}

export const step = (name, holds, words) => ({ name, holds, words });

async function aboutMessage(message, receipt) {
  const wanted = fromHex(receipt.sha256);
  for (const { rules, content } of ways(message)) {
    if (!equal(await sha256(content), wanted)) continue;
    if (!rules.length) return step("message", true, "This is the message the receipt is about, byte for byte.");
    return step("message", true, `This is the message the receipt is about. What a mail client changed when it saved it was undone: ${rules.join(", ")}.`);
  }
  const odd = oddities(message);
  const hint = odd.length ? ` It looks as a mail client changed it when it saved it (${odd.join("; ")}).` : "";
  const found = hex(await sha256(message)).slice(0, 16);
  return step("message", false, `This is not the message the receipt is about: its SHA-256 is ${found}…, not ${receipt.sha256.slice(0, 16)}….${hint}`);
}

function leafWords(receipt) {
  const verdict = receipt.outcome ? `, ${receipt.outcome}, under the policy ${receipt.policy.slice(0, 16)}…` : "";
  return `The log's entry says: ${receipt.direction} ${moment(receipt.time)}${verdict}.`;
}

export function moment(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s after 1970` : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

async function inclusion(receipt, paths) {
  let leaf;
  try {
    leaf = await leafHash(await sha256(encodeLeaf(receipt)));
  } catch {
    return step("inclusion", false, "The receipt's facts make no leaf, so no log has it.");
  }
  for (const { index, hashes, checkpoint } of paths) {
    if (!(await verifyInclusion(leaf, index, checkpoint.size, hashes, checkpoint.root))) {
      return step("inclusion", false, `No entry ${index} like this leads to the root of the log of ${checkpoint.size} entries.`);
    }
  }
  return step("inclusion", true, `The log of ${paths[0].checkpoint.size} entries has it as entry ${paths[0].index}.`);
}

async function signedBy(receipt, paths, keys) {
  const other = paths.find(({ checkpoint }) => checkpoint.origin !== receipt.origin);
  if (other) return step("checkpoint", false, `The checkpoint is of ${other.checkpoint.origin}, the receipt of ${receipt.origin}.`);
  const good = keys.filter(({ name, isWitness }) => name === receipt.origin && !isWitness);
  if (!keys.length) return step("checkpoint", null, "Not checked: the log's key was not given.");
  try {
    const signers = [];
    for (const { signed } of paths) signers.push(await firstSigner(signed, good));
    if (signers.every(Boolean)) return step("checkpoint", true, `${receipt.origin} signed that log (key ${signers[0].id}).`);
  } catch (error) {
    if (error instanceof Fault) return step("checkpoint", false, `The log's key did not sign this checkpoint: ${error.message}.`);
    return step("checkpoint", null, "Not checked: this browser cannot check Ed25519 signatures. Use a newer one, or waxseal verify.");
  }
  return step("checkpoint", false, `None of the keys given for ${receipt.origin} signed this checkpoint.`);
}

// The first of the keys that has signed; each that is named as a signer must really have.
async function firstSigner(signed, keys) {
  let found = null;
  for (const key of keys) if (await hasSigned(signed, key)) found ??= key;
  return found;
}
