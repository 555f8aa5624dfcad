// Add a passkey to the account.

import { explain, isOffered, make } from "./passkey.js";
import { post } from "./wallet.js";

const form = document.getElementById("add-passkey");
const button = form.querySelector("button");
const status = document.getElementById("passkey-status");
const again = document.getElementById("passkey-again");

form.hidden = !isOffered();
document.getElementById("no-passkeys").hidden = isOffered();
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  again.hidden = true;
  say("Waiting for your device…");
  button.disabled = true;
  try {
    const options = await post("/account/passkeys/options", {});
    const credential = await make(options);
    await post("/account/passkeys", { name: form.elements.name.value, credential });
    window.location.hash = "passkeys";
    window.location.reload();
  } catch (error) {
    say(explain(error), true);
    again.hidden = error.reason !== "login-again";
    button.disabled = false;
  }
});

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}
