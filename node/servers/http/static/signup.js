// Open a mailbox: a wallet proves itself, then the address is chosen on the next page.

import { offerWallets, post, say, signed } from "./wallet.js";

offerWallets(async (name, provider) => {
  const { location } = await post("/auth/signup/verify", await signed("/auth/signup/nonce", name, provider));
  say("Thank you. Now choose an address…");
  window.location.assign(location);
});
