"""Receipts: everything a stranger needs, beside the message itself, to check that it stands in the log."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import checkpoint, message_leaves, proof, published
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import LogKeys
from node.anchor.leaf import Direction, Leaf, Outcome
from node.anchor.log import Log
from node.anchor.proof import Proof
from node.base.errors import WaxsealError
from node.store import anchors, witnesses
from node.store.anchors import Anchor
from node.store.database import Reading

MAX_BYTES = 1 << 17
MAX_PLACES = 16

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
ProofText = Annotated[str, Field(max_length=1 << 16)]
Number = Annotated[int, Field(ge=0, lt=1 << 63)]


class ReceiptError(WaxsealError):
    """The file is no receipt, or a damaged one; the text says where."""


class _Part(BaseModel):
    # Strict: "1", 1.0 and true are not 1, and no field is read that this form does not have.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Where(_Part):
    chain: Annotated[str, Field(pattern=r"^eip155:[1-9][0-9]{0,18}$")]
    contract: Address
    sender: Address
    transaction: Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
    block: Number

    @property
    def chain_id(self) -> int:
        """The chain's EIP-155 id."""
        return int(self.chain.removeprefix("eip155:"))


class Place(_Where):
    """Where on a chain a checkpoint stands: chain (CAIP-2), contract, the account that wrote it, and when.

    `proof` leads to the checkpoint that stands there, where that is another one than the receipt's own proof leads to.
    """

    proof: ProofText | None = None


class _Facts(_Part):
    origin: Annotated[str, Field(min_length=1, max_length=300)]
    sha256: Hash
    direction: Direction
    time: Number
    salt: Hash
    proof: ProofText


class _FormOne(_Facts):
    version: Literal["waxseal.receipt/1"]
    anchor: _Where | None = None


class Receipt(_Facts):
    """One message's receipt, form 2. With it and the message anybody can check; without it the log tells nothing.

    Attributes:
        version: this form's name.
        origin: the log's name.
        sha256: of the message, every byte as the node keeps it (and serves it over IMAP), in hexadecimal.
        direction, time, salt: what the leaf commits to besides (see `leaf`).
        outcome, policy: what a leaf of kind 2 says further; both None for one of kind 1.
        proof: index, audit path and signed checkpoint, as C2SP tlog-proof text.
        anchors: where the checkpoint stands on chains, the earliest first; empty while it stands on none.
    """

    version: Literal["waxseal.receipt/2"]
    outcome: Outcome | None
    policy: Hash | None
    anchors: Annotated[tuple[Place, ...], Field(max_length=MAX_PLACES)]

    @property
    def leaf(self) -> Leaf:
        """The leaf this receipt is for.

        Raises:
            ValueError: it names an outcome without a policy, or a policy without an outcome.
        """
        policy = bytes.fromhex(self.policy or "")
        salt = bytes.fromhex(self.salt)
        return Leaf(bytes.fromhex(self.sha256), self.direction, self.time, salt, self.outcome, policy)

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
    """Read a receipt of either form; one of form 1 comes out as form 2 that says the same.

    Raises:
        ReceiptError: with every fault, by field.
    """
    if len(text) > MAX_BYTES:
        raise ReceiptError(f"a receipt has at most {MAX_BYTES} octets")
    try:
        kind = _Version.model_validate_json(text)  # bounds the depth, too: what follows may read it once more
        # The lenient reader takes the last of two fields of one name; another program might take the first.
        json.loads(text, object_pairs_hook=_no_duplicates)
        if kind.version == "waxseal.receipt/2":
            return Receipt.model_validate_json(text)
        old = _FormOne.model_validate_json(text)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ReceiptError("this is no receipt of Waxseal: " + "; ".join(faults)) from None
    except ValueError as error:
        raise ReceiptError(f"this is no receipt of Waxseal: {error}") from None
    places = (Place(**old.anchor.model_dump()),) if old.anchor else ()
    facts: dict[str, Any] = old.model_dump(exclude={"version", "anchor"})
    return Receipt(version="waxseal.receipt/2", outcome=None, policy=None, anchors=places, **facts)


class _Version(BaseModel):
    version: Literal["waxseal.receipt/1", "waxseal.receipt/2"]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands there twice")
    return found


def make(tx: Reading, message_sha256: bytes, keys: LogKeys) -> Receipt | None:
    """The receipt of a message, or None when the log has no such message (or its salt was deleted).

    It leads to the earliest anchored checkpoint that holds the message, since that dates it best; a chain that holds
    another one comes with a proof of its own. While there is none, it leads to the earliest checkpoint that a witness
    has cosigned, or else to one of the log as it stands, signed here and now.
    """
    found = message_leaves.find(tx, message_sha256)
    if not found:
        return None
    index, leaf = found[0]
    found_at = anchors.covering(tx, index)[:MAX_PLACES]
    first = found_at[0].size if found_at else witnesses.cosigned_size(tx, index) or Log().size(tx)
    return Receipt(
        version="waxseal.receipt/2",
        origin=keys.origin,
        sha256=leaf.message_sha256.hex(),
        direction=leaf.direction,
        time=leaf.time,
        salt=leaf.salt.hex(),
        outcome=leaf.outcome,
        policy=leaf.policy.hex() or None,
        proof=_proof(tx, index, first, keys),
        anchors=tuple(
            _place(anchor, keys.sender, None if anchor.size == first else _proof(tx, index, anchor.size, keys))
            for anchor in found_at
        ),
    )


def _proof(tx: Reading, index: int, size: int, keys: LogKeys) -> str:
    log = Log()
    head = Checkpoint(keys.origin, size, log.root(tx, size))
    signed = published.cosigned(tx, checkpoint.sign(head, *keys.signers))
    return Proof(index, tuple(log.inclusion_proof(tx, index, size)), signed).text


def _place(anchor: Anchor, sender: str, own_proof: str | None) -> Place:
    return Place(
        chain=f"eip155:{anchor.chain}",
        contract=anchor.contract,
        sender=anchor.sender or sender,
        transaction=anchor.tx_hash,
        block=anchor.block,
        proof=own_proof,
    )
