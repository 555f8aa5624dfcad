// Transparency logs: Merkle proofs (RFC 9162), signed notes, checkpoints and proof texts (C2SP). No page, no network.
// Written from the standards, not from the node's own code: each checks the other in the tests.

export class Fault extends Error {} // what somebody else wrote is malformed, or does not hold

const MAX_NOTE = 1 << 16; // characters
const MAX_SIGNATURES = 100;
const MAX_HASHES = 63;
const MAX_NUMBER = (1n << 63n) - 1n;
const ED25519 = 1;
const COSIGNATURE = 4;

// Octets

export const utf8 = (text) => new TextEncoder().encode(text);

export const hex = (octets) => Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");

export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new Fault("that is no hexadecimal number");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(octets) {
  return btoa(Array.from(octets, (octet) => String.fromCharCode(octet)).join(""));
}

// One spelling only: lenient decoders take several for the same octets.
export function fromBase64(text, what) {
  let octets;
  try {
    octets = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Fault(`${what} is no base64`);
  }
  if (base64(octets) !== text) throw new Fault(`${what} is not in canonical base64`);
  return octets;
}

export function join(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const equal = (one, other) => one.length === other.length && one.every((octet, at) => octet === other[at]);

export const sha256 = async (octets) => new Uint8Array(await crypto.subtle.digest("SHA-256", octets));

// The tree (RFC 9162 §2.1)

export const leafHash = (entry) => sha256(join(Uint8Array.of(0), entry));

export const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));

// The largest power of two smaller than `size` (k in RFC 9162 §2.1.1).
function split(size) {
  let k = 1n;
  while (k * 2n < size) k *= 2n;
  return k;
}

// The root that an audit path leads to (RFC 9162 §2.1.3.1, read backwards); null when its length is wrong.
async function rootFrom(leaf, index, size, path) {
  if (size === 1n) return path.length ? null : leaf;
  if (!path.length) return null;
  const k = split(size);
  const rest = path.slice(0, -1);
  const sibling = path[path.length - 1];
  const inner = index < k ? await rootFrom(leaf, index, k, rest) : await rootFrom(leaf, index - k, size - k, rest);
  if (inner === null) return null;
  return index < k ? nodeHash(inner, sibling) : nodeHash(sibling, inner);
}

// Whether the path leads from the leaf at `index` to the root of `size` leaves. Numbers are BigInts.
export async function verifyInclusion(leaf, index, size, path, root) {
  if (index < 0n || index >= size || path.length > MAX_HASHES) return false;
  const found = await rootFrom(leaf, index, size, path);
  return found !== null && equal(found, root);
}

// Old and new root of a consistency proof (RFC 9162 §2.1.4.1, read backwards); null when its length is wrong.
// `own`: the old tree's root, while this subtree's part of the old tree is the old tree itself.
async function rootsFrom(old, size, own, path) {
  if (old === size) {
    if (own) return path.length ? null : [own, own];
    return path.length === 1 ? [path[0], path[0]] : null;
  }
  if (!path.length) return null;
  const k = split(size);
  const rest = path.slice(0, -1);
  const sibling = path[path.length - 1];
  const inner = old <= k ? await rootsFrom(old, k, own, rest) : await rootsFrom(old - k, size - k, null, rest);
  if (inner === null) return null;
  if (old <= k) return [inner[0], await nodeHash(inner[1], sibling)];
  return [await nodeHash(sibling, inner[0]), await nodeHash(sibling, inner[1])];
}

// Whether the old tree is the beginning of the new one. An empty tree is the beginning of every tree.
export async function verifyConsistency(old, size, oldRoot, newRoot, path) {
  if (old < 0n || old > size || path.length > MAX_HASHES + 1) return false;
  if (old === size) return !path.length && equal(oldRoot, newRoot);
  if (old === 0n) return !path.length && equal(oldRoot, await sha256(new Uint8Array()));
  const found = await rootsFrom(old, size, oldRoot, path);
  return found !== null && equal(found[0], oldRoot) && equal(found[1], newRoot);
}

// Signed notes (C2SP signed-note)

// The text, and the signatures as {name, id, octets}; nothing is verified yet.
export function splitNote(note) {
  if (note.length > MAX_NOTE || /[\x00-\x09\x0b-\x1f]/.test(note) || !note.isWellFormed()) {
    throw new Fault(`a note is text without control characters, at most ${MAX_NOTE} characters`);
  }
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n") || at + 2 >= note.length) {
    throw new Fault("the note has no signatures: a blank line and signature lines must follow its text");
  }
  const lines = note.slice(at + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new Fault(`the note has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, at + 1), signatures: lines.map(signature) };
}

function signature(line) {
  const match = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
  if (!match) throw new Fault(`bad signature line ${line.slice(0, 80)}`);
  const octets = fromBase64(match[2], "a signature");
  if (octets.length < 5) throw new Fault("a signature is too short");
  return { name: match[1], id: hex(octets.slice(0, 4)), octets: octets.slice(4) };
}

// A key in the text form name+id+key: of a log, or of a witness.
export async function parseKey(text) {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (!match) throw new Fault("a log key looks like example.org/log+1a2b3c4d+AbCd...: name, id and key, joined by plus signs");
  const octets = fromBase64(match[3], "the log key");
  const kind = octets[0];
  if (octets.length !== 33 || (kind !== ED25519 && kind !== COSIGNATURE)) throw new Fault("the key is of another kind than Ed25519");
  const id = hex((await sha256(join(utf8(`${match[1]}\n`), octets))).slice(0, 4));
  if (id !== match[2]) throw new Fault("the key's id does not fit its name and key: a character is wrong");
  return { name: match[1], id, octets: octets.slice(1), isWitness: kind === COSIGNATURE };
}

// Whether the key has signed the note; false when it is not among the signers.
export async function hasSigned(note, key) {
  const { text, signatures } = splitNote(note);
  const own = signatures.filter(({ name, id }) => name === key.name && id === key.id);
  for (const { octets } of own) {
    const [message, signed] = key.isWitness ? cosigned(text, octets) : [utf8(text), octets];
    if (!(await verifyEd25519(key.octets, signed, message))) {
      throw new Fault(`the signature of ${key.name} does not hold: text or signature was changed`);
    }
  }
  return own.length > 0;
}

// What a witness signs (C2SP tlog-cosignature), and its signature.
function cosigned(text, octets) {
  if (octets.length !== 72) throw new Fault("a cosignature has another length");
  const time = new DataView(octets.buffer, octets.byteOffset).getBigUint64(0);
  return [utf8(`cosignature/v1\ntime ${time}\n${text}`), octets.slice(8)];
}

async function verifyEd25519(key, signed, message) {
  if (signed.length !== 64) return false;
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signed, message);
}

// Checkpoints (C2SP tlog-checkpoint) and proofs (C2SP tlog-proof)

export function number(text, what) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > MAX_NUMBER) throw new Fault(`${what} is no number`);
  return BigInt(text);
}

function hash(text) {
  const octets = fromBase64(text, "a hash");
  if (octets.length !== 32) throw new Fault("a hash has 32 octets");
  return octets;
}

export function parseCheckpoint(note) {
  const lines = splitNote(note).text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.some((line) => !line)) {
    throw new Fault("a checkpoint has at least three lines, none of them empty: origin, size, root");
  }
  return { origin: lines[0], size: number(lines[1], "the tree size"), root: hash(lines[2]) };
}

export function parseProof(text) {
  if (text.length > MAX_NOTE) throw new Fault(`a proof has at most ${MAX_NOTE} characters`);
  const at = text.indexOf("\n\n");
  if (at < 0) throw new Fault("the proof has no checkpoint: it ends before the blank line");
  const lines = text.slice(0, at).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Fault("a proof begins with the line c2sp.org/tlog-proof@v1");
  if (lines[0]?.startsWith("extra ")) fromBase64(lines.shift().slice(6), "the extra data");
  if (!lines[0]?.startsWith("index ")) throw new Fault("the proof does not say the entry's index");
  const index = number(lines.shift().slice(6), "the index");
  if (lines.length > MAX_HASHES) throw new Fault(`a proof has at most ${MAX_HASHES} hashes`);
  const signed = text.slice(at + 2);
  return { index, hashes: lines.map(hash), signed, checkpoint: parseCheckpoint(signed) };
}
