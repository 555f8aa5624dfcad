"""`value; name=value` fields: Content-Type and Content-Disposition, raw for IMAP and decoded for people."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from node.mail.charset import decode
from node.mail.headers import decoded

Params: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names and values as received, quoting removed; RFC 2231 pieces (`filename*0*`) stay apart."""

MAX_PARAMS = 256
MAX_PIECES = 64  # of one RFC 2231 value

_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_TYPE = re.compile(rb"[ \t]*(%b)[ \t]*/[ \t]*(%b)" % (_TOKEN, _TOKEN))
_VALUE = re.compile(rb"[ \t]*(%b)" % _TOKEN)
# Every repetition ends at a character the next one cannot begin with, so a hostile value takes linear time.
_PARAM = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_DEFAULT_TYPE = ("text", "plain")


def parse_type(value: bytes) -> tuple[tuple[str, str], Params]:
    """Read an unfolded Content-Type; one that makes no sense is text/plain without parameters (RFC 2045 §5.2)."""
    return _parse_type(value) if len(value) <= 200 else _parse_type.__wrapped__(value)


def parse_value(value: bytes) -> tuple[str, Params]:
    """Read an unfolded `token; parameters`; the token comes in lower case, "" where there is none."""
    return _parse_value(value) if len(value) <= 200 else _parse_value.__wrapped__(value)


@lru_cache(maxsize=1024)
def _parse_type(value: bytes) -> tuple[tuple[str, str], Params]:
    value = without_comments(value)
    match = _TYPE.match(value)
    if match is None:
        return _DEFAULT_TYPE, ()
    return (match[1].lower().decode("ascii"), match[2].lower().decode("ascii")), _params(value, match.end())


@lru_cache(maxsize=1024)
def _parse_value(value: bytes) -> tuple[str, Params]:
    value = without_comments(value)
    match = _VALUE.match(value)
    if match is None:
        return "", ()
    return match[1].lower().decode("ascii"), _params(value, match.end())


def _params(value: bytes, start: int) -> Params:
    found: list[tuple[bytes, bytes]] = []
    for match in _PARAM.finditer(value, start):
        name, quoted, bare = match.groups()
        if quoted is None:
            found.append((name, bare.rstrip(b" \t")))
        else:
            found.append((name, _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted))
        if len(found) == MAX_PARAMS:
            break
    return tuple(found)


_COMMENT_MARK = re.compile(rb'[()"\\]')


def without_comments(value: bytes) -> bytes:
    """Drop RFC 5322 comments outside quoted strings; an unclosed one reaches to the end."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = at = 0
    quoted = False
    skip_to = 0
    for match in _COMMENT_MARK.finditer(value):
        mark, place = match[0], match.start()
        if place < skip_to:
            continue
        if mark == b"\\":
            skip_to = place + 2
        elif mark == b'"' and not depth:
            quoted = not quoted
        elif mark == b"(" and not quoted:
            if not depth:
                kept.append(value[at:place])
            depth += 1
        elif mark == b")" and not quoted and depth:
            depth -= 1
            at = place + 1
    if not depth:
        kept.append(value[at:])
    return b"".join(kept)


def decoded_param(params: Params, name: bytes) -> str | None:
    """A parameter as a person reads it, RFC 2231 pieces put together (§3, §4), or None."""
    plain: bytes | None = None
    pieces: dict[int, tuple[bool, bytes]] = {}
    for key, value in params:
        base, star, rest = key.lower().partition(b"*")
        if base != name:
            continue
        if not star:
            plain = value if plain is None else plain
            continue
        number = rest.removesuffix(b"*") or b"0"
        if number.isdigit() and len(number) <= 3 and int(number) < MAX_PIECES:
            pieces.setdefault(int(number), (rest.endswith(b"*") or not rest, value))
    if not pieces:
        return _decoded_plain(plain) if plain is not None else None
    return _joined(pieces)


def _decoded_plain(value: bytes) -> str:
    return decoded(value)  # RFC 2047 §5 forbids encoded words here; senders write them all the same


def _joined(pieces: dict[int, tuple[bool, bytes]]) -> str:
    charset: str | None = None
    octets = b""
    for number in range(MAX_PIECES):
        if number not in pieces:
            break
        extended, value = pieces[number]
        if extended and number == 0 and value.count(b"'") >= 2:
            label, _, value = value.split(b"'", 2)
            charset = label.decode("ascii", "replace") or None
        octets += unquote_to_bytes(value) if extended else value
    return decode(octets, charset)
