// Receipts for messages that never leave this browser: their SHA-256 is asked for, as they are first, then with what
// mail clients change on export undone (docs/proof.md has the rules; here are the common ones).

const input = document.getElementById("files");
const drop = document.getElementById("drop");
const status = document.getElementById("status");
const found = document.getElementById("found");
const LIMIT = 64 << 20; // octets of a message
const PRIVATE = new RegExp(
  "^(?:status|x-status|x-keywords|x-uid|x-uidl|x-imap|x-imapbase|content-length|lines|x-mozilla-status2?|" +
    "x-mozilla-keys|x-account-key|x-tuid|x-evolution|x-folder|x-gmail-labels|x-gm-thrid)[ \\t]*:[^\\n]*\\n(?:[ \\t][^\\n]*\\n)*",
  "gim",
);

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

// One character an octet, and back.
function read(octets) {
  const parts = [];
  for (let at = 0; at < octets.length; at += 8192) parts.push(String.fromCharCode(...octets.subarray(at, at + 8192)));
  return parts.join("");
}
const write = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

// The message as it is, and ways to undo an export.
export function* ways(octets) {
  yield octets;
  let text = read(octets).replace(/^\xef\xbb\xbf/, "");
  const mailbox = /^From [^\n]*\n/.test(text);
  text = text.replace(/^From [^\n]*\n/, "").replace(/\r*\n/g, "\r\n");
  const end = text.indexOf("\r\n\r\n") + 2;
  const bare = text.slice(0, end).replace(PRIVATE, "") + text.slice(end);
  for (const one of new Set([text, bare, bare.replace(/^>(>*From )/gm, "$1")])) {
    const less = one.replace(/\r\n$/, "");
    for (const way of new Set(mailbox ? [less, one] : [one, less, one + "\r\n"])) yield write(way);
  }
}

async function digest(octets) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
  return Array.from(hash, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

async function receiptOf(octets) {
  const tried = new Set();
  for (const way of ways(octets)) {
    const sha256 = await digest(way);
    if (tried.has(sha256)) continue;
    tried.add(sha256);
    const answer = await fetch(`/receipts/${sha256}`, { headers: { accept: "application/json" } });
    if (answer.ok) return { sha256, receipt: await answer.json(), exact: tried.size === 1 };
    if (answer.status !== 404) throw new Error((await answer.json().catch(() => ({}))).words || "Try again.");
  }
  return null;
}

function show(name, { sha256, receipt, exact }) {
  const item = document.createElement("li");
  const title = document.createElement("strong");
  title.textContent = name;
  const words = document.createElement("span");
  const where = (receipt.anchors ?? []).map((place) => place.chain).join(", ");
  words.textContent = (where ? ` Anchored on ${where}. ` : " Not anchored yet. ") + (exact ? "" : "What its export changed was undone. ");
  const link = document.createElement("a");
  link.href = `/receipts/${sha256}`;
  link.download = `${name.replace(/\.[^.]*$/, "")}.receipt.json`;
  link.className = "button small";
  link.textContent = "Save the receipt";
  link.setAttribute("aria-label", `Save the receipt of ${name}`);
  const form = document.createElement("form");
  form.method = "post";
  form.action = `/receipts/${sha256}/mail`;
  const button = document.createElement("button");
  button.className = "button plain small";
  button.textContent = "Mail it to me";
  button.setAttribute("aria-label", `Mail the receipt of ${name} to me`);
  form.append(button);
  item.append(title, words, link, form);
  found.append(item);
}

async function take(files) {
  for (const file of files) {
    say(`Looking for ${file.name}…`);
    try {
      if (file.size > LIMIT) throw new Error(`${file.name} is larger than this page reads; use waxseal receipt.`);
      const one = await receiptOf(new Uint8Array(await file.arrayBuffer()));
      if (one === null) {
        say(`None of your messages here is ${file.name}. Save it whole, headers included, as its source.`, true);
        continue;
      }
      show(file.name, one);
      say("");
    } catch (error) {
      say(error instanceof TypeError ? "This node cannot be reached right now. Try again." : error.message, true);
    }
  }
}

drop.hidden = false;
input.addEventListener("change", () => take(input.files).then(() => { input.value = ""; }));
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
document.addEventListener("dragover", () => drop.classList.add("over"));
for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => take(event.dataTransfer.files));
