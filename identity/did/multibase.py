"""Multibase and multicodec as DIDs use them: base58btc, base64url, unsigned varints. Strict: one spelling each."""

from __future__ import annotations

import base64
import binascii
import re

MAX_BASE58 = 256  # characters: decoding takes quadratic time, and no key of ours has more than 60
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z", re.ASCII)


def encode_base58(data: bytes) -> str:
    """Write octets in base58btc; a leading zero octet becomes a leading 1."""
    zeros = len(data) - len(data.lstrip(b"\0"))
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        letters = _ALPHABET[rest] + letters
    return "1" * zeros + letters


def decode_base58(text: str) -> bytes:
    """Read base58btc.

    Raises:
        ValueError: a letter is not of the alphabet, or there are more than `MAX_BASE58`.
    """
    if len(text) > MAX_BASE58:
        raise ValueError(f"more than {MAX_BASE58} characters of base58")
    number = 0
    for letter in text:
        if letter not in _VALUES:
            raise ValueError(f"{letter!r} is no letter of base58")
        number = number * 58 + _VALUES[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode_base64url(data: bytes) -> str:
    """Write octets in base64url without padding (RFC 4648 §5, RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Read base64url without padding, in its one spelling.

    Raises:
        ValueError: foreign letters, padding, an impossible length, or bits behind the last octet that are not zero
            (a second spelling of the same octets, which would be the twin of a token somebody remembers).
    """
    if not _BASE64URL.match(text) or len(text) % 4 == 1:
        raise ValueError("this is no base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("this is no base64url") from None
    if encode_base64url(data) != text:
        raise ValueError("base64url with bits left over")
    return data


def decode(text: str) -> bytes:
    """Read multibase: `z` and base58btc, or `u` and base64url without padding.

    Raises:
        ValueError: another base, or not of it.
    """
    if text.startswith("z"):
        return decode_base58(text[1:])
    if text.startswith("u"):
        return decode_base64url(text[1:])
    raise ValueError("the multibase prefix is neither z (base58btc) nor u (base64url)")


def read_varint(data: bytes) -> tuple[int, bytes]:
    """The unsigned varint at the start (at most 4 octets), and what follows it.

    Raises:
        ValueError: it does not end, or is not written as short as it can be.
    """
    number = 0
    for place, octet in enumerate(data[:4]):
        number |= (octet & 0x7F) << (7 * place)
        if octet < 0x80:
            if place and not octet:
                raise ValueError("a varint that could be shorter")
            return number, data[place + 1 :]
    raise ValueError("a varint without an end")


def write_varint(number: int) -> bytes:
    """An unsigned varint; `number` is not negative."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])
