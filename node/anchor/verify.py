"""Verification: does this message stand in that log, and since when? For anybody, with no trust in the node.

`verify` takes these steps; each answers for itself, so that a failure says what exactly does not hold:

1. **message**: the bytes at hand are those the receipt is about (SHA-256), as they are, or once what a mail client
   changed on export is undone by the rules of `exported`.
2. **leaf**: the receipt's facts (hash, direction, time, salt, and outcome with policy) make up a leaf (`leaf`).
3. **inclusion**: that leaf stands at its index in the tree that the checkpoint describes (RFC 9162 §2.1.3.2).
4. **checkpoint**: the log's key, which the verifier got from elsewhere, has signed that tree's size and root under the
   log's name (C2SP tlog-checkpoint), and it is none that was revoked.
5. **registry**: the key is registered for the log, and was in force (`verify_chain`).
6. **chain**: the contract holds the same size and root, written by the keeper's account, since a block that is final
   (`verify_chain`); for every place the receipt names.
7. **consistency**: a later checkpoint of the same log continues that tree (RFC 9162 §2.1.4.2).
8. **witnesses**: so many others have cosigned the checkpoint (C2SP tlog-cosignature).

Steps 5, 7 and 8 are taken when they are asked for. 1 to 4 and 6 together say "this message, unchanged, was accepted by
this node before this block". What they are worth, and against whom, stands in docs/proof.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from node.anchor import add_checkpoint, checkpoint, cosignature, exported, merkle, proof, verify_chain
from node.anchor.checkpoint import Checkpoint
from node.anchor.log_source import LogSource
from node.anchor.note import NoteError
from node.anchor.proof import Proof
from node.anchor.receipt import Receipt
from node.anchor.steps import Step, Trust, not_asked, signer_of, step, unchecked, utc
from node.anchor.tiles import TileError
from node.base.errors import RemoteProtocolError, Temporary


async def verify(message: bytes, receipt: Receipt, trust: Trust) -> tuple[Step, ...]:
    """Take the eight steps, in order; never raises on anything the receipt, a chain or a log says.

    Args:
        message: the bytes at hand, as they are.
        receipt: the claim to check.
        trust: what to check it against.
    """
    first = (_message(message, receipt), _leaf(receipt))
    try:
        paths = read_proofs(receipt)
    except NoteError as error:
        words = f"The receipt's proof cannot be read: {error}."
        return (*first, *(step(trust, number, False, words) for number in range(3, 9)))
    chain, standing = await verify_chain.chain(receipt, paths, trust)
    registry, registered = await verify_chain.registry(receipt, paths, standing, trust)
    trust = trust if trust.keys else replace(trust, keys=registered)
    inclusion, signed = _inclusion(receipt, paths), _checkpoint(receipt, paths, trust)
    later = await _consistency(receipt, paths[0], trust) if trust.asks_for(7) else not_asked(7)
    return (*first, inclusion, signed, registry, chain, later, _witnesses(paths[0], trust))


def read_proofs(receipt: Receipt) -> list[Proof]:
    """The receipt's proof, then those of the places that have their own.

    Raises:
        NoteError: one cannot be read.
    """
    own = [place.proof for place in receipt.anchors if place.proof is not None]
    return [proof.parse(text) for text in (receipt.proof, *own)]


def _message(message: bytes, receipt: Receipt) -> Step:
    way = exported.find(message, {bytes.fromhex(receipt.sha256)})
    if way is None:
        digest = hashlib.sha256(message).hexdigest()
        odd = "; ".join(exported.oddities(message))
        words = f"its SHA-256 is {digest[:16]}..., not {receipt.sha256[:16]}... A single changed byte does that."
        hint = f" It looks exported ({odd}), but no documented way to undo that leads to the message." if odd else ""
        return Step(1, False, f"The message is not the one the receipt is about: {words}{hint}")
    if not way.rules:
        words = f"The message is the one the receipt is about (SHA-256 {receipt.sha256[:16]}...)."
        return Step(1, True, words)
    differs = ", ".join(f"{rule} ({exported.RULES[rule]})" for rule in way.rules)
    words = f"What a mail client changed on export was undone: {differs}. The exact bytes came out."
    return Step(1, True, f"The message is the one the receipt is about, but not byte for byte. {words}")


def _leaf(receipt: Receipt) -> Step:
    try:
        leaf = receipt.leaf
    except ValueError as error:
        return Step(2, False, f"The receipt's facts make no leaf: {error}.")
    verdict = f", {leaf.outcome.value} under the policy {receipt.policy}" if leaf.outcome else ""
    return Step(2, True, f"The leaf says: {leaf.direction.value} {utc(leaf.time)}{verdict}.")


def _inclusion(receipt: Receipt, paths: list[Proof]) -> Step:
    try:
        leaf = receipt.leaf.hash
    except ValueError:
        return Step(3, False, "The receipt's facts make no leaf, so no log has it.")
    for path in paths:
        head = checkpoint.read(path.signed)
        if not merkle.verify_inclusion(leaf, path.index, head.size, path.hashes, head.root):
            words = f"No entry {path.index} like this leads to the root of the log of {head.size} entries."
            return Step(3, False, words)
    size = checkpoint.read(paths[0].signed).size
    return Step(3, True, f"The log of {size} entries has it as entry {paths[0].index}.")


def _checkpoint(receipt: Receipt, paths: list[Proof], trust: Trust) -> Step:
    for path in paths:
        origin = checkpoint.read(path.signed).origin
        if origin != receipt.origin:
            return Step(4, False, f"The checkpoint is of {origin}, the receipt of {receipt.origin}.")
    revoked = {key.public for key in trust.revoked}
    good = [key for key in trust.keys if key.public not in revoked and key.name == receipt.origin]
    try:
        signers = [signer_of(path.signed, good) for path in paths]
        if all(signers):
            return Step(4, True, f"{receipt.origin} signed that log (key {signers[0].id.hex()}).")  # type: ignore[union-attr]
        if any(signer_of(path.signed, trust.revoked) for path in paths):
            return Step(4, False, "The key that signed the checkpoint was revoked: what it signs counts no more.")
    except NoteError as error:
        return Step(4, False, f"The log's key did not sign this checkpoint: {error}.")
    if not trust.keys:
        return unchecked(4, "the log's key was not given")
    return Step(4, False, f"None of the keys given for {receipt.origin} signed this checkpoint.")


async def _consistency(receipt: Receipt, path: Proof, trust: Trust) -> Step:
    try:
        signed, proven = await _later(trust)
        given = checkpoint.read(signed)
        if not trust.keys:
            return unchecked(7, "without the log's key anybody may have written that checkpoint")
        if given.origin != receipt.origin or not signer_of(signed, trust.keys):
            return Step(7, False, "The later checkpoint is not one that the log's key signed.")
        return await _continued(checkpoint.read(path.signed), given, proven, trust.log)
    except NoteError as error:
        return Step(7, False, f"The later checkpoint cannot be used: {error}.")
    except (Temporary, RemoteProtocolError, TileError) as error:
        return unchecked(7, str(error))


async def _later(trust: Trust) -> tuple[str, tuple[int, Sequence[bytes]] | None]:
    """The signed checkpoint, and the consistency proof that came with it, from its size."""
    if not trust.later and trust.log is not None:
        return await trust.log.checkpoint(), None
    if not trust.later.startswith("old "):
        return trust.later, None
    asked = add_checkpoint.read(trust.later.encode("utf-8", "replace"))
    return asked.signed, (asked.old, asked.proof)


async def _continued(
    own: Checkpoint, given: Checkpoint, proven: tuple[int, Sequence[bytes]] | None, log: LogSource | None
) -> Step:
    old, new = sorted((own, given), key=lambda head: head.size)
    hashes: Sequence[bytes] = ()
    if 0 < old.size < new.size:
        if proven and proven[0] == old.size and new is given:
            hashes = proven[1]
        elif log is not None:
            hashes = await log.compute(new.size, lambda read: merkle.consistency_proof(old.size, new.size, read))
        else:
            return unchecked(7, "the file has no proof for these sizes, and the log's address was not given")
    if merkle.verify_consistency(old.size, new.size, old.root, new.root, hashes):
        return Step(7, True, f"The log of {new.size} entries continues the log of {old.size}: nothing was rewritten.")
    words = f"The log signed {old.size} and {new.size} entries, and one does not continue the other: it forked"
    return Step(7, False, f"{words}, or the proof is wrong. Keep both checkpoints.")


def _witnesses(path: Proof, trust: Trust) -> Step:
    if not trust.witnesses:
        return not_asked(8)
    needed = trust.witnesses_needed or len(trust.witnesses)
    try:
        found = cosignature.cosignatures(path.signed, trust.witnesses)
    except NoteError as error:
        return Step(8, False, f"{error}.")
    names = ", ".join(f"{one.name} ({utc(one.time)})" for one in found) or "none"
    return Step(8, len(found) >= needed, f"{len(found)} of {needed} witnesses needed have cosigned: {names}.")
