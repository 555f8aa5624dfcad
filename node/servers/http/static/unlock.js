// Unlock sending with a fresh signature of a wallet.

import { offerWallets, post, say, signed } from "./wallet.js";

offerWallets(async (name, provider) => {
  const { location } = await post("/auth/unlock/verify", await signed("/auth/unlock/nonce", name, provider));
  say("Done. Sending is unlocked.");
  window.location.assign(location);
});
