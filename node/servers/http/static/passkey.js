// Passkeys: the options and answers of Web Authentication, between the page's JSON and the browser's octets.

export const isOffered = () => Boolean(window.PublicKeyCredential && navigator.credentials);

// Asks an authenticator for a passkey's answer to `options`; the answer in its JSON form.
export async function ask(options) {
  const publicKey = { ...options, challenge: octets(options.challenge), allowCredentials: [] };
  const { rawId, type, response } = await navigator.credentials.get({ publicKey });
  return {
    id: text(rawId),
    type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
  };
}

// Asks an authenticator for a new passkey; what it made, in its JSON form.
export async function make(options) {
  const publicKey = {
    ...options,
    challenge: octets(options.challenge),
    user: { ...options.user, id: octets(options.user.id) },
    excludeCredentials: options.excludeCredentials.map((known) => ({ ...known, id: octets(known.id) })),
  };
  const { rawId, type, response } = await navigator.credentials.create({ publicKey });
  return {
    id: text(rawId),
    type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
      transports: response.getTransports ? response.getTransports() : [],
    },
  };
}

// A passkey that opens nothing any more: the browser may take it off its list.
export function forget(rpId, id) {
  window.PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId: id }).catch(() => {});
}

export function explain(error) {
  if (error?.name === "NotAllowedError") return "Nothing was done: you declined, or it took too long. Try again.";
  if (error?.name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (error?.name === "SecurityError") return "Passkeys work only at the address they were made for. Check the address above.";
  if (error?.name === "NotSupportedError") return "This device cannot make such a passkey. Try another one.";
  if (error instanceof TypeError) return "This node cannot be reached right now. Check your connection and try again.";
  return error?.message || "The device gave no answer. Try again.";
}

function octets(text) {
  const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
