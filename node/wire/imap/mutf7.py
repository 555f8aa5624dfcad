"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from node.wire.imap.lexer import Cursor, ParseError

_PLAIN = re.compile(r"[\x20-\x7e]*\Z")
_RUN = re.compile(r"&|[^\x20-\x7e]+")
_SHIFT = re.compile(rb"&([A-Za-z0-9+,]*)-")
MAX_NAME = 1000  # octets of a mailbox name as sent


def encode(name: str) -> bytes:
    """A mailbox name as it goes on the wire.

    Raises:
        UnicodeEncodeError: when the name holds an unpaired surrogate.
    """
    if "&" not in name and _PLAIN.match(name):
        return name.encode("ascii")
    return _RUN.sub(_encode_run, name).encode("ascii")


def _encode_run(run: re.Match[str]) -> str:
    if run[0] == "&":
        return "&-"
    return "&" + b64encode(run[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(data: bytes) -> str:
    """A mailbox name from the wire; only the one canonical spelling of a name is accepted.

    Two spellings of one name would give two mailboxes that look alike.

    Raises:
        ParseError: for octets outside printable ASCII, broken shifts and other spellings.
    """
    if b"&" not in data:
        text = data.decode("latin-1")
    else:
        try:
            text = _decode_runs(data)
        except (Base64Error, UnicodeDecodeError):
            raise _not_a_name() from None
    try:
        canonical = encode(text) == data
    except UnicodeEncodeError:
        canonical = False
    if not canonical:
        raise _not_a_name()
    return text


def _not_a_name() -> ParseError:
    # NO, not BAD: a name the client got wrong ends that mailbox, where a BAD makes mbsync give up the whole account.
    # RFC 5530 §3 CANNOT.
    return ParseError("Mailbox name is not valid modified UTF-7", b"CANNOT", b"NO")


def _decode_runs(data: bytes) -> str:
    parts, position = [], 0
    for shift in _SHIFT.finditer(data):
        parts.append(data[position : shift.start()].decode("latin-1"))
        body = shift[1].replace(b",", b"/")
        parts.append(b64decode(body + b"=" * (-len(body) % 4), validate=True).decode("utf-16-be") if body else "&")
        position = shift.end()
    parts.append(data[position:].decode("latin-1"))
    return "".join(parts)


def mailbox(cursor: Cursor) -> str:
    """Read a mailbox argument; INBOX in any spelling is "INBOX" (RFC 3501 §5.1)."""
    data = cursor.astring()
    if len(data) > MAX_NAME:
        raise ParseError("mailbox name is too long")
    name = decode(data)
    return "INBOX" if name.upper() == "INBOX" else name
