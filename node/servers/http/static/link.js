// Opens what a link leads to: the key is in the address behind the #, and stays in this browser. Leaves are fetched and
// opened one by one (docs/ipfs.md has the format: AES-256-GCM, the leaf's number in nonce and associated data).

const place = document.getElementById("link");
const button = document.getElementById("get");
const bar = document.getElementById("bar");
const progress = document.getElementById("progress");
const status = document.getElementById("status");
const { id, name } = place.dataset;
const size = Number(place.dataset.size);
const HEADER = 32;
const TAG = 16;
const TRIES = 4; // of a leaf, before the person is asked

class Told extends Error {} // its text is for people

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function secretOf(fragment) {
  if (!/^#[A-Za-z0-9_-]{43}$/.test(fragment)) return null;
  const text = atob(fragment.slice(1).replace(/-/g, "+").replace(/_/g, "/") + "=");
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function octets(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}

function written(data) {
  return btoa(String.fromCharCode(...data)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

async function keys(secret) {
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits", "deriveKey"]);
  const from = (info) => ({ name: "HKDF", hash: "SHA-256", salt: octets(id), info: new TextEncoder().encode(info) });
  const proof = await crypto.subtle.deriveBits(from("waxseal link proof"), base, 256);
  const kind = { name: "AES-GCM", length: 256 };
  const key = await crypto.subtle.deriveKey(from("waxseal link content"), base, kind, false, ["decrypt"]);
  return { key, proof: written(new Uint8Array(proof)) };
}

async function refused(answer) {
  const words = (await answer.json().catch(() => ({}))).words;
  return new Told(words || "The server does not answer as it should. Try again later.");
}

async function ticketFor(proof) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  const answer = await fetch(`/link/${id}/download`, { method: "POST", headers, body: JSON.stringify({ proof }) });
  if (!answer.ok) throw await refused(answer);
  return (await answer.json()).ticket;
}

// A leaf as the server has it; what may pass is tried again.
async function sealed(number, ticket) {
  for (let attempt = 1; ; attempt++) {
    let answer = null;
    try {
      answer = await fetch(`/link/${id}/leaf/${number}`, { headers: { "x-link-ticket": ticket, accept: "application/json" } });
      if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
    } catch (error) {
      if (attempt === TRIES) throw new Told("The connection was lost. Go on when you are online again.");
    }
    const passes = answer === null || answer.status === 429 || answer.status >= 500;
    if (!passes || attempt === TRIES) throw await refused(answer);
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
  }
}

class Damaged extends Told {
  constructor() {
    super("The file is damaged on the server or was changed there. Nothing was saved. Tell the sender.");
  }
}

function read(leaf) {
  const view = new DataView(leaf.buffer, leaf.byteOffset, leaf.byteLength);
  if (leaf.length < HEADER + TAG || view.getUint32(0) !== 0x5758534c || view.getUint8(4) !== 1 || view.getUint8(5) !== 2) throw new Damaged();
  const chunk = 2 ** view.getUint8(6);
  const length = Number(view.getBigUint64(24));
  if (chunk < 1024 || chunk > 2 ** 21 || length !== size) throw new Damaged();
  const behind = length - (chunk - TAG - HEADER);
  return { octets: leaf.slice(0, HEADER), leaves: behind <= 0 ? 1 : 1 + Math.ceil(behind / (chunk - TAG)) };
}

async function open(key, header, number, leaf) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, BigInt(number));
  const additionalData = new Uint8Array(HEADER + 9);
  additionalData.set(header.octets);
  additionalData.set(iv.subarray(4), HEADER);
  additionalData[HEADER + 8] = number === header.leaves - 1 ? 1 : 0;
  try {
    return await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, number ? leaf : leaf.subarray(HEADER));
  } catch (error) {
    throw new Damaged();
  }
}

// What was opened so far: a download that was cut off goes on where it was.
const state = { ticket: null, header: null, next: 0, parts: [], done: 0 };

async function download(secret) {
  const { key, proof } = await keys(secret);
  state.ticket ??= await ticketFor(proof);
  let coming = sealed(state.next, state.ticket);
  while (state.header === null || state.next < state.header.leaves) {
    const leaf = await coming;
    state.header ??= read(leaf);
    const last = state.next === state.header.leaves - 1;
    if (!last) {
      coming = sealed(state.next + 1, state.ticket);
      coming.catch(() => {}); // awaited in the next round, unless this leaf ends it
    }
    const content = await open(key, state.header, state.next, leaf);
    state.parts.push(new Blob([content])); // the browser may put these on disk
    state.done += content.byteLength;
    state.next += 1;
    progress.value = size ? state.done / size : 1;
    say(`${Math.floor(progress.value * 100)} % opened`);
  }
  if (state.done !== size) throw new Damaged();
}

function save() {
  const address = URL.createObjectURL(new Blob(state.parts, { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function start(secret) {
  button.disabled = true;
  bar.hidden = false;
  say("Asking for the file …");
  try {
    await download(secret);
    save();
    say("Downloaded, opened and checked. Your browser has saved it.");
    button.hidden = true;
  } catch (error) {
    if (!(error instanceof Told)) console.error(error);
    if (error instanceof Damaged) Object.assign(state, { header: null, next: 0, parts: [], done: 0 });
    say(error instanceof Told ? error.message : "This did not work. Reload the page and try again.", true);
    button.textContent = "Try again";
    button.disabled = false;
  }
}

const secret = secretOf(location.hash);
if (!globalThis.crypto?.subtle) {
  say("Your browser opens sealed files only over https. Use the address as it stands in the message.", true);
} else if (secret === null) {
  say("The key is missing: the address is cut off. Copy all of it from the message, up to its end.", true);
} else {
  button.hidden = false;
  button.addEventListener("click", () => start(secret));
}
addEventListener("hashchange", () => location.reload());
