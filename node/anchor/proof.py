"""Proofs that travel: an inclusion proof with its checkpoint as text (C2SP tlog-proof v1, https://c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from node.anchor import checkpoint, note
from node.anchor.note import NoteError

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63  # a tree of 2^63 leaves has no longer path


@dataclass(frozen=True, slots=True)
class Proof:
    """Where an entry stands in a log, and the way from it to a signed root.

    Attributes:
        index: the entry's place, from 0.
        hashes: the audit path, leaf's sibling first (RFC 9162 §2.1.3).
        signed: the checkpoint as a signed note, verbatim.
    """

    index: int
    hashes: tuple[bytes, ...]
    signed: str

    @property
    def text(self) -> str:
        """The proof as a file's content (`.tlog-proof`)."""
        path = "".join(f"{base64.b64encode(value).decode()}\n" for value in self.hashes)
        return f"{HEADER}\nindex {self.index}\n{path}\n{self.signed}"


def parse(text: str) -> Proof:
    """Read a proof; the checkpoint in it is well formed, but not verified.

    Raises:
        NoteError: with what is wrong.
    """
    if len(text) > note.MAX_SIZE:
        raise NoteError(f"a proof has at most {note.MAX_SIZE} octets")
    head, blank, signed = text.partition("\n\n")
    if not blank:
        raise NoteError("the proof has no checkpoint: it ends before the blank line")
    header, *lines = head.split("\n")
    if header != HEADER:
        raise NoteError(f"a proof begins with the line {HEADER}")
    if lines and lines[0].startswith("extra "):
        note.decode_base64(lines.pop(0)[6:], "the extra data")  # nobody vouches for it: read and left aside
    if not lines or not lines[0].startswith("index "):
        raise NoteError("the proof does not say the entry's index")
    index = checkpoint.parse_number(lines.pop(0)[6:], "the index")
    if len(lines) > MAX_HASHES:
        raise NoteError(f"a proof has at most {MAX_HASHES} hashes")
    hashes = tuple(checkpoint.parse_hash(line) for line in lines)
    checkpoint.read(signed)
    return Proof(index, hashes, signed)
