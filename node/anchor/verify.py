"""Verification: does this message stand in that log, and since when? For anybody, with no trust in the node.

`verify` takes these steps; each answers for itself, so that a failure says what exactly does not hold:

1. **message**: the bytes at hand are those the receipt is about (SHA-256).
2. **inclusion**: the leaf made from message hash, direction, time and salt stands at its index in the tree that the
   checkpoint describes (RFC 9162 §2.1.3.2).
3. **checkpoint**: the log's key, which the verifier got from elsewhere, has signed that tree's size and root under the
   log's name (C2SP tlog-checkpoint).
4. **chain**: the contract holds the same size and root, written by the keeper's account in the named block. The code at
   the contract's address is compared too: another contract could answer anything.

Only all four together say "this message, unchanged, was accepted by this node before this block". What they are worth,
and against whom, stands in docs/proof.md.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from node.anchor import checkpoint, merkle, proof, tree_heads
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteError, NoteKey
from node.anchor.proof import Proof
from node.anchor.receipt import Place, Receipt
from node.anchor.tree_heads import NoContract
from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Chain, NoState


@dataclass(frozen=True, slots=True)
class Step:
    """One step's result.

    Attributes:
        number: 1 to 4, as above.
        name: "message", "inclusion", "checkpoint" or "chain".
        holds: None when it could not be checked; the words say why.
        words: for people.
    """

    number: int
    name: str
    holds: bool | None
    words: str


async def verify(
    message: bytes, receipt: Receipt, chain: Chain | None, log_key: NoteKey | None, *, sender: str | None = None
) -> tuple[Step, ...]:
    """Take the four steps; never raises on anything the receipt or the chain says.

    Args:
        message: every byte of it.
        receipt: the claim to check.
        chain: an open connection to the chain the verifier trusts to be the right one; None skips step 4.
        log_key: the log's key, from a source other than the receipt; None leaves step 3 unchecked.
        sender: the keeper's account, from a source other than the receipt; None takes the receipt's word for it.
    """
    try:
        path = proof.parse(receipt.proof)
        head = checkpoint.read(path.signed)
    except NoteError as error:
        words = f"The receipt's proof cannot be read: {error}."
        broken = [
            Step(number, name, False, words) for number, name in ((2, "inclusion"), (3, "checkpoint"), (4, "chain"))
        ]
        return (_message(message, receipt), *broken)
    return (
        _message(message, receipt),
        _inclusion(receipt, path, head),
        _checkpoint(receipt, path, log_key),
        await _chain(receipt.anchor, head, chain, sender),
    )


def _message(message: bytes, receipt: Receipt) -> Step:
    digest = hashlib.sha256(message).hexdigest()
    if digest == receipt.sha256:
        return Step(1, "message", True, f"The message is the one the receipt is about (SHA-256 {digest[:16]}...).")
    words = f"its SHA-256 is {digest[:16]}..., not {receipt.sha256[:16]}... A single changed byte does that."
    return Step(1, "message", False, f"The message is not the one the receipt is about: {words}")


def _inclusion(receipt: Receipt, path: Proof, head: Checkpoint) -> Step:
    if merkle.verify_inclusion(receipt.leaf.hash, path.index, head.size, path.hashes, head.root):
        what = f"{receipt.direction.value} {_utc(receipt.time)}"
        return Step(2, "inclusion", True, f"The log of {head.size} entries has it as entry {path.index} ({what}).")
    words = f"No entry {path.index} like this leads to the root of the log of {head.size} entries."
    return Step(2, "inclusion", False, words)


def _checkpoint(receipt: Receipt, path: Proof, log_key: NoteKey | None) -> Step:
    if log_key is None:
        return Step(3, "checkpoint", None, "Not checked: the log's key was not given.")
    try:
        head = checkpoint.verify(path.signed, log_key)
    except NoteError as error:
        return Step(3, "checkpoint", False, f"The log's key did not sign this checkpoint: {error}.")
    if head.origin != receipt.origin:
        return Step(3, "checkpoint", False, f"The checkpoint is of {head.origin}, the receipt of {receipt.origin}.")
    return Step(3, "checkpoint", True, f"{head.origin} signed that log (key {log_key.id.hex()}).")


async def _chain(place: Place | None, head: Checkpoint, chain: Chain | None, sender: str | None) -> Step:
    if place is None:
        return _unchecked("the log was not anchored yet when the receipt was made; ask for a new one")
    if chain is None:
        return _unchecked(f"no connection to {place.chain} was given")
    if chain.chain_id != place.chain_id:
        return _unchecked(f"the receipt names {place.chain}, the connection is to eip155:{chain.chain_id}")
    if sender and sender.lower() != place.sender.lower():
        return Step(4, "chain", False, f"Anchored by {place.sender}, which is not the keeper's account {sender}.")
    try:
        return await _on_chain(place, head, chain)
    except Temporary as error:
        return _unchecked(f"the chain could not be asked: {error}")
    except Permanent as error:
        return Step(4, "chain", False, f"The chain does not have it: {error}.")


async def _on_chain(place: Place, head: Checkpoint, chain: Chain) -> Step:
    where = f"{place.chain}, contract {place.contract}"
    if not await tree_heads.is_there(chain, place.contract):
        return Step(4, "chain", False, f"There is no TreeHeads contract at {place.contract} on {place.chain}.")
    try:
        root, when = await _stored(place, head.size, chain)
    except NoState as error:
        if (await chain.head()).number < place.block:
            return Step(4, "chain", False, f"{place.chain} has no block {place.block}.")
        return _unchecked(f"this server no longer keeps block {place.block}: {error}")
    if root is None:
        words = f"The contract stored no head of {head.size} entries for {place.sender}"
        return Step(4, "chain", False, f"{words} in block {place.block} ({where}).")
    if root != head.root:
        other = base64.b64encode(root).decode()
        return Step(4, "chain", False, f"The contract stored another root for {head.size} entries: {other} ({where}).")
    return Step(4, "chain", True, f"The contract holds the same root since block {place.block}{when} ({where}).")


async def _stored(place: Place, size: int, chain: Chain) -> tuple[bytes | None, str]:
    """The root the contract stored for this size, and its time in words: from its state, else from its event."""
    with contextlib.suppress(NoState, NoContract):  # public servers keep old events, but seldom old state
        stored = await tree_heads.read_head(chain, place.contract, place.sender, place.block)
        if stored.size == size and stored.block == place.block:
            return stored.root, f", {_utc(stored.time)}"
    event = await tree_heads.find_event(chain, place.contract, place.sender, size, place.block)
    return (event.data if event else None), ""


def _unchecked(why: str) -> Step:
    return Step(4, "chain", None, f"Not checked: {why}.")


def _utc(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"  # a forged receipt may name any time
