"""The steps of verification that ask a chain: where the log's head stands, and which key the registry has for it.

Every answer is for one block of the chain as it is now. A block that is not final may be taken back, so what stands in
it is "not checked" (yet); a block that a reorganisation has replaced no longer holds the head, and that is told.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from node.anchor import artifact, checkpoint, tree_heads
from node.anchor import registry as registered
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteError, NoteKey
from node.anchor.proof import Proof
from node.anchor.receipt import Place, Receipt
from node.anchor.registry import Period, Registration, RegistryError
from node.anchor.steps import RegistryAt, Step, Trust, not_asked, signer_of, unchecked, utc
from node.anchor.tree_heads import NoContract
from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Chain, NoState
from node.net.chain.quorum import Quorum


@dataclass(frozen=True, slots=True)
class Standing:
    """A final block whose contract holds the checkpoint's root; `time` (Unix) is 0 where nobody could tell it."""

    chain_id: int
    block: int
    time: int


async def chain(receipt: Receipt, paths: Sequence[Proof], trust: Trust) -> tuple[Step, list[Standing]]:
    """Step 6. One place that does not hold fails it; otherwise one that holds is enough."""
    standing: list[Standing] = []
    if not receipt.anchors:
        return unchecked(6, "the log was not anchored yet when the receipt was made; ask for a new one"), standing
    own = iter(paths[1:])
    found: list[tuple[bool | None, str]] = []
    for place in receipt.anchors:
        path = paths[0] if place.proof is None else next(own)
        found.append(await _at(place, checkpoint.read(path.signed), trust, standing))
    results = [holds for holds, _ in found]
    holds = False if False in results else True if True in results else None
    return Step(6, holds, " ".join(words for _, words in found)), standing


async def _at(place: Place, head: Checkpoint, trust: Trust, standing: list[Standing]) -> tuple[bool | None, str]:
    """What one chain says of one place."""
    if trust.keepers and not _is_one_of(trust.keepers, place.sender):
        return False, f"Anchored by {place.sender}, which is not the keeper's account {' or '.join(trust.keepers)}."
    connection = trust.chains.get(place.chain_id)
    if connection is None:
        return None, f"Not checked: no connection to {place.chain} was given, or no server of it answers."
    try:
        if not await tree_heads.is_there(connection, place.contract):
            return False, f"There is no TreeHeads contract at {place.contract} on {place.chain}."
        holds, words = await _compare(place, head, connection, standing)
    except Temporary as error:
        return None, f"Not checked: {place.chain} could not be asked: {error}."
    except Permanent as error:
        return False, f"{place.chain} does not have it: {error}."
    remarks = "".join(f" {remark}." for remark in connection.remarks) if isinstance(connection, Quorum) else ""
    if not trust.keepers:
        remarks += f" That {place.sender} is the keeper's account is the receipt's word alone."
    return holds, f"{words} ({place.chain}, contract {place.contract}).{remarks}"


async def _compare(
    place: Place, head: Checkpoint, connection: Chain, standing: list[Standing]
) -> tuple[bool | None, str]:
    """The contract's root in the place's block, and whether that block is final."""
    try:
        root, time = await _stored(place, head.size, connection)
    except NoState as error:
        if (await connection.head()).number < place.block:
            return False, f"There is no block {place.block}"
        return None, f"Not checked: the server no longer keeps block {place.block}: {error}"
    if root is None:
        words = f"The contract stored no head of {head.size} entries for {place.sender} in block {place.block}"
        return False, f"{words}; if the chain was reorganised since, ask for a new receipt"
    if root != head.root:
        other = base64.b64encode(root).decode()
        return False, f"The contract stored another root for {head.size} entries: {other}"
    final = (await connection.finalized()).number
    if place.block > final:
        words = f"The contract holds the same root, but its block {place.block} is not final yet (the newest that is:"
        return None, f"Not checked to the end: {words} {final}); ask again later"
    standing.append(Standing(place.chain_id, place.block, time))
    since = f", {utc(time)}" if time else ""
    return True, f"The contract holds the same root since block {place.block}{since}, which is final"


async def _stored(place: Place, size: int, connection: Chain) -> tuple[bytes | None, int]:
    """The root the contract stored for this size, and when (Unix): from its state, else from its event."""
    with contextlib.suppress(NoState, NoContract):  # public servers keep old events, but seldom old state
        stored = await tree_heads.read_head(connection, place.contract, place.sender, place.block)
        if stored.size == size and stored.block == place.block:
            return stored.root, stored.time
    event = await tree_heads.find_event(connection, place.contract, place.sender, size, place.block)
    return (event.data if event else None), 0


async def registry(
    receipt: Receipt, paths: Sequence[Proof], standing: Sequence[Standing], trust: Trust
) -> tuple[Step, tuple[NoteKey, ...]]:
    """Step 5, and the keys that are registered: step 4 takes them where the verifier brought none."""
    if trust.registry is None:
        return not_asked(5), ()
    connection = trust.chains.get(trust.registry.chain_id)
    if connection is None:
        return unchecked(5, f"no connection to eip155:{trust.registry.chain_id} was given"), ()
    try:
        account = _account(receipt, trust.registry, trust.keepers)
        found = await registered.lookup(connection, trust.registry.contract, receipt.origin, account=account)
    except Temporary as error:
        return unchecked(5, str(error)), ()
    except (artifact.NoContract, RegistryError) as error:
        return Step(5, False, f"{error}."), ()
    if found is None:
        return Step(5, False, f"Nobody has registered a key for {receipt.origin}, or not that account."), ()
    if account is None and not trust.keys:  # whoever claims a name first must not vouch for himself
        why = f"{found.account} was the first to register {receipt.origin}, and may be anybody"
        return unchecked(5, f"{why}: name the account that counts, the keeper's, or the log's key"), ()
    keys = tuple(NoteKey(receipt.origin, period.key) for period in found.periods)
    try:
        signers = [signer_of(path.signed, keys) for path in paths]
    except NoteError as error:
        return Step(5, False, f"The registered key did not sign this checkpoint: {error}."), keys
    if not all(signers):
        return Step(5, False, f"The key that signed the checkpoint is none that {found.account} has registered."), keys
    periods = [period for one in signers if one and (period := found.find(one.public))]
    return _in_force(trust.registry.chain_id, found, periods[0], standing), keys


def _account(receipt: Receipt, where: RegistryAt, keepers: Sequence[str]) -> str | None:
    """Whose registration counts: the account asked for, else the keeper's on that chain, else whoever was first."""
    if where.account or len(keepers) == 1:
        return where.account or keepers[0]
    senders = [place.sender for place in receipt.anchors if place.chain_id == where.chain_id]
    return next((sender for sender in senders if _is_one_of(keepers, sender)), None)


def _is_one_of(accounts: Sequence[str], account: str) -> bool:
    return account.lower() in {one.lower() for one in accounts}


def _in_force(chain_id: int, found: Registration, period: Period, standing: Sequence[Standing]) -> Step:
    """Whether the key is in force, or was when the checkpoint was anchored.

    On the registry's own chain blocks tell which was first; between two chains their clocks have to do.
    """
    who = f"registered by {found.account} since block {period.since}"
    if period.until is None:
        return Step(5, True, f"The key is {who}, and in force.")
    for place in standing:
        before = place.block < period.until
        if place.chain_id != chain_id:
            before = 0 < place.time < (period.until_time or 0)
        if before:
            words = f"was revoked in block {period.until}" if period.revoked else f"gave way in block {period.until}"
            return Step(5, True, f"The key, {who}, {words}; the anchor is older.")
    if period.revoked:
        return Step(
            5, False, f"The key was revoked in block {period.until}, and no anchor shows that it signed before."
        )
    return unchecked(5, f"the key was replaced in block {period.until}, and no anchor is older than that")
