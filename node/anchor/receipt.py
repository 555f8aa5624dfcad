"""Receipts: everything a stranger needs, beside the message itself, to check that it stands in the log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import checkpoint, message_leaves, proof
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import LogKeys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.anchor.proof import Proof
from node.base.errors import WaxsealError
from node.store import leaves
from node.store.database import Reading

MAX_BYTES = 1 << 17

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]


class ReceiptError(WaxsealError):
    """The file is no receipt, or a damaged one; the text says where."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Part):
    """Where on a chain the checkpoint stands: chain (CAIP-2), contract, the account that wrote it, and when."""

    chain: Annotated[str, Field(pattern=r"^eip155:[1-9][0-9]{0,18}$")]
    contract: Address
    sender: Address
    transaction: Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
    block: Annotated[int, Field(ge=0, lt=1 << 63)]

    @property
    def chain_id(self) -> int:
        """The chain's EIP-155 id."""
        return int(self.chain.removeprefix("eip155:"))


class Receipt(_Part):
    """One message's receipt. With it and the message anybody can check; without it the log tells nothing about either.

    Attributes:
        version: this form's name.
        origin: the log's name.
        sha256: of the message, every byte as the node keeps it (and serves it over IMAP), in hexadecimal.
        direction, time, salt: what the leaf commits to besides (see `leaf`).
        proof: index, audit path and signed checkpoint, as C2SP tlog-proof text.
        anchor: where the checkpoint stands on a chain; None while it does not.
    """

    version: Literal["waxseal.receipt/1"] = "waxseal.receipt/1"
    origin: Annotated[str, Field(min_length=1, max_length=300)]
    sha256: Hash
    direction: Direction
    time: Annotated[int, Field(ge=0, lt=1 << 63)]
    salt: Hash
    proof: Annotated[str, Field(max_length=1 << 16)]
    anchor: Place | None = None

    @property
    def leaf(self) -> Leaf:
        """The leaf this receipt is for."""
        return Leaf(bytes.fromhex(self.sha256), self.direction, self.time, bytes.fromhex(self.salt))

    @property
    def index(self) -> int:
        """The leaf's place in the log. Raises NoteError when the proof is malformed, as the two below do."""
        return proof.parse(self.proof).index

    @property
    def checkpoint(self) -> Checkpoint:
        """The head that the proof leads to; not verified."""
        return checkpoint.read(proof.parse(self.proof).signed)

    def to_json(self) -> str:
        """The receipt as a file's content."""
        return self.model_dump_json(indent=2) + "\n"


def parse(text: str | bytes) -> Receipt:
    """Read a receipt.

    Raises:
        ReceiptError: with every fault, by field.
    """
    if len(text) > MAX_BYTES:
        raise ReceiptError(f"a receipt has at most {MAX_BYTES} octets")
    try:
        return Receipt.model_validate_json(text)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ReceiptError("this is no receipt of Waxseal: " + "; ".join(faults)) from None


def make(tx: Reading, message_sha256: bytes, keys: LogKeys) -> Receipt | None:
    """The receipt of a message, or None when the log has no such message (or its salt was deleted).

    It leads to the earliest anchored checkpoint that holds the message, since that dates it best; while there is
    none, to a checkpoint of the log as it stands, signed here and now.
    """
    log = Log()
    found = message_leaves.find(tx, message_sha256)
    if not found:
        return None
    index, leaf = found[0]
    anchor = leaves.anchor_covering(tx, index)
    size = anchor.size if anchor else log.size(tx)
    signed = checkpoint.sign(Checkpoint(keys.origin, size, log.root(tx, size)), keys.signer)
    return Receipt(
        origin=keys.origin,
        sha256=leaf.message_sha256.hex(),
        direction=leaf.direction,
        time=leaf.time,
        salt=leaf.salt.hex(),
        proof=Proof(index, tuple(log.inclusion_proof(tx, index, size)), signed).text,
        anchor=_place(anchor, keys.sender) if anchor else None,
    )


def _place(anchor: leaves.Anchor, sender: str) -> Place:
    return Place(
        chain=f"eip155:{anchor.chain}",
        contract=anchor.contract,
        sender=sender,
        transaction=anchor.tx_hash,
        block=anchor.block,
    )
