"""The steps that are taken when somebody asks: registry, consistency, witnesses; revoked keys; both receipt forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from node.anchor import add_checkpoint, merkle, proof, registry
from node.anchor.checkpoint import Checkpoint, sign
from node.anchor.keys import open_keys
from node.anchor.note import NoteKey
from node.anchor.receipt import ReceiptError, parse
from node.anchor.steps import RegistryAt, Result, Trust, result

pytestmark = pytest.mark.anyio


async def test_nothing_asked_for_nothing_missed(world: Any) -> None:
    steps = await world.steps()
    assert [step.holds for step in steps] == [True, True, True, True, None, True, None, None]
    assert [step.asked for step in steps] == [True, True, True, True, False, True, False, False]
    assert result(steps) is Result.HOLDS


async def test_everything_asked_for_and_everything_holds(world: Any) -> None:
    trust = world.trust(
        registry=world.registered,
        later=await world.later(7, 700),
        witnesses=tuple(witness.key for witness in world.witnesses),
    )
    steps = await world.steps(trust, proof=world.cosigned(3).proof)
    assert [(step.holds, step.asked) for step in steps] == [(True, True)] * 8
    assert "in force" in steps[4].words
    assert "700 entries continues the log of 7" in steps[6].words
    assert "witness.two/w (2025-11-20 22:00:00 UTC)" in steps[7].words


async def test_a_revoked_key_is_refused(world: Any) -> None:
    steps = await world.steps(world.trust(revoked=(world.keys.log_key,)))
    assert (steps[3].holds, result(steps)) == (False, Result.DOES_NOT_HOLD)
    assert "was revoked" in steps[3].words
    alone = await world.steps(world.trust(keys=(), revoked=(world.keys.log_key,)))
    assert alone[3].holds is False


async def test_the_registry_lends_its_key_to_the_checkpoint(world: Any) -> None:
    steps = await world.steps(world.trust(keys=(), registry=world.registered))
    assert [step.holds for step in steps[:6]] == [True] * 6


async def test_whoever_claimed_a_name_first_does_not_vouch_for_himself(world: Any) -> None:
    """Neither key, nor keeper, nor account: a squatter with a log, a key and an anchor of his own would look right."""
    steps = await world.steps(world.trust(keys=(), keepers=(), registry=world.registered))
    assert [step.holds for step in steps[3:6]] == [None, None, True]
    assert "may be anybody" in steps[4].words
    assert "the receipt's word alone" in steps[5].words
    named = RegistryAt(world.chain.chain_id, world.registry, world.keys.sender)
    steps = await world.steps(world.trust(keys=(), keepers=(), registry=named))
    assert [step.holds for step in steps[3:6]] == [True, True, True]
    two = ("0x" + "12" * 20, world.keys.sender)
    steps = await world.steps(world.trust(keys=(), keepers=two, registry=world.registered))
    assert [step.holds for step in steps[3:6]] == [True, True, True]


async def test_a_key_the_registry_does_not_know(world: Any, tmp_path: Any) -> None:
    """A forger's log of one entry, signed with his own key under the right name."""
    forger = open_keys(tmp_path / "forger", "waxseal.test")
    head = Checkpoint("waxseal.test/log", 1, merkle.leaf_hash(world.receipt.leaf.entry))
    forged = proof.Proof(0, (), sign(head, forger.signer)).text
    trust = world.trust(keys=(forger.log_key,), registry=world.registered)
    steps = await world.steps(trust, proof=forged)
    assert [step.holds for step in steps[:6]] == [True, True, True, True, False, False]
    assert "none that" in steps[4].words


async def test_nobody_registered_or_no_registry(world: Any) -> None:
    nobody = RegistryAt(world.chain.chain_id, world.registry, "0x" + "12" * 20)
    steps = await world.steps(world.trust(registry=nobody))
    assert (steps[4].holds, "Nobody has registered" in steps[4].words) == (False, True)
    elsewhere = RegistryAt(world.chain.chain_id, "0x" + "12" * 20)
    assert (await world.steps(world.trust(registry=elsewhere)))[4].holds is False
    unasked = await world.steps(world.trust(registry=RegistryAt(1, world.registry)))
    assert (unasked[4].holds, result(unasked)) == (None, Result.INCOMPLETE)


async def test_a_bare_later_checkpoint_needs_the_log(world: Any) -> None:
    steps = await world.steps(world.trust(later=await world.signed(700)))
    assert (steps[6].holds, result(steps)) == (None, Result.INCOMPLETE)
    same = await world.steps(world.trust(later=await world.signed(7)))
    assert same[6].holds is True
    older = add_checkpoint.write(7, [], await world.signed(5)).decode()
    assert (await world.steps(world.trust(later=older)))[6].holds is None


async def test_a_fork_is_caught(world: Any) -> None:
    """The log's own key signs another history: of the same size, and of a larger one with any proof."""
    other = Checkpoint(world.keys.origin, 7, bytes(32))
    larger = Checkpoint(world.keys.origin, 700, bytes(32))
    proven = await world.consistency(7, 700)
    for later in (
        sign(other, world.keys.signer),
        add_checkpoint.write(7, proven, sign(larger, world.keys.signer)).decode(),
        add_checkpoint.write(7, proven[:-1], await world.signed(700)).decode(),
        add_checkpoint.write(7, [*proven, bytes(32)], await world.signed(700)).decode(),
        add_checkpoint.write(7, proven[::-1], await world.signed(700)).decode(),
    ):
        steps = await world.steps(world.trust(later=later))
        assert (steps[6].holds, "Keep both" in steps[6].words) == (False, True)


async def test_a_later_checkpoint_of_somebody_else(world: Any, tmp_path: Any) -> None:
    forger = open_keys(tmp_path / "forger", "waxseal.test")
    stranger = open_keys(tmp_path / "stranger", "other.test")
    head = await world.head(700)
    for later in (sign(head, forger.signer), sign(replace(head, origin="other.test/log"), stranger.signer), "nonsense"):
        steps = await world.steps(world.trust(later=later))
        assert steps[6].holds is False
    keyless = await world.steps(world.trust(keys=(), later=await world.signed(700)))
    assert (keyless[6].holds, "anybody may have written" in keyless[6].words) == (None, True)


async def test_witnesses_are_counted(world: Any) -> None:
    keys = tuple(witness.key for witness in world.witnesses)
    two = world.cosigned(2).proof
    assert (await world.steps(world.trust(witnesses=keys), proof=two))[7].holds is False
    assert (await world.steps(world.trust(witnesses=keys, witnesses_needed=2), proof=two))[7].holds is True
    assert (await world.steps(world.trust(witnesses=keys[:1])))[7].holds is False


async def test_a_changed_cosignature_spoils_the_step(world: Any) -> None:
    moved = world.cosigned(1, time=1).proof.replace("AAAAAAAAAAB", "AAAAAAAAAAC")
    path = proof.parse(world.cosigned(1).proof)
    last = path.signed.splitlines(keepends=True)[-1]
    broken = path.signed.replace(last, last[:-12] + ("A" if last[-12] != "A" else "B") + last[-11:])
    keys = tuple(witness.key for witness in world.witnesses)
    steps = await world.steps(world.trust(witnesses=keys[:1]), proof=replace(path, signed=broken).text)
    assert (steps[7].holds, "does not hold" in steps[7].words) == (False, True)
    assert moved


async def test_two_chains_with_heads_of_their_own(world: Any) -> None:
    """A second chain holds only the larger tree: its place brings its own proof, and each is held to its own."""
    (place,) = world.receipt.anchors
    assert place.proof is None
    larger = proof.Proof(
        4, tuple(await world.database.read(lambda tx: _inclusion(tx, 4, 700))), await world.signed(700)
    ).text
    wrong = place.model_copy(update={"proof": larger})
    steps = await world.steps(anchors=(place, wrong))
    assert (steps[2].holds, steps[3].holds, steps[5].holds) == (True, True, False)  # block 700 is another one
    other = place.model_copy(update={"chain": "eip155:1", "proof": larger})
    steps = await world.steps(anchors=(place, other))
    assert (steps[5].holds, "eip155:1" in steps[5].words) == (True, True)
    cut = place.model_copy(update={"chain": "eip155:1", "proof": larger.replace("index 4", "index 5")})
    assert (await world.steps(anchors=(place, cut)))[2].holds is False


def _inclusion(tx: Any, index: int, size: int) -> list[bytes]:
    from node.anchor.log import Log

    return Log().inclusion_proof(tx, index, size)


async def test_rotation_and_revocation_in_the_registry(world: Any, tmp_path: Any) -> None:
    """Last of this file: it changes the registry for good."""
    next_key = open_keys(tmp_path / "next", "waxseal.test").log_key
    trust = world.trust(registry=world.registered)
    own = world.keys.log_key.public
    await registry.rotate(world.chain, world.registry, world.keys.origin, own, next_key.public)
    steps = await world.steps(trust)
    assert (steps[4].holds, "the anchor is older" in steps[4].words) == (True, True)
    unanchored = await world.steps(trust, anchors=())
    assert (unanchored[4].holds, "replaced" in unanchored[4].words) == (None, True)
    await registry.revoke(world.chain, world.registry, world.keys.origin, next_key.public)
    signer = open_keys(tmp_path / "next", "waxseal.test").signer
    path = proof.parse(world.receipt.proof)
    by_next = replace(path, signed=sign(await world.head(7), signer)).text
    both = world.trust(keys=(world.keys.log_key, NoteKey(signer.name, next_key.public)), registry=world.registered)
    assert (await world.steps(both, proof=by_next))[4].holds is True  # the anchor is older than the revocation
    refused = await world.steps(both, proof=by_next, anchors=())
    assert (refused[4].holds, "was revoked" in refused[4].words) == (False, True)


async def test_an_unreadable_proof_fails_what_was_asked(world: Any) -> None:
    steps = await world.steps(world.trust(registry=world.registered), proof="nonsense")
    assert [step.holds for step in steps] == [True, True, False, False, False, False, None, None]
    assert Trust().asks_for(7) is False


VALID: dict[str, object] = {
    "version": "waxseal.receipt/2",
    "origin": "waxseal.test/log",
    "sha256": "00" * 32,
    "direction": "received",
    "time": 1,
    "salt": "11" * 32,
    "outcome": "inbox",
    "policy": "22" * 32,
    "proof": "",
    "anchors": [],
}
OLD = {name: value for name, value in VALID.items() if name not in {"outcome", "policy", "anchors"}} | {
    "version": "waxseal.receipt/1",
    "anchor": None,
}
PLACE = {
    "chain": "eip155:1",
    "contract": "0x" + "12" * 20,
    "sender": "0x" + "34" * 20,
    "transaction": "0x" + "56" * 32,
    "block": 7,
}


def test_both_forms_are_read() -> None:
    second = parse(json.dumps(VALID | {"anchors": [PLACE, PLACE | {"chain": "eip155:10", "proof": "p"}]}))
    assert [place.proof for place in second.anchors] == [None, "p"]
    assert len(second.leaf.encode()) == 107
    first = parse(json.dumps(OLD | {"anchor": PLACE}))
    assert (first.version, len(first.leaf.encode()), first.anchors[0].block) == ("waxseal.receipt/2", 74, 7)
    assert parse(first.to_json()) == first


@pytest.mark.parametrize(
    "change",
    [
        {"version": "waxseal.receipt/3"},
        {"sha256": "00" * 31},
        {"sha256": "0G" * 32},
        {"sha256": "00" * 32 + "\n"},
        {"salt": "AA" * 32},
        {"time": -1},
        {"time": 1 << 63},
        {"time": "1"},
        {"time": 1.0},
        {"time": True},
        {"direction": "sideways"},
        {"outcome": "lost"},
        {"policy": "22" * 31},
        {"extra": 1},
        {"anchor": None},
        {"proof": "x" * 70_000},
        {"anchors": [PLACE] * 17},
        {"anchors": [PLACE | {"chain": "eip155:01"}]},
        {"anchors": [PLACE | {"block": "7"}]},
        {"anchors": [PLACE | {"more": 1}]},
        {"anchors": None},
    ],
)
def test_a_receipt_is_read_strictly(change: dict[str, object]) -> None:
    with pytest.raises(ReceiptError, match="no receipt of Waxseal"):
        parse(json.dumps(VALID | change))


def test_what_json_leaves_open_is_closed() -> None:
    text = json.dumps(VALID)
    for bad in (
        text.replace('"time": 1', '"time": 1, "time": 2'),
        text.replace('"time": 1', '"time": 01'),
        text.replace('"time": 1', '"time": NaN'),
        text + "x",
        "[" * 100_000,
        json.dumps({name: value for name, value in VALID.items() if name != "outcome"}),
        json.dumps(OLD | {"outcome": None}),
        json.dumps(OLD | {"anchor": PLACE | {"proof": "p"}}),
    ):
        with pytest.raises(ReceiptError, match="no receipt of Waxseal"):
            parse(bad)
    with pytest.raises(ReceiptError, match="at most"):
        parse(b" " * 200_000)


async def test_an_outcome_without_a_policy_makes_no_leaf(world: Any) -> None:
    steps = await world.steps(policy="22" * 32)
    assert [step.holds for step in steps[:4]] == [True, False, False, True]
