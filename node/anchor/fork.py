"""Evidence that a log has told two histories: small, signed by the log itself, and checked by anybody. Pure.

Two checkpoints of one size with different roots are such evidence by themselves. For sizes a < b it takes one thing
more: the root that the second tree has at size a, with the consistency proof that it has it. If that root is not the
first checkpoint's, the log has signed two trees of which neither continues the other, whatever it says later.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import checkpoint, merkle, note
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteError, NoteKey

VERSION = "waxseal.fork/1"
MAX_OCTETS = 3 * note.MAX_SIZE


@dataclass(frozen=True, slots=True)
class Fork:
    """Two checkpoints that contradict each other.

    Attributes:
        first: signed note of the smaller tree (or of the one seen first), verbatim.
        second: signed note of the larger tree.
        root: what the second tree has at the first one's size; 32 bytes.
        proof: the consistency proof from `root` to the second tree (RFC 9162 §2.1.4); empty for equal sizes.
    """

    first: str
    second: str
    root: bytes
    proof: tuple[bytes, ...] = ()

    def check(self, keys: Iterable[NoteKey]) -> tuple[Checkpoint, Checkpoint]:
        """Both heads, once it is certain that the log of these keys has signed a fork.

        1. One of the keys signed the first checkpoint, and one the second.
        2. Both are about the same log, and the first is not the larger one.
        3. The second tree has the root `root` at the first one's size (RFC 9162 §2.1.4.2).
        4. The first checkpoint says another root.

        Raises:
            NoteError: which of these does not hold; it is no evidence then.
        """
        keys = tuple(keys)
        first, second = verify_any(self.first, keys), verify_any(self.second, keys)
        if first.origin != second.origin or first.size > second.size:
            raise NoteError("no evidence: the two checkpoints are of two logs, or in the wrong order")
        if not proves(first.size, self.root, second, self.proof):
            raise NoteError("no evidence: the proof does not lead to the second checkpoint's root")
        if self.root == first.root:
            raise NoteError("no evidence: the second tree continues the first")
        return first, second

    def to_json(self) -> str:
        """The evidence as a document for anybody."""
        lines = [base64.b64encode(value).decode() for value in self.proof]
        root = base64.b64encode(self.root).decode()
        document = {"version": VERSION, "first": self.first, "second": self.second, "root": root, "proof": lines}
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    version: str = Field(pattern=rf"^{VERSION}$")
    first: str = Field(max_length=note.MAX_SIZE)
    second: str = Field(max_length=note.MAX_SIZE)
    root: str = Field(max_length=64)
    proof: list[str] = Field(max_length=64)


def parse(text: str | bytes) -> Fork:
    """Read a document of evidence; it is well formed then, and no more: see `Fork.check`.

    Raises:
        NoteError: it is not.
    """
    if len(text) > MAX_OCTETS:
        raise NoteError(f"evidence of a fork has at most {MAX_OCTETS} octets")
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        raise NoteError(f"this is no evidence of a fork: {error.errors()[0]['msg']}") from None
    proof = tuple(checkpoint.parse_hash(line) for line in document.proof)
    return Fork(document.first, document.second, checkpoint.parse_hash(document.root), proof)


def between(one: str, other: str) -> Fork | None:
    """The fork between two signed checkpoints of one size; None when they agree or their sizes differ."""
    first, second = checkpoint.read(one), checkpoint.read(other)
    if (first.origin, first.size) != (second.origin, second.size) or first.root == second.root:
        return None
    return Fork(one, other, second.root)


def proves(size: int, root: bytes, later: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether the later tree had this root at `size`; at size 0 every tree has the empty one's."""
    return merkle.verify_consistency(size, later.size, root, later.root, proof)


def verify_any(signed: str, keys: Iterable[NoteKey]) -> Checkpoint:
    """The checkpoint, when one of a log's keys (it may have changed them) has signed it.

    Raises:
        NoteError: none has; the last key's reason.
    """
    failure = NoteError("no key of the log is known")
    for key in keys:
        try:
            return checkpoint.verify(signed, key)
        except NoteError as error:
            failure = error
    raise failure
