// Find the wallets in this browser, let one be chosen, let it sign: Ethereum's (EIP-6963, else EIP-1193's
// window.ethereum), and Solana's (Wallet Standard) where this node takes them.

const list = document.getElementById("wallets");
const none = document.getElementById("none");
const status = document.getElementById("status");
const known = new Set();
const PATIENCE = 400; // milliseconds in which wallets announce themselves

export function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

// Shows the wallets; `act(name, provider)` is called with the chosen one, and what it throws is shown.
export function offerWallets(act) {
  const solana = "solana" in list.dataset ? { register: (...wallets) => offerSolana(act, wallets) } : null;
  const look = () => {
    say("Looking for wallets…");
    window.dispatchEvent(new Event("eip6963:requestProvider"));
    if (solana) window.dispatchEvent(new CustomEvent("wallet-standard:app-ready", { detail: solana }));
    setTimeout(() => {
      if (known.size === 0 && window.ethereum) offer(act, "injected", "Wallet in this browser", null, window.ethereum);
      list.setAttribute("aria-busy", "false");
      none.hidden = known.size > 0;
      if (known.size === 0) say("");
    }, PATIENCE);
  };
  window.addEventListener("eip6963:announceProvider", ({ detail }) => {
    if (detail?.info?.uuid && detail.provider) {
      offer(act, detail.info.uuid, String(detail.info.name), detail.info.icon, detail.provider);
    }
  });
  if (solana) window.addEventListener("wallet-standard:register-wallet", ({ detail }) => detail(solana));
  document.getElementById("again").addEventListener("click", look);
  look();
}

function offerSolana(act, wallets) {
  for (const wallet of wallets) {
    const features = wallet?.features ?? {};
    if (!features["standard:connect"] || !features["solana:signMessage"]) continue;
    offer(act, `solana ${wallet.name}`, `${wallet.name} (Solana)`, wallet.icon, { solana: features });
  }
  return () => {};
}

function offer(act, id, name, icon, provider) {
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
  button.addEventListener("click", async () => {
    busy(true);
    try {
      await act(name, provider);
    } catch (error) {
      say(explain(name, error), true);
      busy(false);
    }
  });
  list.append(button);
  none.hidden = true;
  say("");
}

const isPicture = (icon) => typeof icon === "string" && icon.startsWith("data:image/");

// Asks the wallet for its account, `path` for a message to that account, and the wallet for its signature.
export async function signed(path, name, provider) {
  if (provider.solana) return signedBySolana(path, name, provider.solana);
  say(`Asking ${name} for your account…`);
  const [address] = await provider.request({ method: "eth_requestAccounts" });
  if (!address) throw new Error(`${name} named no account. Unlock it and try again.`);
  const chain = Number(await provider.request({ method: "eth_chainId" }));
  const { message } = await post(path, { address, chain_id: Number.isSafeInteger(chain) ? chain : null });
  say(`Please sign in ${name}. It costs nothing.`);
  const signature = await provider.request({ method: "personal_sign", params: [hex(new TextEncoder().encode(message)), address] });
  say("Checking the signature…");
  return { message, signature };
}

async function signedBySolana(path, name, features) {
  say(`Asking ${name} for your account…`);
  const { accounts } = await features["standard:connect"].connect();
  const account = accounts.find(({ chains }) => chains?.some((chain) => chain.startsWith("solana:"))) ?? accounts[0];
  if (!account) throw new Error(`${name} named no account. Unlock it and try again.`);
  const { message } = await post(path, { address: account.address });
  say(`Please sign in ${name}. It costs nothing.`);
  const octets = new TextEncoder().encode(message);
  const [{ signature }] = await features["solana:signMessage"].signMessage({ account, message: octets });
  say("Checking the signature…");
  return { message, signature: hex(signature) };
}

function explain(name, error) {
  if (error?.code === 4001) return `You declined in ${name}. Choose a wallet to try again.`; // EIP-1193
  if (error?.code === -32002) return `${name} is already asking you something. Open it and answer there.`;
  if (error instanceof TypeError) return "This node cannot be reached right now. Check your connection and try again.";
  return error?.message || `${name} gave no answer. Try again.`;
}

export async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const words = answer.words || `The node answered ${response.status}. Try again.`;
    throw Object.assign(new Error(words), { reason: answer.error });
  }
  return answer;
}

const hex = (octets) => "0x" + Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");

function busy(is) {
  for (const button of list.children) button.disabled = is;
}
