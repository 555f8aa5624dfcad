"""A witness answers as C2SP tlog-witness says, status by status, and never signs two histories of one log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from node.anchor import add_checkpoint, checkpoint, cosignature, fork, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner
from node.anchor.note import NoteSigner
from node.anchor.witness import Answer, Memory, Witness
from node.store import witnesses
from node.store.database import Database
from node.store.witnesses import Seen

pytestmark = pytest.mark.anyio

NOW = 1_763_676_000
LOG = NoteSigner("waxseal.test/log", b"\x07" * 32)
ROTATED = NoteSigner("waxseal.test/log", b"\x08" * 32)
OTHER = NoteSigner("other.test/log", b"\x09" * 32)
SIGNER = CosignatureSigner("w.test/witness", b"\x01" * 32)


class Tree:
    """A tree of made-up entries in memory."""

    def __init__(self, size: int, what: str = "entry", common: int = 0) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        for n in range(size):
            text = f"entry {n}" if n < common else f"{what} {n}"
            leaf = merkle.leaf_hash(hashlib.sha256(text.encode()).digest())
            for level, index, value in merkle.appended(n, leaf, self._read):
                self.nodes[level, index] = value

    def _read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def signed(self, size: int, signer: NoteSigner = LOG) -> str:
        return checkpoint.sign(Checkpoint(signer.name, size, merkle.root(size, self._read)), signer)

    def request(self, old: int, new: int, signer: NoteSigner = LOG) -> bytes:
        proof = merkle.consistency_proof(old, new, self._read) if 0 < old <= new else []
        return add_checkpoint.write(old, proof, self.signed(new, signer))


TREE, FALSE = Tree(40), Tree(40, "false", common=3)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "mail.sqlite") as opened:
        yield opened


@pytest.fixture
def witness(database: Database) -> Witness:
    return opened(database)


def opened(database: Database, clock: Callable[[], float] = lambda: NOW) -> Witness:
    return Witness(database, SIGNER, [LOG.key, ROTATED.key], clock=clock)


def holds(answer: Answer, signed: str, time: int = NOW) -> bool:
    """Whether the answer is a cosignature on that checkpoint."""
    assert (answer.status, answer.kind) == (200, "text/plain; charset=utf-8")
    return cosignature.cosignatures(signed + answer.body, [SIGNER.key]) == (
        cosignature.Cosignature("w.test/witness", time),
    )


async def size_of(answer: Answer) -> int:
    assert (answer.status, answer.kind) == (409, "text/x.tlog.size")
    return add_checkpoint.read_size(answer.body.encode())


async def test_a_log_that_grows_is_cosigned_again_and_again(witness: Witness) -> None:
    old = 0
    for new in (1, 2, 3, 8, 8, 13, 40):
        answer = await witness.add_checkpoint(TREE.request(old, new))
        assert holds(answer, TREE.signed(new))
        old = new


async def test_an_empty_log_is_cosigned(witness: Witness) -> None:
    assert holds(await witness.add_checkpoint(TREE.request(0, 0)), TREE.signed(0))
    assert holds(await witness.add_checkpoint(TREE.request(0, 5)), TREE.signed(5))


@pytest.mark.parametrize("old", [0, 3, 5, 9, 14])
async def test_another_old_size_is_answered_with_the_right_one(witness: Witness, old: int) -> None:
    await witness.add_checkpoint(TREE.request(0, 8))
    assert await size_of(await witness.add_checkpoint(TREE.request(old, 14))) == 8
    assert holds(await witness.add_checkpoint(TREE.request(8, 14)), TREE.signed(14))


async def test_an_old_size_beyond_the_checkpoint_is_a_bad_request(witness: Witness) -> None:
    await witness.add_checkpoint(TREE.request(0, 8))
    assert (await witness.add_checkpoint(TREE.request(8, 5))).status == 400


async def test_an_unknown_log_is_not_found_and_an_unknown_key_forbidden(witness: Witness) -> None:
    assert (await witness.add_checkpoint(TREE.request(0, 8, OTHER))).status == 404
    stranger = NoteSigner(LOG.name, b"\x0a" * 32)
    assert (await witness.add_checkpoint(TREE.request(0, 8, stranger))).status == 403
    broken = TREE.request(0, 8).decode().replace("\n8\n", "\n9\n").encode()  # signed, but not this
    assert (await witness.add_checkpoint(broken)).status == 403


async def test_a_log_may_change_its_key(witness: Witness) -> None:
    await witness.add_checkpoint(TREE.request(0, 8))
    assert holds(await witness.add_checkpoint(TREE.request(8, 9, ROTATED)), TREE.signed(9, ROTATED))


async def test_cosignatures_of_others_in_the_request_are_ignored(witness: Witness) -> None:
    text = TREE.signed(8).partition("\n\n")[0] + "\n"
    signed = TREE.signed(8) + CosignatureSigner("x.test/w", b"\x03" * 32).cosign(text, NOW)
    assert holds(await witness.add_checkpoint(add_checkpoint.write(0, (), signed)), TREE.signed(8))


@pytest.mark.parametrize("body", [b"", b"old 1", b"\xff\xfe", b"old 0\n\nhello\n", b"x" * 70_000])
async def test_a_malformed_request_is_a_bad_one(witness: Witness, body: bytes) -> None:
    assert (await witness.add_checkpoint(body)).status == 400


async def test_a_proof_that_does_not_lead_there_is_refused(witness: Witness) -> None:
    await witness.add_checkpoint(TREE.request(0, 7))
    good = add_checkpoint.read(TREE.request(7, 13))
    wrong: list[tuple[bytes, ...]] = [
        (),
        good.proof[:-1],
        (*good.proof, bytes(32)),
        good.proof[::-1],
        (bytes(32),) * 63,
    ]
    for proof in wrong:
        answer = await witness.add_checkpoint(add_checkpoint.write(7, proof, good.signed))
        assert answer.status == 422
    assert (await witness.add_checkpoint(add_checkpoint.write(7, (bytes(32),), TREE.signed(7)))).status == 422
    assert holds(await witness.add_checkpoint(TREE.request(7, 13)), TREE.signed(13))


async def test_a_first_request_with_a_proof_is_refused(witness: Witness) -> None:
    assert (await witness.add_checkpoint(add_checkpoint.write(0, (bytes(32),), TREE.signed(8)))).status == 422


async def test_a_fork_is_not_cosigned_and_leaves_evidence(witness: Witness, database: Database) -> None:
    await witness.add_checkpoint(TREE.request(0, 8))
    assert await size_of(await witness.add_checkpoint(FALSE.request(8, 8))) == 8  # as large, another root
    assert (await witness.add_checkpoint(FALSE.request(8, 13))).status == 422
    assert await size_of(await witness.add_checkpoint(FALSE.request(0, 13))) == 8  # nor by starting anew
    assert holds(await witness.add_checkpoint(TREE.request(8, 13)), TREE.signed(13))
    documents = await database.read(lambda tx: witnesses.forks(tx, LOG.name))
    convicted = {fork.parse(text).check([LOG.key])[0].size for text in documents}
    assert convicted == {8, 13}


async def test_of_two_histories_at_once_one_is_cosigned(database: Database) -> None:
    """Both requests are read before either is written: the comparison is made again with the writing."""
    first = opened(database)
    await first.add_checkpoint(TREE.request(0, 2))
    answers: list[Answer] = []

    async def ask(tree: Tree, size: int) -> None:
        answers.append(await opened(database).add_checkpoint(tree.request(2, size)))

    async with trio.open_nursery() as nursery:
        for size in (13, 9, 21, 7):
            nursery.start_soon(ask, TREE, size)
            nursery.start_soon(ask, FALSE, size)
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    known = await database.read(lambda tx: witnesses.witnessed(tx, LOG.name))
    assert known
    (signed,) = (answer.body for answer in answers if answer.status == 200)
    assert cosignature.cosignatures(known.note + signed, [SIGNER.key])


async def test_what_was_cosigned_is_known_after_a_crash(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "w.sqlite") as database:
        assert (await opened(database).add_checkpoint(TREE.request(0, 8))).status == 200
        copy = tmp_path / "crashed.sqlite"  # as the disk is at the moment of the answer: nothing was closed
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes((tmp_path / f"w.sqlite{suffix}").read_bytes())
    async with Database.open(copy) as database:
        assert await size_of(await opened(database).add_checkpoint(FALSE.request(0, 8))) == 8
        assert (await opened(database).add_checkpoint(FALSE.request(8, 13))).status == 422


async def test_a_clock_that_goes_back_takes_no_cosignature_back(database: Database) -> None:
    await opened(database).add_checkpoint(TREE.request(0, 8))
    answer = await opened(database, lambda: NOW - 5000).add_checkpoint(TREE.request(8, 9))
    assert holds(answer, TREE.signed(9), NOW)


# --- what was seen ----------------------------------------------------------------------------------------------------


@pytest.fixture
def memory(database: Database) -> Memory:
    return Memory(database, [LOG.key], clock=lambda: NOW)


async def test_checkpoints_are_exchanged(memory: Memory) -> None:
    assert json.loads((await memory.known(LOG.name)).body) == {"origin": LOG.name, "checkpoints": [], "forks": []}
    await memory.take(TREE.signed(5).encode())
    answer = await memory.take(TREE.signed(9).encode())
    assert (answer.status, answer.kind) == (200, "application/json")
    assert json.loads(answer.body)["checkpoints"] == [TREE.signed(9), TREE.signed(5)]


async def test_two_views_shown_by_two_visitors_are_a_fork(memory: Memory) -> None:
    await memory.take(TREE.signed(9).encode())
    (found,) = json.loads((await memory.take(FALSE.signed(9).encode())).body)["forks"]
    fork.parse(json.dumps(found)).check([LOG.key])
    again = json.loads((await memory.take(FALSE.signed(9).encode())).body)["forks"]
    assert again == [found]


async def test_nobody_can_bear_false_witness(memory: Memory) -> None:
    stranger = NoteSigner(LOG.name, b"\x0a" * 32)
    assert (await memory.take(TREE.signed(9, stranger).encode())).status == 403
    assert (await memory.take(TREE.signed(9, OTHER).encode())).status == 404
    assert (await memory.take(b"\xff")).status == 400
    assert (await memory.take(b"hello\n")).status == 400
    assert (await memory.known(OTHER.name)).status == 404
    assert json.loads((await memory.known(LOG.name)).body)["checkpoints"] == []


async def test_memory_is_bounded(database: Database) -> None:
    """Even against the log itself, which could sign without end."""

    def work(tx) -> None:  # type: ignore[no-untyped-def]
        for size in range(300):
            witnesses.put_seen(tx, Seen(LOG.name, size, bytes(32), "n", NOW))
        for root in range(50):
            witnesses.put_seen(tx, Seen(LOG.name, 299, bytes([root]) * 32, "n", NOW))
        for number in range(50):
            witnesses.put_fork(tx, LOG.name, f"document {number}", NOW)

    await database.write(work)
    seen = await database.read(lambda tx: witnesses.seen(tx, LOG.name, 1000))
    assert len([one for one in seen if one.size == 299]) == witnesses.MAX_ROOTS
    assert len(seen) <= witnesses.MAX_SEEN
    assert len(await database.read(lambda tx: witnesses.forks(tx, LOG.name))) == witnesses.MAX_FORKS
