// Log in with a wallet.

import { offerWallets, post, say, signed } from "./wallet.js";

offerWallets(async (name, provider) => {
  const { location } = await post("/auth/siwe/verify", await signed("/auth/siwe/nonce", name, provider));
  say("Welcome. Opening your account…");
  window.location.assign(location);
});
