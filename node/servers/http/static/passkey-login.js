// Log in with a passkey.

import { ask, explain, forget, isOffered } from "./passkey.js";
import { post } from "./wallet.js";

const place = document.getElementById("passkey");
const button = place.querySelector("button");
const status = document.getElementById("passkey-status");

place.hidden = !isOffered();
button.addEventListener("click", async () => {
  let options, answer;
  say("Waiting for your device…");
  button.disabled = true;
  try {
    options = await post("/auth/passkey/options", {});
    answer = await ask(options);
    say("Checking…");
    const { location } = await post("/auth/passkey/verify", answer);
    say("Welcome. Opening your account…");
    window.location.assign(location);
  } catch (error) {
    if (error.reason === "unknown-passkey") forget(options.rpId, answer.id);
    say(explain(error), true);
    button.disabled = false;
  }
});

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}
