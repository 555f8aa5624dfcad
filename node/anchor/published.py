"""The checkpoint that the world is shown: with its witnesses' cosignatures, and as soon as enough have cosigned."""

from __future__ import annotations

from dataclasses import dataclass

from node.anchor import checkpoint, cosignature
from node.anchor.checkpoint import Checkpoint
from node.store import leaves, witnesses
from node.store.transaction import Reading
from node.store.witnesses import Line


@dataclass(frozen=True, slots=True)
class Quorum:
    """When a checkpoint is witnessed well enough to be published as the newest one.

    Attributes:
        names: of the witnesses that count.
        number: of cosignatures that suffice; 0 publishes at once.
        wait_seconds: a checkpoint that waited longer is published with those it has.
    """

    names: frozenset[str]
    number: int
    wait_seconds: float


def newest(tx: Reading, quorum: Quorum, now: float) -> bytes | None:
    """The checkpoint to show to the world, with its cosignatures; None when there is none yet.

    The newest one, unless it is still waiting for its quorum: then the newest one that has it, for `wait_seconds` at
    most. So readers who insist on witnesses find them, and witnesses that are down stop nothing.
    """
    row = leaves.latest_checkpoint(tx)
    if row is None:
        return None
    head = checkpoint.read(row.note.decode())
    if len(counted(tx, head, quorum.names)) < quorum.number and now < row.time + quorum.wait_seconds:
        size = witnesses.quorate_size(tx, quorum.names, quorum.number)
        earlier = leaves.checkpoint(tx, size) if size else None
        row = earlier or row
    return cosigned(tx, row.note.decode()).encode()


def cosigned(tx: Reading, signed: str) -> str:
    """One of our checkpoints with all cosignatures that are kept for it."""
    head = checkpoint.read(signed)
    return cosignature.with_lines(signed, [one.line for one in witnesses.lines(tx, head.size, head.root)])


def counted(tx: Reading, head: Checkpoint, names: frozenset[str]) -> list[Line]:
    """The cosignatures of these witnesses on one of our checkpoints."""
    return [line for line in witnesses.lines(tx, head.size, head.root) if line.witness in names]
