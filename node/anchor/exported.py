"""What mail clients change when they export a message, and how that is undone. Pure.

A receipt is about exact bytes. Clients write other bytes: a mailbox file has a separator line before each message, a
Unix program writes line ends of one octet, others note their own state among the header fields. None of it can be
told from a forgery by looking; but a way to undo it can be *tried*, and counts only when the result has the SHA-256
of the receipt. So nothing here weakens the proof: whatever holds, holds for the exact bytes that come out.

The rules, a closed list, in the order in which they are applied (docs/proof.md has them for people):

1. `bom`: the byte order mark EF BB BF at the start goes.
2. `from-line`: a first line that begins with `From ` (the separator of a mailbox file) goes.
3. `line-ends`: LF, and any CRs before it, become CRLF; where lone CRs stand, they are tried as line ends, too.
4. `return-path`: without a Return-Path field, one is made of the address in the separator line.
5. `added-fields`: header fields in which clients and delivery agents note things of their own (see below) go.
6. `unquote`: one `>` of each line that begins with `>From ` (or `>>From ` and so on) goes.
7. `end`: line ends at the very end are taken off, or one is put there.

Every combination that changes something is tried, the likeliest first, up to `LIMIT` of them and `OCTETS` in all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

LIMIT = 1000  # ways that are tried
OCTETS = 1 << 31  # that are hashed, all ways together: some seconds
_SUBSETS = 7  # fields of which each selection is tried; with more of them, all or one kind
_QUOTES = 4  # quoted lines of which each selection is tried; with more of them, all or none

RULES = {
    "bom": "a byte order mark at the start",
    "from-line": "a mailbox separator line at the start",
    "line-ends": "other line ends than CRLF",
    "return-path": "the Return-Path moved into the separator line",
    "added-fields": "header fields added by client or delivery",
    "unquote": "lines quoted as >From",
    "end": "line ends at the very end",
}

# Written by clients and stores about a message, not part of it when it travels.
PRIVATE = frozenset(
    b"status x-status x-keywords x-uid x-uidl x-imap x-imapbase content-length lines x-mozilla-status "
    b"x-mozilla-status2 x-mozilla-keys x-account-key x-tuid x-evolution x-folder x-gmail-labels x-gm-thrid".split()
)
# Written by whatever delivers: may be the node's own, or a later hop's.
DELIVERY = frozenset(b"return-path delivered-to x-original-to envelope-to x-delivered-to".split())

_FROM_LINE = re.compile(rb"From [^\r\n]*(?:\r*\n|\r|\Z)")
_QUOTED = re.compile(rb"^>+From ", re.MULTILINE)
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to undo an export: the names of the rules that were applied, and what came out."""

    rules: tuple[str, ...]
    content: bytes


def find(content: bytes, wanted: Collection[bytes]) -> Way | None:
    """The first way that leads to one of these SHA-256 digests; () as rules when the bytes are exact."""
    return next((way for way in ways(content) if hashlib.sha256(way.content).digest() in wanted), None)


def ways(content: bytes) -> Iterator[Way]:
    """The message as it is, then every way to undo an export, likeliest first. Bounded."""
    yield Way((), content)
    tried, octets = 1, len(content)
    for way in _all(content):
        if not way.rules:
            continue
        tried, octets = tried + 1, octets + len(way.content)
        if tried > LIMIT or octets > OCTETS:
            return
        yield way


def oddities(content: bytes) -> list[str]:
    """What about these bytes looks like an export's doing, in words; for people whose message no way leads to."""
    head, _ = _split(content)
    names = [name.decode() for name, _ in _fields(head) if name.lower() in PRIVATE]
    found = [
        (content.startswith(b"\xef\xbb\xbf"), "it begins with a byte order mark"),
        (_FROM_LINE.match(content) is not None, "it begins with a mailbox separator line (From ...)"),
        (re.search(rb"(?<!\r)\n", content) is not None, "its lines end in LF instead of CRLF"),
        (re.search(rb"\r(?!\n)", content) is not None, "it has lone CRs"),
        (bool(names), f"it has the fields {', '.join(dict.fromkeys(names))}, which mail clients add"),
        (_QUOTED.search(content) is not None, "it has quoted lines >From"),
        (not content.endswith(b"\n"), "it does not end with a line end"),
        (re.search(rb"\n\r?\n\Z", content) is not None, "it ends with an empty line"),
        (len(re.findall(rb"\r?\n\r?\nFrom ", content)) > 0, "it seems to hold several messages: save one alone"),
    ]
    return [words for is_so, words in found if is_so]


def _all(content: bytes) -> Iterator[Way]:
    rules: tuple[str, ...] = ()
    if content.startswith(b"\xef\xbb\xbf"):
        rules, content = ("bom",), content[3:]
    sender = None
    if line := _FROM_LINE.match(content):
        rules, content, sender = (*rules, "from-line"), content[line.end() :], line[0].split()[1:2]
    for ended in _line_ends(Way(rules, content)):
        for returned in _return_path(ended, sender[0] if sender else b""):
            for cleared in _added_fields(returned):
                for unquoted in _unquote(cleared):
                    yield from _end(unquoted, is_mailbox=sender is not None)


def _line_ends(way: Way) -> Iterator[Way]:
    whole = re.sub(rb"\r*\n", b"\r\n", way.content)
    if whole != way.content:
        yield Way((*way.rules, "line-ends"), whole)
    more = re.sub(rb"\r*\n|\r", b"\r\n", way.content)
    if more != whole:
        yield Way((*way.rules, "line-ends"), more)
    yield way


def _return_path(way: Way, sender: bytes) -> Iterator[Way]:
    yield way
    head, _ = _split(way.content)
    if sender and not any(name.lower() == b"return-path" for name, _ in _fields(head)):
        address = b"" if sender.upper() == b"MAILER-DAEMON" else sender
        yield Way((*way.rules, "return-path"), b"Return-Path: <" + address + b">\r\n" + way.content)


def _added_fields(way: Way) -> Iterator[Way]:
    head, body = _split(way.content)
    fields = _fields(head)
    private = {place for place, (name, _) in enumerate(fields) if name.lower() in PRIVATE}
    delivery = {place for place, (name, _) in enumerate(fields) if name.lower() in DELIVERY}
    for gone in _choices(private, delivery):
        rules = (*way.rules, "added-fields") if gone else way.rules
        kept = b"".join(line for place, (_, line) in enumerate(fields) if place not in gone)
        yield Way(rules, kept + body) if gone else way


def _choices(private: set[int], delivery: set[int]) -> Iterator[frozenset[int]]:
    """Which fields go: all private ones, none, those and the delivery agents', the first or last few, any selection."""
    seen = set()
    listed = sorted(private | delivery)
    first = [private, set(), private | delivery, delivery]
    blocks = [set(some) for end in range(1, min(len(listed), 2 * _SUBSETS)) for some in (listed[:end], listed[-end:])]
    sizes = range(len(listed) - 1, 0, -1) if len(listed) <= _SUBSETS else ()
    for some in (*first, *blocks, *(set(chosen) for size in sizes for chosen in combinations(listed, size))):
        gone = frozenset(some)
        if gone not in seen:
            seen.add(gone)
            yield gone


def _unquote(way: Way) -> Iterator[Way]:
    """All quoted lines or none, then each selection: programs that quote `From ` alone leave `>From ` as it was."""
    yield way
    quoted = [match.start() for match in _QUOTED.finditer(way.content)]
    count = len(quoted)
    sizes = range(count, 0, -1) if count <= _QUOTES else [count]
    for some in (set(chosen) for size in sizes for chosen in combinations(range(count), size)):
        starts = [0, *(quoted[place] + 1 for place in sorted(some))]
        ends = [*(start - 1 for start in starts[1:]), len(way.content)]
        pieces = [way.content[start:end] for start, end in zip(starts, ends, strict=True)]
        yield Way((*way.rules, "unquote"), b"".join(pieces))


def _end(way: Way, *, is_mailbox: bool) -> Iterator[Way]:
    bare = way.content.rstrip(b"\r\n")
    eol = b"\r\n" if b"\r\n" in way.content else b"\n"
    less = re.sub(rb"\r?\n\Z", b"", way.content)
    contents = [less, way.content] if is_mailbox else [way.content, less]  # mailbox files have an empty line more
    for content in dict.fromkeys([*contents, bare + eol, way.content + eol, bare, bare + eol + eol]):
        yield Way((*way.rules, "end"), content) if content != way.content else way


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The header with the end of its last line, and the rest, which begins with an empty line."""
    if blank := re.search(rb"(?:\A|(?<=\n))\r?\n", content):
        return content[: blank.start()], content[blank.start() :]
    return content, b""


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Name and whole lines of each field, in order; joined again they are the header. What is no field has no name."""
    fields: list[tuple[bytes, bytes]] = []
    for line in head.splitlines(keepends=True) if b"\n" in head else [head]:
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + line
        else:
            match = _FIELD.match(line)
            fields.append((match[1] if match else b"", line))
    return fields
