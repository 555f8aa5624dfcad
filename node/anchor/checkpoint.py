"""Checkpoints: the log's signed tree head (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from node.anchor import note
from node.anchor.merkle import HASH_SIZE
from node.anchor.note import NoteError, NoteKey, NoteSigner

MAX_SIZE = (1 << 63) - 1  # leaves: what databases and contracts hold

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")  # no leading zeros: one spelling for one number


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one moment.

    Attributes:
        origin: the log's name, for example "waxseal.test/log".
        size: leaves in the tree.
        root: the tree's hash, 32 bytes.
        extensions: further lines; ours have none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The lines that are signed."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> Checkpoint:
    """Read a checkpoint from a note's text.

    Raises:
        NoteError: with the line that is wrong.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteError("a checkpoint has at least three lines, none of them empty: origin, size, root")
    origin, size, root, *extensions = lines
    return Checkpoint(origin, parse_number(size, "the tree size"), parse_hash(root), tuple(extensions))


def sign(checkpoint: Checkpoint, signer: NoteSigner, *others: NoteSigner) -> str:
    """The checkpoint as a signed note. Two signed ones that contradict each other prove a forged history.

    Args:
        others: further keys of the same log, while one follows another.
    """
    signers = (signer, *others)
    if any(checkpoint.origin != one.name for one in signers):
        raise ValueError("a log signs its own checkpoints only")
    return note.sign(checkpoint.text, *signers)


def verify(signed: str, key: NoteKey) -> Checkpoint:
    """The checkpoint in a note that `key` has signed and that is about the log of that name.

    Raises:
        NoteError: malformed, not signed by this key, or about another log.
    """
    checkpoint = parse(note.verify(signed, key))
    if checkpoint.origin != key.name:
        raise NoteError(f"the checkpoint is about {checkpoint.origin}, the key is of {key.name}")
    return checkpoint


def read(signed: str) -> Checkpoint:
    """The checkpoint in a note whose signatures nobody has looked at: a claim, no more.

    Raises:
        NoteError: malformed.
    """
    return parse(note.split(signed)[0])


def parse_number(text: str, what: str) -> int:
    """A decimal number in its one spelling, up to 2^63 - 1."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_SIZE:
        raise NoteError(f"{what} is no number: {text[:40]!r}")
    return int(text)


def parse_hash(text: str) -> bytes:
    """A SHA-256 hash in canonical base64."""
    data = note.decode_base64(text, "a hash")
    if len(data) != HASH_SIZE:
        raise NoteError("a hash has 32 bytes")
    return data
