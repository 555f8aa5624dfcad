"""Receipts from a real log on a real chain, verified; then everything about them forged, one thing at a time."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from node.anchor import merkle, proof, receipt, tree_heads
from node.anchor.anchoring import Plan
from node.anchor.checkpoint import Checkpoint, sign
from node.anchor.keeper import Keeper
from node.anchor.keys import LogKeys, open_keys
from node.anchor.leaf import Direction
from node.anchor.log import Log
from node.anchor.note import NoteKey
from node.anchor.proof import Proof
from node.anchor.receipt import Receipt
from node.anchor.steps import Result, Step, Trust, result
from node.anchor.verify import verify
from node.base.errors import Temporary
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Block, Chain, Event, NoState
from node.store.database import Database

pytestmark = pytest.mark.anyio

Grow = Callable[[int], Awaitable[list[bytes]]]


@dataclass(frozen=True, slots=True)
class Case:
    """A message, its receipt, and what a verifier has from elsewhere."""

    message: bytes
    receipt: Receipt
    chain: EmbeddedChain
    keys: LogKeys

    def trust(self, **changes: object) -> Trust:
        chains = {self.chain.chain_id: self.chain}
        trust = Trust(keys=(self.keys.log_key,), keepers=(self.keys.sender,), chains=chains)
        return replace(trust, **changes)  # type: ignore[arg-type]

    async def steps(self, **changes: object) -> tuple[Step, ...]:
        return await verify(self.message, self.receipt.model_copy(update=changes), self.trust())


def results(steps: tuple[Step, ...]) -> list[bool | None]:
    """Of those that were asked for: message, leaf, inclusion, checkpoint, chain."""
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(step.words.endswith(".") for step in steps)
    assert [step.number for step in steps if step.asked] == [1, 2, 3, 4, 6]
    return [step.holds for step in steps if step.asked]


def digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


async def anchor(database: Database, keys: LogKeys, chain: Chain) -> None:
    @asynccontextmanager
    async def open_chain() -> AsyncIterator[Chain]:
        yield chain

    keeper = Keeper(database, keys, [Plan(chain.chain_id, keys.sender, open_chain)], 3600, 100_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(30):
            await keeper.anchor_now()
        nursery.cancel_scope.cancel()


# One log and one chain for all tests here: they forge receipts, and leave both as they were or longer.
@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    async with Database.open(tmp_path_factory.mktemp("log") / "mail.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def grow(database: Database, growing_of: Callable[[Database], Grow]) -> Grow:
    return growing_of(database)


@pytest.fixture(scope="module")
async def case(database: Database, grow: Grow, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Case]:
    folder = tmp_path_factory.mktemp("case")
    keys = open_keys(folder / "keys", "waxseal.test")
    message = (await grow(7))[4]
    async with EmbeddedChain.open(folder / "chain", keys.chain_key) as chain:
        await anchor(database, keys, chain)
        await grow(5)
        await anchor(database, keys, chain)
        made = await database.read(lambda tx: receipt.make(tx, digest(message), keys))
        assert made is not None
        yield Case(message, made, chain, keys)


async def test_all_steps_hold(case: Case) -> None:
    assert results(await case.steps()) == [True] * 5
    assert (case.receipt.index, case.receipt.checkpoint.size) == (4, 7)  # the earliest anchor dates it best
    again = receipt.parse(case.receipt.to_json())
    assert again == case.receipt
    assert results(await verify(case.message, again, case.trust(keepers=()))) == [True] * 5
    assert result(await case.steps()) is Result.HOLDS


async def test_one_changed_byte_breaks_the_first_step_alone(case: Case) -> None:
    changed = replace(case, message=case.message.replace(b"Hello", b"Hellp"))
    assert results(await changed.steps()) == [False, True, True, True, True]


async def test_what_is_not_at_hand_is_not_checked(case: Case) -> None:
    steps = await verify(case.message, case.receipt, Trust())
    assert results(steps) == [True, True, True, None, None]
    assert "Not checked" in steps[3].words


async def test_before_the_anchor_a_receipt_leads_to_the_log_as_it_stands(
    database: Database, grow: Grow, case: Case
) -> None:
    (message,) = await grow(1)
    made = await database.read(lambda tx: receipt.make(tx, digest(message), case.keys))
    assert made is not None
    steps = await verify(message, made, case.trust())
    assert results(steps) == [True, True, True, True, None]
    assert "not anchored yet" in steps[5].words


async def test_no_receipt_for_a_message_the_log_does_not_have(database: Database, case: Case) -> None:
    assert await database.read(lambda tx: receipt.make(tx, bytes(32), case.keys)) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sha256": "00" * 32}, [False, True, False, True, True]),
        ({"salt": "00" * 32}, [True, True, False, True, True]),
        ({"time": 1}, [True, True, False, True, True]),
        ({"direction": Direction.SUBMITTED}, [True, True, False, True, True]),
        ({"origin": "other.test/log"}, [True, True, True, False, True]),
        ({"proof": "nonsense"}, [True, True, False, False, False]),
        ({"time": (1 << 63) - 1}, [True, True, False, True, True]),
    ],
)
async def test_a_forged_field_is_noticed(case: Case, changes: dict[str, object], expected: list[bool]) -> None:
    assert results(await case.steps(**changes)) == expected


async def test_truncated_extended_and_reordered_proofs_are_noticed(case: Case) -> None:
    path = proof.parse(case.receipt.proof)
    assert len(path.hashes) > 1
    for hashes in (path.hashes[:-1], path.hashes[1:], (*path.hashes, bytes(32)), path.hashes[::-1]):
        forged = replace(path, hashes=hashes).text
        assert results(await case.steps(proof=forged)) == [True, True, False, True, True]
    assert results(await case.steps(proof=replace(path, index=3).text)) == [True, True, False, True, True]


async def test_a_proof_for_another_size_is_noticed(database: Database, log: Log, case: Case) -> None:
    hashes = await database.read(lambda tx: log.inclusion_proof(tx, 4, 12))
    forged = replace(proof.parse(case.receipt.proof), hashes=tuple(hashes)).text
    assert results(await case.steps(proof=forged)) == [True, True, False, True, True]


async def test_a_whole_forged_log_fails_at_key_and_chain(case: Case, tmp_path: Path) -> None:
    """A forger can make a log of one entry, sign it with a key of his own, and name the real anchor."""
    forger = open_keys(tmp_path / "forger", "waxseal.test")
    head = Checkpoint("waxseal.test/log", 1, merkle.leaf_hash(case.receipt.leaf.entry))
    forged = Proof(0, (), sign(head, forger.signer)).text
    assert results(await case.steps(proof=forged)) == [True, True, True, False, False]
    with_size = Checkpoint("waxseal.test/log", 7, head.root)
    assert results(await case.steps(proof=Proof(0, (), sign(with_size, forger.signer)).text)) == [
        True,
        True,
        False,
        False,
        False,
    ]


async def test_a_log_key_that_forks_is_caught_by_the_chain(case: Case) -> None:
    """The node itself signs another history of the same size: only the contract contradicts it."""
    leaf = case.receipt.leaf.hash
    nodes = {(0, index): bytes([index]) * 32 for index in range(7)} | {(0, 4): leaf}
    nodes |= {(1, i): merkle.node_hash(nodes[0, 2 * i], nodes[0, 2 * i + 1]) for i in range(3)}
    nodes |= {(2, 0): merkle.node_hash(nodes[1, 0], nodes[1, 1])}
    head = Checkpoint("waxseal.test/log", 7, merkle.root(7, lambda *at: nodes[at]))
    path = merkle.inclusion_proof(4, 7, lambda *at: nodes[at])
    steps = await case.steps(proof=Proof(4, tuple(path), sign(head, case.keys.signer)).text)
    assert results(steps) == [True, True, True, True, False]
    assert "another root" in steps[5].words


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("block", 1, "stored no head"),
        ("block", 10**9, "There is no block 1000000000"),
        ("contract", "0x" + "12" * 20, "no TreeHeads contract"),
        ("sender", "0x" + "12" * 20, "not the keeper's account"),
    ],
)
async def test_a_forged_place_is_noticed(case: Case, field: str, value: object, words: str) -> None:
    (place,) = case.receipt.anchors
    steps = await case.steps(anchors=(place.model_copy(update={field: value}),))
    assert results(steps) == [True, True, True, True, False]
    assert words in steps[5].words


async def test_a_contract_that_answers_anything_is_not_believed(case: Case) -> None:
    """Code that returns exactly the right head, but is not TreeHeads."""
    head = case.receipt.checkpoint
    answer = head.size.to_bytes(32, "big") + head.root + bytes(64)
    # CODECOPY the 128 bytes behind these 12, RETURN them; the constructor copies all of it.
    runtime = bytes.fromhex("6080600c60003960806000f3") + answer
    made = await case.chain.send(None, bytes.fromhex("608c600c600039608c6000f3") + runtime)
    assert made.contract
    assert (await tree_heads.read_head(case.chain, made.contract, case.keys.sender)).root == head.root
    place = case.receipt.anchors[0].model_copy(update={"contract": made.contract})
    assert results(await case.steps(anchors=(place,))) == [True, True, True, True, False]


async def test_another_account_can_anchor_but_is_named(case: Case, tmp_path: Path) -> None:
    other = open_keys(tmp_path / "other", "waxseal.test")
    place = case.receipt.anchors[0].model_copy(update={"sender": other.sender})
    claim = case.receipt.model_copy(update={"anchors": (place,)})
    steps = await verify(case.message, claim, case.trust(keepers=()))
    assert results(steps) == [True, True, True, True, False]
    assert other.sender in steps[5].words


class Partial:
    """The chain as a public server shows it: another id, no old state, or no answer at all."""

    def __init__(
        self,
        chain: EmbeddedChain,
        *,
        pruned: bool = False,
        forgetful: bool = False,
        down: bool = False,
        young: bool = False,
    ) -> None:
        self.chain, self.pruned, self.forgetful, self.down, self.young = chain, pruned, forgetful, down, young
        self.chain_id = chain.chain_id
        self.sender = None

    async def code(self, address: str) -> bytes:
        if self.down:
            raise Temporary("connection refused")
        return await self.chain.code(address)

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        if self.pruned and block is not None:
            raise NoState("missing trie node")
        return await self.chain.call(to, data, block)

    async def head(self) -> Block:
        return await self.chain.head()

    async def finalized(self) -> Block:
        head = await self.chain.head()
        return replace(head, number=0) if self.young else head

    async def events(self, address: str, block: int) -> list[Event]:
        if self.forgetful:
            raise NoState("logs are pruned")
        return await self.chain.events(address, block)


@pytest.mark.parametrize(
    ("limits", "expected", "words"),
    [
        ({"pruned": True}, True, "holds the same root"),
        ({"pruned": True, "forgetful": True}, None, "no longer keeps block"),
        ({"down": True}, None, "connection refused"),
        ({"young": True}, None, "is not final yet"),
    ],
)
async def test_chains_that_answer_less(case: Case, limits: dict[str, int], expected: bool | None, words: str) -> None:
    chain = Partial(case.chain, **limits)  # type: ignore[arg-type]
    steps = await verify(case.message, case.receipt, case.trust(chains={chain.chain_id: chain}))
    assert results(steps) == [True, True, True, True, expected]
    assert words in steps[5].words


async def test_a_key_of_another_log(case: Case) -> None:
    other = NoteKey("other.test/log", case.keys.log_key.public)
    assert results(await verify(case.message, case.receipt, case.trust(keys=(other,)))) == [
        True,
        True,
        True,
        False,
        True,
    ]


async def test_the_log_tells_nothing_about_a_message_without_its_salt(case: Case) -> None:
    """What anybody may see has neither the message's hash in it nor anything made from that hash alone."""
    public = base64.b64decode("".join(case.receipt.proof.split("\n")[2:4])) + case.receipt.leaf.entry
    assert digest(case.message) not in public
    assert merkle.leaf_hash(digest(case.message)) != case.receipt.leaf.hash
