"""What DKIM and ARC hash: header fields and bodies in canonical form (RFC 6376 §3.4), bodies block by block.

A body costs no memory, however long, and all signatures of a message share one pass over it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from node.mail.buffer import Buffer

CRLF = b"\r\n"

_END = re.compile(rb"\r\n(?![ \t])")  # of a field, its folds included
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


class Canonicalisation(StrEnum):
    """The two algorithms; `simple` tolerates almost no change on the way, `relaxed` common ones."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


class HeaderField(NamedTuple):
    """One field of a header: its name in lower case, and all of it as it came, its line end included."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the colon, folds included, without the line end."""
        return self.raw.partition(b":")[2].removesuffix(CRLF)


def header_fields(header: bytes) -> list[HeaderField]:
    """The fields of a header block in order; lines that are no field are left out."""
    return [
        HeaderField(match[1].lower(), raw + CRLF)
        for raw in _END.split(header)
        if (match := _NAME.match(raw)) is not None
    ]


def canonical_field(field: HeaderField, how: Canonicalisation) -> bytes:
    """A header field with its line end (RFC 6376 §3.4.1, §3.4.2)."""
    if how is Canonicalisation.SIMPLE:
        return field.raw
    return field.name + b":" + _single_spaced(field.value.replace(CRLF, b"")).strip(b" \t") + CRLF


def _single_spaced(text: bytes) -> bytes:
    """`text` with one space for every run of white space; each turn halves the runs."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


class BodyForm(NamedTuple):
    """Which hash of the body a signature names: of how much of which form.

    Attributes:
        how: the body's canonicalisation.
        length: octets of the canonical body that are hashed (`l=`), None for all.
        hash: name for `hashlib`.
    """

    how: Canonicalisation
    length: int | None = None
    hash: str = "sha256"


class BodyHash(NamedTuple):
    """A body's hash, and how many octets its canonical form has: beyond `l=`, anybody may have added text."""

    digest: bytes
    total: int


class CanonicalBody:
    """Turns a body, block by block, into canonical blocks. It does not matter how the body is cut."""

    def __init__(self, how: Canonicalisation) -> None:
        self._relaxed = how is Canonicalisation.RELAXED
        self._open = b""  # what may yet turn out to be the end of a line: white space and a CR
        self._empty_lines = 0  # CRLFs that are dropped if nothing follows
        self._any = False

    def feed(self, block: bytes) -> bytes:
        """The canonical octets that are certain now."""
        data = self._open + block
        if self._relaxed:
            line = data.removesuffix(b"\r")
            text = line.rstrip(b" \t")
            self._open = (b" " if len(text) < len(line) else b"") + data[len(line) :]
            data = text
            data = _single_spaced(data).replace(b" \r\n", CRLF)
        else:
            self._open = b"\r" if data.endswith(b"\r") else b""
            data = data.removesuffix(b"\r")
        return self._without_empty_end(data)

    def finish(self) -> bytes:
        """The rest, after the last block: exactly one line end (RFC 6376 §3.4.3, §3.4.4)."""
        rest = b"" if self._open == b" " else self._open
        made = self._without_empty_end(rest)
        if self._any or not self._relaxed:  # an empty body is an empty line in the simple form, nothing in the relaxed
            made += CRLF
        return made

    def _without_empty_end(self, data: bytes) -> bytes:
        """`data` with the line ends held back before it, less those at its own end."""
        kept = _before_line_ends(data)
        held = self._empty_lines
        if kept == 0:
            self._empty_lines += len(data) // 2
            return b""
        self._empty_lines = (len(data) - kept) // 2
        self._any = True
        return CRLF * held + data[:kept] if held else data[:kept]


def _before_line_ends(data: bytes) -> int:
    """Where the CRLFs at the end of `data` begin. Linear: a body of line ends alone is an attack otherwise."""
    text = len(data.rstrip(CRLF))
    return text + len(data[text:].replace(CRLF, b"\0\0").rstrip(b"\0"))


class _Run(NamedTuple):
    """The hash of one form as it grows: `left` octets are still wanted, None: all there are."""

    form: BodyForm
    hash: hashlib._Hash


class BodyHasher:
    """Computes several hashes of a body in one pass.

    Args:
        forms: what signatures ask for; the same form costs once.
    """

    def __init__(self, forms: Iterable[BodyForm]) -> None:
        self._runs: dict[Canonicalisation, list[_Run]] = {}
        for form in dict.fromkeys(forms):
            self._runs.setdefault(form.how, []).append(_Run(form, hashlib.new(form.hash)))
        self._bodies = {how: CanonicalBody(how) for how in self._runs}
        self._totals = dict.fromkeys(self._runs, 0)

    def feed(self, block: bytes) -> None:
        """Take the next block of the body."""
        for how, body in self._bodies.items():
            self._count(how, body.feed(block))

    def finish(self) -> dict[BodyForm, BodyHash]:
        """The hashes, after the last block; called once."""
        for how, body in self._bodies.items():
            self._count(how, body.finish())
        return {
            run.form: BodyHash(run.hash.digest(), self._totals[how]) for how, runs in self._runs.items() for run in runs
        }

    def _count(self, how: Canonicalisation, made: bytes) -> None:
        before = self._totals[how]
        for run in self._runs[how]:
            length = run.form.length
            run.hash.update(made if length is None else made[: max(0, length - before)])
        self._totals[how] = before + len(made)


def body_hashes(
    body: Buffer, forms: Iterable[BodyForm], start: int = 0, block: int = 1 << 18
) -> Mapping[BodyForm, BodyHash]:
    """The hashes of the body that begins at `start` of what lies in memory or in a mapped file."""
    hasher = BodyHasher(forms)
    for at in range(start, len(body), block):
        hasher.feed(bytes(body[at : at + block]))
    return hasher.finish()
