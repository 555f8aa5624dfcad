// The audit page: a message and its receipt are checked here, in the browser. Neither leaves it.

import { connect, onChain, server, wallet } from "./chain.js";
import { parseReceipt, verifyReceipt } from "./receipt.js";
import { parseKey } from "./tlog.js";

const LARGEST = 256 << 20; // octets of a message
const NAMES = { message: "Message", leaf: "Entry", inclusion: "Place in the log", checkpoint: "Signature", chain: "Chain" };
const WORDS = { true: ["good", "Holds"], false: ["bad", "Does not hold"], null: ["open", "Not checked"] };

const form = document.getElementById("audit");
const status = document.getElementById("audit-status");
const results = document.getElementById("audit-results");
const verdict = document.getElementById("audit-verdict");
const drop = document.getElementById("drop");
const { message: messageField, receipt: receiptField, keys: keysField, rpc: rpcField, wallet: walletField } = form.elements;
const facts = form.dataset;
let provider = window.ethereum ?? null;
let turn = 0;

window.addEventListener("eip6963:announceProvider", ({ detail }) => {
  provider = detail?.provider ?? provider;
  offerWallet();
});
window.dispatchEvent(new Event("eip6963:requestProvider"));
offerWallet();

function offerWallet() {
  document.getElementById("wallet-offer").hidden = !provider;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});
for (const field of [messageField, receiptField]) field.addEventListener("change", () => bothThere() && check());

const bothThere = () => messageField.files.length > 0 && receiptField.files.length > 0;

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  for (const file of event.dataTransfer.files) {
    const kept = new DataTransfer();
    kept.items.add(file);
    ((await isReceipt(file)) ? receiptField : messageField).files = kept.files;
  }
  if (bothThere()) check();
  else say("Now the other file: the check needs the message and its receipt.");
});

const isReceipt = async (file) => /^\s*\{[^]*"waxseal\.receipt\//.test(await file.slice(0, 4096).text());

async function check() {
  const own = ++turn;
  results.replaceChildren();
  verdict.hidden = true;
  if (!bothThere()) return say("Choose the message and its receipt first.", true);
  say("Checking…");
  try {
    const [message, receipt] = await read();
    const keys = await Promise.all(keysField.value.split(/\s+/).filter(Boolean).map(parseKey));
    const { steps, paths } = await verifyReceipt(message, receipt, keys);
    if (own !== turn) return;
    for (const step of steps) show(step);
    const last = paths.length
      ? await onChain(receipt, paths, await connect(offers()), facts)
      : { name: "chain", holds: false, words: "The receipt's proof cannot be read." };
    if (own !== turn) return;
    show(last);
    conclude([...steps, last]);
    say("");
  } catch (error) {
    if (own === turn) say(`${error.message || error}`, true);
  }
}

async function read() {
  const [file] = messageField.files;
  if (file.size > LARGEST) throw new Error("This page reads messages up to 256 MiB. Use waxseal verify for larger ones.");
  const receipt = parseReceipt(await receiptField.files[0].slice(0, 1 << 18).text());
  return [new Uint8Array(await file.arrayBuffer()), receipt];
}

function offers() {
  const urls = rpcField.value.split(/\s+/).filter(Boolean);
  const servers = urls.map((url) => ({ name: new URL(url).host, ask: server(url) }));
  return walletField.checked && provider ? [...servers, { name: "your wallet", ask: wallet(provider) }] : servers;
}

function show({ name, holds, words }) {
  const [kind, short] = WORDS[holds];
  const item = document.createElement("li");
  const head = document.createElement("p");
  const title = document.createElement("strong");
  const mark = document.createElement("span");
  const text = document.createElement("p");
  item.dataset.step = name;
  item.dataset.holds = String(holds);
  title.textContent = NAMES[name];
  mark.className = `truth ${kind}`;
  mark.textContent = short;
  text.textContent = words;
  text.className = "quiet wrap";
  head.append(title, " ", mark);
  item.append(head, text);
  results.append(item);
}

function conclude(steps) {
  const bad = steps.some(({ holds }) => holds === false);
  const open = steps.some(({ holds }) => holds === null);
  verdict.hidden = false;
  verdict.dataset.result = bad ? "false" : open ? "open" : "true";
  verdict.className = bad ? "notice bad" : open ? "notice" : "notice good";
  verdict.textContent = bad
    ? "This does not prove anything: at least one step does not hold."
    : open
      ? "Whatever could be checked holds, but not everything could be."
      : "Everything holds: this message, unchanged, was accepted by that node before that block.";
}

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}
