"""Ethereum accounts: addresses (EIP-55) and signatures over text (EIP-191), verified without any chain."""

from __future__ import annotations

import re

from coincurve import PublicKey

from identity.refusal import Reason, Refusal

SIGNATURE_SIZE = 65  # octets of a key's signature: r, s, v
MAX_SIGNATURE = 8192  # octets of a contract wallet's; one that brings its own deployment along has 1,000 to 3,000
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1, SEC 2 §2.4.1
_HALF_ORDER = _ORDER // 2
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z", re.ASCII)
_SIGNATURE = re.compile(rf"0x(?:[0-9a-fA-F]{{2}}){{1,{MAX_SIGNATURE}}}\Z", re.ASCII)


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (the original padding, not FIPS 202's SHA3-256)."""
    # Loaded at the first use: it costs 40 ms, and a node starts more often than anybody logs in to it by wallet.
    # The backend is named, not looked up: eth_hash.auto would let an environment variable choose it.
    from eth_hash.backends.pycryptodome import backend  # noqa: PLC0415

    return backend.keccak256(data)


def to_checksum(address: bytes) -> str:
    """Write 20 octets as an address with its checksum in the letters' case (EIP-55)."""
    if len(address) != 20:
        raise ValueError(f"an address has 20 octets, not {len(address)}")
    lower = address.hex()
    digest = keccak(lower.encode("ascii")).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) >= 8 else letter for letter, nibble in zip(lower, digest, strict=False)
    )


def from_checksum(text: str) -> bytes | None:
    """Read an address that carries a right EIP-55 checksum; None for anything else, all-lower-case included."""
    if not _ADDRESS.match(text):
        return None
    address = bytes.fromhex(text[2:])
    return address if to_checksum(address) == text else None


def checksum_address(text: str) -> str:
    """Write an address that a person typed with its EIP-55 checksum.

    Raises:
        ValueError: it is no address, or its mixed case shows that a letter was mistyped.
    """
    if not _ADDRESS.match(text):
        raise ValueError(f"{text[:60]!r} is no Ethereum address: write 0x and 40 hex digits")
    checked = to_checksum(bytes.fromhex(text[2:]))
    if text[2:] not in (checked[2:], text[2:].lower(), text[2:].upper()):
        raise ValueError(f"{text!r} does not carry its checksum: copy the address again, some letter is wrong")
    return checked


def subject(address: bytes) -> str:
    """The name under which an account is bound to a person: CAIP-10 without the chain, in lower case.

    The chain is left out on purpose: an externally owned account is the same key on every chain.
    """
    return f"eip155:0x{address.hex()}"


def personal_hash(message: bytes) -> bytes:
    """The digest that `personal_sign` signs (EIP-191, version 0x45)."""
    # The prefix keeps a wallet from being talked into signing a transaction as "text".
    return keccak(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)


def parse_signature(text: str) -> bytes | Refusal:
    """Read `0x` and hex digits as a wallet returns them: 65 octets by a key, any number by a contract wallet."""
    if not _SIGNATURE.match(text):
        return Refusal(Reason.BAD_SIGNATURE, f"the signature is not hex of 1 to {MAX_SIGNATURE} octets after 0x")
    return bytes.fromhex(text[2:])


def recover(message: bytes, signature: bytes) -> bytes | Refusal:
    """Tell who signed a message with `personal_sign`; `message` is the text as it was shown to the signer, UTF-8."""
    return recover_digest(personal_hash(message), signature)


def recover_digest(digest: bytes, signature: bytes) -> bytes | Refusal:
    """Tell whose key signed a digest.

    Args:
        digest: 32 octets made so that no transaction has the same: `personal_hash`, or `eip712.digest`.
        signature: r (32 octets), s (32 octets), v (27, 28, or 0, 1 as some hardware wallets send).

    Returns:
        The signer's address (20 octets), or why nothing can be told.
    """
    if len(signature) != SIGNATURE_SIZE:
        return Refusal(Reason.BAD_SIGNATURE, "the signature does not have 65 octets")
    v = signature[64]
    if v not in (0, 1, 27, 28):
        return Refusal(Reason.BAD_SIGNATURE, "the signature's recovery value is not 27, 28, 0 or 1")
    s = int.from_bytes(signature[32:64], "big")
    # (r, n - s) signs the same message: accepting both would give every signature a twin, and whoever
    # remembers signatures to spot replay would miss it (EIP-2).
    if _HALF_ORDER < s < _ORDER:
        return Refusal(Reason.HIGH_S, "the signature's s is in the upper half of the curve's order")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([v % 27]), digest, hasher=None)
    except Exception:  # noqa: BLE001 - coincurve raises bare Exception for a signature without a point
        return Refusal(Reason.BAD_SIGNATURE, "the signature belongs to no key")
    return keccak(key.format(compressed=False)[1:])[12:]
