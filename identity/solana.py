"""Solana accounts: addresses (base58 of an ed25519 key) and signatures over text, verified without any chain."""

from __future__ import annotations

import re

from identity.did.multibase import decode_base58, encode_base58
from identity.refusal import Reason, Refusal

ADDRESS_SIZE = 32  # octets: an ed25519 public key
SIGNATURE_SIZE = 64  # octets: R, S (RFC 8032 §5.1.6)
_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}\Z", re.ASCII)
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{128}\Z", re.ASCII)


def parse_address(text: str) -> bytes | Refusal:
    """The 32 octets of an address. Base58 has no checksum: only the length can show that it was mistyped."""
    if not _ADDRESS.match(text):
        return Refusal(Reason.MALFORMED, f"{text[:60]!r} is no Solana address: write its 32 to 44 letters of base58")
    key = decode_base58(text)
    if len(key) != ADDRESS_SIZE:
        return Refusal(Reason.MALFORMED, f"{text!r} is no Solana address: some letter is missing or too many")
    return key


def format_address(key: bytes) -> str:
    """Write 32 octets as an address."""
    if len(key) != ADDRESS_SIZE:
        raise ValueError(f"a Solana address has {ADDRESS_SIZE} octets, not {len(key)}")
    return encode_base58(key)


def subject(key: bytes) -> str:
    """The name under which an account is bound to a person: CAIP-10 without the cluster: a key is the same on all."""
    return f"solana:{format_address(key)}"


def parse_signature(text: str) -> bytes | Refusal:
    """Read `0x` and 128 hex digits."""
    if not _SIGNATURE.match(text):
        return Refusal(Reason.BAD_SIGNATURE, "the signature is not 64 octets in hex")
    return bytes.fromhex(text[2:])


def verify(message: bytes, signature: bytes, key: bytes) -> Refusal | None:
    """Tell whether `key` signed these octets; None when it did.

    libsodium refuses what would give a signature a twin or suit many keys: an S that is not reduced, keys and R of
    small order, points not in their one encoding (RFC 8032 §5.1.7).
    """
    # Loaded at the first use, like the rest that only logins need.
    from nacl.exceptions import BadSignatureError, CryptoError  # noqa: PLC0415
    from nacl.signing import VerifyKey  # noqa: PLC0415

    if len(signature) != SIGNATURE_SIZE or len(key) != ADDRESS_SIZE:
        return Refusal(Reason.BAD_SIGNATURE, "the signature does not have 64 octets")
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError:
        return Refusal(Reason.WRONG_SIGNER, "the signature is not by the address in the message")
    except (CryptoError, ValueError):
        return Refusal(Reason.BAD_SIGNATURE, "the address is no key that could have signed")
    return None
