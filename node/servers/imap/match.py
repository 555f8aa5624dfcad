"""SEARCH keys as predicates that say yes, no, or "not without reading more" (None)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING

from node.mail import headers, text
from node.mail.part import Part, parse
from node.servers.imap.envelope import FIELDS, Envelope
from node.servers.imap.flags import BITS
from node.wire.imap.dates import day_of
from node.wire.imap.search import Among, And, Body, Dated, Flagged, Header, Key, Not, Or, Sized, When
from node.wire.imap.sequence import SequenceSet

if TYPE_CHECKING:
    from node.servers.imap.selected import Selected
    from node.store.messages import Message


class Depth(IntEnum):
    """How much of a message has to be read."""

    ROW = 0
    ENVELOPE = 1
    CONTENT = 2


@dataclass(slots=True)
class Candidate:
    """A message under examination, as far as it has been read.

    Attributes:
        number: its sequence number.
        content: its first octets, up to the limit of the search.
    """

    number: int
    row: Message
    envelope: Envelope | None = None
    content: bytes | None = None
    _part: Part | None = None
    _lower: bytes | None = None
    _words: str | None = None

    def part(self) -> Part:
        """The content, parsed once."""
        if self._part is None:
            self._part = parse(self.content or b"")
        return self._part

    def lower(self) -> bytes:
        """The content in lower case."""
        if self._lower is None:
            self._lower = (self.content or b"").lower()
        return self._lower

    def words(self) -> str:
        """The text of its text parts, casefolded."""
        if self._words is None:
            self._words = text.plain(self.content or b"", self.part()).casefold()
        return self._words


Predicate = Callable[[Candidate], bool | None]


def predicate(key: Key, selected: Selected) -> Predicate:
    """Compile a key for one mailbox; sequence sets are resolved once."""
    match key:
        case And(keys):
            return _all([predicate(each, selected) for each in sorted(keys, key=depth)])
        case Or(left, right):
            return _either(*(predicate(each, selected) for each in sorted((left, right), key=depth)))
        case Not(inner):
            return _negated(predicate(inner, selected))
        case Flagged(flag):
            return _flagged(flag)
        case Among(messages, by_uid):
            return _among(messages, by_uid, selected)
        case Sized(larger, octets):
            return (lambda c: c.row.size > octets) if larger else (lambda c: c.row.size < octets)
        case Dated():
            return _dated(key)
        case Header():
            return _header(key)
        case Body():
            return _body(key)


def depth(key: Key) -> Depth:
    """How much of a message the key may need at most."""
    match key:
        case And(keys):
            return max(map(depth, keys), default=Depth.ROW)
        case Or(left, right):
            return max(depth(left), depth(right))
        case Not(inner):
            return depth(inner)
        case Dated(sent=True):
            return Depth.ENVELOPE
        case Header(name=name):
            return Depth.ENVELOPE if name in FIELDS else Depth.CONTENT
        case Body():
            return Depth.CONTENT
        case _:
            return Depth.ROW


def _all(parts: list[Predicate]) -> Predicate:
    def check(candidate: Candidate) -> bool | None:
        result: bool | None = True
        for part in parts:
            one = part(candidate)
            if one is False:
                return False
            if one is None:
                result = None
        return result

    return check


def _either(left: Predicate, right: Predicate) -> Predicate:
    def check(candidate: Candidate) -> bool | None:
        one = left(candidate)
        if one:
            return True
        two = right(candidate)
        return two if one is False or two else None

    return check


def _negated(inner: Predicate) -> Predicate:
    def check(candidate: Candidate) -> bool | None:
        one = inner(candidate)
        return None if one is None else not one

    return check


def _flagged(flag: str) -> Predicate:
    if flag == "\\Recent":
        return lambda _candidate: False  # we give \Recent to nobody
    if flag in BITS:
        bit = int(BITS[flag])
        return lambda candidate: bool(candidate.row.flags & bit)
    wanted = flag.casefold()
    return lambda candidate: any(wanted == keyword.casefold() for keyword in candidate.row.keywords)


def _among(messages: SequenceSet, by_uid: bool, selected: Selected) -> Predicate:
    highest = (selected.uids[-1] if by_uid else len(selected.uids)) if selected.uids else 0
    ranges = messages.resolve(highest)
    starts = [first for first, _ in ranges]

    def check(candidate: Candidate) -> bool:
        number = candidate.row.uid if by_uid else candidate.number
        index = bisect_right(starts, number) - 1
        return index >= 0 and number <= ranges[index][1]

    return check


def _dated(key: Dated) -> Predicate:
    compare: dict[When, Callable[[date], bool]] = {
        When.BEFORE: key.day.__gt__,
        When.ON: key.day.__eq__,
        When.SINCE: key.day.__le__,
    }
    fits = compare[key.when]
    if not key.sent:
        return lambda candidate: fits(day_of(candidate.row.internaldate))

    def check(candidate: Candidate) -> bool | None:
        if candidate.envelope is None:
            return None
        day = candidate.envelope.day()
        return day is not None and fits(day)

    return check


def _header(key: Header) -> Predicate:
    needle = key.text.casefold()
    if key.name in FIELDS:
        return lambda c: None if c.envelope is None else c.envelope.contains(key.name, needle)
    name = key.name.encode("latin-1")

    def check(candidate: Candidate) -> bool | None:
        if candidate.content is None:
            return None
        part = candidate.part()
        found = headers.fields(candidate.content, part.header_start, part.body_start)
        return any(needle in headers.decoded(f.value).casefold() for f in found if f.name.lower() == name)

    return check


def _body(key: Body) -> Predicate:
    needle = key.text.casefold()
    raw = needle.encode() if _WORD.match(needle) else None

    def check(candidate: Candidate) -> bool | None:
        if candidate.content is None:
            return None
        if key.header and _header_has(candidate, needle, raw):
            return True
        return needle in candidate.words() if raw is None else _body_has(candidate, raw)

    return check


_WORD = re.compile(r"[!-%'-;=?-~]+\Z")
"""A needle without spaces, "<", ">" and "&": found in HTML's source as well as in its text, and never across lines."""

_ENCODINGS = (b"base64", b"quoted-printable", b"utf-16", b"utf-7", b"iso-2022")


def _body_has(candidate: Candidate, raw: bytes) -> bool:
    """One ASCII word in the body. HTML is searched as written: stripping its tags costs twenty times the search."""
    octets = candidate.lower()
    if not any(encoding in octets for encoding in _ENCODINGS):
        return octets.find(raw, headers.header_end(octets, 0, len(octets))) >= 0
    content = candidate.content or b""
    for leaf in candidate.part().leaves():
        if leaf.content_type[0] == "text":
            if (leaf.charset or "").lower().startswith(("utf-16", "utf-7", "iso-2022")):
                return raw.decode() in candidate.words()
            if raw in text.content(content, leaf).lower():
                return True
    return False


def _header_has(candidate: Candidate, needle: str, raw: bytes | None) -> bool:
    octets = candidate.lower()
    end = headers.header_end(octets, 0, len(octets))
    if raw is not None:
        if octets.find(raw, 0, end) >= 0:
            return True
        if octets.find(b"=?", 0, end) < 0:
            return False
    found = headers.fields(candidate.content or b"", 0, end)
    return needle in "\n".join(f"{f.name.decode('latin-1')}: {headers.decoded(f.value)}" for f in found).casefold()
