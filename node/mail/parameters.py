"""`value; name=value` fields: Content-Type and Content-Disposition, raw for IMAP and decoded for people."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

from node.mail.charset import decode
from node.mail.headers import decoded

Params: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names and values as received, quoting removed; RFC 2231 pieces (`filename*0*`) stay apart."""

MAX_PARAMS = 256

_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_TYPE = re.compile(rb"[ \t]*(%b)[ \t]*/[ \t]*(%b)" % (_TOKEN, _TOKEN))
_VALUE = re.compile(rb"[ \t]*(%b)" % _TOKEN)
# Every repetition ends at a character the next one cannot begin with, so a hostile value takes linear time.
_PARAM = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))', re.DOTALL)
_PIECE = re.compile(rb"([^*]+)\*(?:([0-9]{1,3})(\*)?)?")  # RFC 2231 §4.1: name*, name*0, name*0*
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


def joined(params: Params) -> Params:
    """The same parameters with RFC 2231 continuations put together, as IMAP shows them (RFC 2231 §6).

    Charset and percent encoding stay as received: `filename*0*=utf-8''a%20; filename*1=b` becomes
    `filename*=utf-8''a%20b`. A parameter stands where its first piece stood.
    """
    if not any(b"*" in name for name, _ in params):
        return params
    runs = _runs(params)
    shown: list[tuple[bytes, bytes]] = []
    for name, value in params:
        base = name.partition(b"*")[0]
        run = runs.get(base.lower()) if _PIECE.fullmatch(name) else None
        if run is None:
            shown.append((name, value))
        elif run:
            shown.append(_whole(base, run))
            run.clear()
    return tuple(shown)


def _whole(base: bytes, run: list[tuple[bool, bytes]]) -> tuple[bytes, bytes]:
    if not any(extended for extended, _ in run):
        return base, b"".join(value for _, value in run)
    return base + b"*", b"".join(value if extended else quote(value).encode() for extended, value in run)


def decoded_param(params: Params, name: bytes) -> str | None:
    """A parameter as a person reads it, RFC 2231 pieces put together (§3, §4), or None."""
    run = _runs(params).get(name)
    if run is None:
        plain = next((value for key, value in params if key.lower() == name), None)
        # RFC 2047 §5 forbids encoded words here; senders write them all the same.
        return None if plain is None else decoded(plain)
    charset: str | None = None
    extended, first = run[0]
    if extended and first.count(b"'") >= 2:
        label, _, first = first.split(b"'", 2)
        charset = label.decode("ascii", "replace") or None
        run[0] = (True, first)
    return decode(b"".join(unquote_to_bytes(value) if extended else value for extended, value in run), charset)


def _runs(params: Params) -> dict[bytes, list[tuple[bool, bytes]]]:
    """The pieces of every RFC 2231 value in their order: percent-encoded or not, octets. A gap ends a run."""
    found: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    for name, value in params:
        piece = _PIECE.fullmatch(name)
        if piece:
            base, number, star = piece.groups()
            extended = bool(star) or number is None
            found.setdefault(base.lower(), {}).setdefault(int(number or 0), (extended, value))
    runs = {
        base: [pieces[number] for number in takewhile(pieces.__contains__, range(MAX_PARAMS))]
        for base, pieces in found.items()
    }
    return {base: run for base, run in runs.items() if run}
