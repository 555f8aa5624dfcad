"""DIDs that carry all there is to know: did:key, did:jwk and did:pkh. Nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable

from identity import ethereum, strict_json
from identity.did import keys, multibase
from identity.did.document import Document, of_account, of_one_key
from identity.did.keys import Kind, PublicKey
from identity.did.syntax import Did
from identity.refusal import Reason, Refusal

_ACCOUNT = re.compile(r"(eip155):([1-9][0-9]{0,31}):(0x[0-9A-Fa-f]{40})\Z", re.ASCII)  # CAIP-10
_SOLANA = re.compile(r"(solana):([1-9A-HJ-NP-Za-km-z]{32}):([1-9A-HJ-NP-Za-km-z]{32,44})\Z", re.ASCII)


def resolve(did: Did) -> Document | Refusal:
    """The document of a DID whose method is in `METHODS`."""
    method = METHODS.get(did.method)
    if method is None:
        return Refusal(Reason.UNKNOWN_METHOD, f"did:{did.method[:20]} is not understood here")
    try:
        return method(did)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"this did:{did.method} holds no usable key: {error}")


def key_did(key: PublicKey) -> str:
    """The did:key of a key."""
    return f"did:key:{key.multikey}"


def jwk_did(key: PublicKey) -> str:
    """The did:jwk of a key; members in the order of their names, no spaces."""
    members = ",".join(f'"{name}":"{value}"' for name, value in key.jwk.items())
    return f"did:jwk:{multibase.encode_base64url(('{' + members + '}').encode())}"


def _key(did: Did) -> Document:
    """did:key v0.9 (W3C CCG): the multikey is both the DID and the name of its one method.

    The X25519 key that some derive from an Ed25519 key is left out: one key, one use.
    """
    if not did.id.startswith("z"):
        raise ValueError("a did:key is written in base58btc")
    key = keys.from_multikey(did.id)
    if key.multikey != did.id:
        raise ValueError("its spelling is not the only one")
    return of_one_key(did, did.id, key)


def _jwk(did: Did) -> Document:
    """did:jwk (Quartz, 2022): base64url of the JWK; its one method is `#0`."""
    return of_one_key(did, "0", keys.from_jwk(strict_json.loads(multibase.decode_base64url(did.id), 2048, depth=4)))


def _pkh(did: Did) -> Document:
    """did:pkh (W3C CCG): an account on a chain (CAIP-10)."""
    if (match := _ACCOUNT.match(did.id)) is not None:
        ethereum.checksum_address(match[3])  # mixed case with a wrong checksum: somebody mistyped it
        return of_account(did, "blockchainAccountId", did.id)
    if (match := _SOLANA.match(did.id)) is not None:
        return of_one_key(did, "controller", keys.from_raw(Kind.ED25519, multibase.decode_base58(match[3])), did.id)
    raise ValueError("it is no account of eip155 or solana")


METHODS: dict[str, Callable[[Did], Document]] = {"key": _key, "jwk": _jwk, "pkh": _pkh}
