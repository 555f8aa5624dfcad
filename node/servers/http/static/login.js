// Log in with an Ethereum wallet: find the wallets (EIP-6963, else EIP-1193's window.ethereum), let one sign, send it in.

const list = document.getElementById("wallets");
const none = document.getElementById("none");
const status = document.getElementById("status");
const known = new Set();
const PATIENCE = 400; // milliseconds in which wallets announce themselves

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function offer(id, name, icon, provider) {
  if (known.has(id)) return;
  known.add(id);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "wallet";
  const picture = document.createElement(isPicture(icon) ? "img" : "span");
  if (isPicture(icon)) {
    picture.src = icon;
    picture.alt = "";
  } else {
    picture.className = "blank";
  }
  const words = document.createElement("span");
  words.textContent = name; // never as HTML: any extension can announce any name
  button.append(picture, words);
  button.addEventListener("click", () => logIn(name, provider));
  list.append(button);
  none.hidden = true;
  say("");
}

const isPicture = (icon) => typeof icon === "string" && icon.startsWith("data:image/");

function look() {
  say("Looking for wallets…");
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  setTimeout(() => {
    if (known.size === 0 && window.ethereum) offer("injected", "Wallet in this browser", null, window.ethereum);
    list.setAttribute("aria-busy", "false");
    none.hidden = known.size > 0;
    if (known.size === 0) say("");
  }, PATIENCE);
}

async function logIn(name, provider) {
  busy(true);
  try {
    say(`Asking ${name} for your account…`);
    const [address] = await provider.request({ method: "eth_requestAccounts" });
    if (!address) throw new Error(`${name} named no account. Unlock it and try again.`);
    const chain = Number(await provider.request({ method: "eth_chainId" }));
    const { message } = await post("/auth/siwe/nonce", { address, chain_id: Number.isSafeInteger(chain) ? chain : null });
    say(`Please sign in ${name}. It costs nothing.`);
    const signature = await provider.request({ method: "personal_sign", params: [hex(message), address] });
    say("Checking the signature…");
    const { location } = await post("/auth/siwe/verify", { message, signature });
    say("Welcome. Opening your account…");
    window.location.assign(location);
  } catch (error) {
    say(explain(name, error), true);
    busy(false);
  }
}

function explain(name, error) {
  if (error?.code === 4001) return `You declined in ${name}. Choose a wallet to try again.`; // EIP-1193
  if (error?.code === -32002) return `${name} is already asking you something. Open it and answer there.`;
  if (error instanceof TypeError) return "This node cannot be reached right now. Check your connection and try again.";
  return error?.message || `${name} gave no answer. Try again.`;
}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.words || `The node answered ${response.status}. Try again.`);
  return answer;
}

const hex = (text) =>
  "0x" + Array.from(new TextEncoder().encode(text), (octet) => octet.toString(16).padStart(2, "0")).join("");

function busy(is) {
  for (const button of list.children) button.disabled = is;
}

window.addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (detail?.info?.uuid && detail.provider) offer(detail.info.uuid, String(detail.info.name), detail.info.icon, detail.provider);
});
document.getElementById("again").addEventListener("click", look);
look();
