"""One call of the witness protocol as bytes: C2SP tlog-witness (https://c2sp.org/tlog-witness), add-checkpoint. Pure.

POST <prefix>/add-checkpoint        200  — <witness> <cosignature>
old 20852014                        409  <size of the checkpoint the witness cosigned last>
<hashes of the consistency proof>   400, 403, 404, 422  <words>

<signed checkpoint>
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from node.anchor import checkpoint, note
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteError

PATH = "/add-checkpoint"
MAX_HASHES = 63  # the specification's bound on a proof
MAX_BODY = 64 * 1024  # octets of a request: 63 hashes are 2,835, the rest is for signatures
MAX_ANSWER = 16 * 1024  # octets of an answer
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log asks of a witness.

    Attributes:
        old: the size the log believes the witness has cosigned last; 0 for none.
        proof: hashes of the consistency proof from `old` to the checkpoint (RFC 6962 §2.1.2).
        signed: the checkpoint as a signed note, verbatim.
        head: what it says; nobody's signature has been looked at.
    """

    old: int
    proof: tuple[bytes, ...]
    signed: str
    head: Checkpoint

    @property
    def text(self) -> str:
        """What is signed: the note's text."""
        return note.split(self.signed)[0]


def write(old: int, proof: Sequence[bytes], signed: str) -> bytes:
    """The request's body."""
    lines = "".join(f"{base64.b64encode(value).decode()}\n" for value in proof)
    return f"old {old}\n{lines}\n{signed}".encode()


def read(body: bytes) -> AddCheckpoint:
    """Read a request's body.

    Raises:
        NoteError: it is malformed; the text says where.
    """
    if len(body) > MAX_BODY:
        raise NoteError(f"a request has at most {MAX_BODY} octets")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("a request is UTF-8 text") from None
    head, blank, signed = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not blank or not first.startswith("old "):
        raise NoteError("a request begins with a line `old <size>`, hashes, and an empty line before the checkpoint")
    old = checkpoint.parse_number(first[4:], "the old size")
    if len(lines) > MAX_HASHES:
        raise NoteError(f"a consistency proof has at most {MAX_HASHES} hashes")
    proof = tuple(checkpoint.parse_hash(line) for line in lines)
    return AddCheckpoint(old, proof, signed, checkpoint.read(signed))


def read_size(body: bytes) -> int:
    """The size in an answer 409.

    Raises:
        NoteError: there is none.
    """
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise NoteError("the witness's size is no number") from None
    if not text.endswith("\n"):
        raise NoteError("the witness's size does not end in a newline")
    return checkpoint.parse_number(text[:-1], "the witness's size")
