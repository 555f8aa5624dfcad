"""LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4959)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field

from node.wire.imap.lexer import Cursor, ParseError


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN (RFC 3501 §6.2.3)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE (RFC 3501 §6.2.2) with the initial response of RFC 4959 §3, None when there was none."""

    mechanism: bytes
    initial: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What SASL PLAIN carries (RFC 4616 §2); `authorize` is empty for "act as myself"."""

    authorize: str
    username: str
    password: str = field(repr=False)


def read_login(cursor: Cursor) -> Login:
    """` ann@example.org "secret"`."""
    cursor.space()
    username = cursor.astring()
    cursor.space()
    password = cursor.astring()
    return Login(_text(username), _text(password))


def read_authenticate(cursor: Cursor) -> Authenticate:
    """` PLAIN` with an optional base64 response; "=" stands for an empty one."""
    cursor.space()
    mechanism = cursor.atom().upper()
    if not cursor.skip(b" "):
        return Authenticate(mechanism, None)
    data = cursor.data[cursor.position :]
    cursor.position = len(cursor.data)
    return Authenticate(mechanism, b"" if data == b"=" else read_base64(data))


def read_base64(data: bytes) -> bytes:
    """Strict base64 as SASL exchanges carry it."""
    try:
        return b64decode(data, validate=True)
    except Base64Error:
        raise ParseError("bad base64") from None


def read_plain(message: bytes) -> Credentials:
    """Take a SASL PLAIN message apart: [authzid] NUL authcid NUL passwd (RFC 4616 §2)."""
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise ParseError("bad PLAIN message")
    return Credentials(_text(parts[0]), _text(parts[1]), _text(parts[2]))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("credentials are not UTF-8") from None
