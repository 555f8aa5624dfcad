"""The one door, with a real store and real derivations."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
import pytest
import trio
from trio.testing import MockClock

from node.auth import gate as gate_module
from node.auth.app_passwords import AppPasswords
from node.auth.gate import Gate, Reason, Refusal
from node.store import app_passwords
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"


@pytest.fixture
def gate(database: Database) -> Gate:
    return Gate(database)


@pytest.fixture
async def password(database: Database, alice: Account) -> str:
    return (await AppPasswords(database).create(alice, "phone", {"imap", "smtp"})).password


def reason(result: Account | Refusal) -> object:
    return result.reason if isinstance(result, Refusal) else None


def count_derivations(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Watches the derivations from outside; they still happen."""
    seen: list[bytes] = []
    real = gate_module._opened

    def watched(plain: bytes, stored: tuple[app_passwords.AppPassword, ...]) -> int | None:
        seen.append(plain)
        return real(plain, stored)

    monkeypatch.setattr(gate_module, "_opened", watched)
    return seen


@pytest.mark.parametrize("username", ["alice@waxseal.test", "ALICE@WAXSEAL.TEST", " Alice@waxseal.test "])
async def test_the_right_password_lets_in_by_any_spelling(
    gate: Gate, alice: Account, password: str, username: str
) -> None:
    assert await gate.password(username, password, "imap", PEER) == alice
    assert await gate.password(username, password.upper().replace("-", " "), "smtp", PEER) == alice


STRANGERS = ["bob@waxseal.test", "alice@elsewhere.test", "alice", "", "@", "a" * 10_000]
STRANGERS += ["al\x00ice@waxseal.test", "\ud800@waxseal.test"]


@pytest.mark.parametrize("username", STRANGERS)
async def test_an_unknown_name_is_refused_like_a_wrong_password(
    gate: Gate, password: str, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_derivations(monkeypatch)
    refused = await gate.password(username, password, "imap", PEER)
    assert refused == await gate.password("alice@waxseal.test", "wrong", "imap", PEER)
    assert reason(refused) is Reason.BAD_CREDENTIALS
    assert len(seen) == 2  # the same work for both


@pytest.mark.parametrize("typed", ["", "wrong", "x" * 100_000, "\x00", "\ud800"])
async def test_a_wrong_password_is_refused(gate: Gate, password: str, typed: str) -> None:
    assert reason(await gate.password("alice@waxseal.test", typed, "imap", PEER)) is Reason.BAD_CREDENTIALS


async def test_a_password_is_good_for_its_scope_alone(gate: Gate, database: Database, alice: Account) -> None:
    made = await AppPasswords(database).create(alice, "reader", {"imap"})
    assert await gate.password(alice.address, made.password, "imap", PEER) == alice
    assert reason(await gate.password(alice.address, made.password, "smtp", PEER)) is Reason.WRONG_SCOPE


async def test_all_passwords_of_an_account_cost_one_derivation(gate: Gate, database: Database, alice: Account) -> None:
    made = [await AppPasswords(database).create(alice, f"client {number}", {"imap"}) for number in range(5)]
    recipes = await database.read(
        lambda tx: {row.hash.rpartition("$")[0] for row in app_passwords.of_account(tx, alice.id)}
    )
    assert len(recipes) == 1
    for one in made:
        assert await gate.password(alice.address, one.password, "imap", PEER) == alice


async def test_a_revoked_password_is_refused_at_once_though_it_was_just_used(
    gate: Gate, database: Database, alice: Account
) -> None:
    passwords = AppPasswords(database)
    made, other = [await passwords.create(alice, name, {"imap"}) for name in ("phone", "laptop")]
    for one in (made, other):
        assert await gate.password(alice.address, one.password, "imap", PEER) == alice
    assert await passwords.revoke(alice, made.row.id)
    assert reason(await gate.password(alice.address, made.password, "imap", PEER)) is Reason.BAD_CREDENTIALS
    assert await gate.password(alice.address, other.password, "imap", PEER) == alice


async def test_a_revocation_by_another_process_counts_as_well(
    gate: Gate, database: Database, alice: Account, password: str
) -> None:
    assert await gate.password(alice.address, password, "imap", PEER) == alice
    apsw.Connection(str(database.path)).execute("delete from app_password")
    assert reason(await gate.password(alice.address, password, "imap", PEER)) is Reason.BAD_CREDENTIALS


async def test_a_client_that_logs_in_often_costs_one_derivation(
    gate: Gate, alice: Account, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_derivations(monkeypatch)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(gate.password, alice.address, password, "imap", PEER)
    assert await gate.password(alice.address, password, "smtp", PEER) == alice
    assert len(seen) == 1


async def test_a_revoked_phone_that_tries_for_ever_costs_one_derivation_and_locks_nobody_out(
    gate: Gate, alice: Account, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_derivations(monkeypatch)
    for _ in range(50):
        assert (
            reason(await gate.password(alice.address, "k7m2p-9xq4r-tj3vw-8n5hd", "imap", PEER))
            is Reason.BAD_CREDENTIALS
        )
    assert len(seen) == 1
    assert await gate.password(alice.address, password, "imap", PEER) == alice


async def test_a_peer_that_keeps_guessing_waits_longer_and_longer(
    gate: Gate, alice: Account, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_derivations(monkeypatch)
    reasons = [reason(await gate.password(f"person{n}@waxseal.test", "guess", "imap", PEER)) for n in range(20)]
    assert reasons[:6] == [Reason.BAD_CREDENTIALS] * 6
    assert set(reasons[6:]) == {Reason.TOO_MANY_FAILURES}
    assert len(seen) == 6
    refused = await gate.password(alice.address, password, "imap", PEER)
    assert isinstance(refused, Refusal)
    assert refused.temporary
    assert 0 < refused.retry_after <= 2
    assert await gate.password(alice.address, password, "imap", "192.0.2.8") == alice  # others are not touched


async def test_a_burst_sent_at_once_is_stopped_too(gate: Gate, alice: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_derivations(monkeypatch)
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(gate.password, alice.address, f"guess{number}", "imap", PEER)
    assert len(seen) <= 6 + gate_module.THREADS


async def test_an_account_under_attack_from_everywhere_stays_open_to_its_known_clients(
    gate: Gate, alice: Account, password: str
) -> None:
    assert await gate.password(alice.address, password, "imap", PEER) == alice
    for number in range(25):
        await gate.password(alice.address, f"guess{number}", "imap", f"198.51.100.{number}")
    assert reason(await gate.password(alice.address, "guess", "imap", "203.0.113.1")) is Reason.TOO_MANY_FAILURES
    assert await gate.password(alice.address, password, "imap", PEER) == alice
    gate._memory._table.clear()
    assert await gate.password(alice.address, password, "imap", PEER) == alice  # derived, and still not locked out


async def test_last_use_is_written_at_most_once_a_minute(database: Database, alice: Account, password: str) -> None:
    now = [time.time()]
    gate = Gate(database, clock=lambda: now[0])

    async def last_used() -> int | None:
        return (await AppPasswords(database).listing(alice))[0].last_used

    assert await last_used() is None
    await gate.password(alice.address, password, "imap", PEER)
    first = await last_used()
    assert first == int(now[0])
    now[0] += 59
    await gate.password(alice.address, password, "imap", PEER)
    assert await last_used() == first
    now[0] += 2
    await gate.password(alice.address, password, "imap", PEER)
    assert await last_used() == int(now[0])


def test_what_is_remembered_is_forgotten_in_time() -> None:
    async def main() -> None:
        memory = gate_module.Memory(entries=3)
        right, wrong = memory.digest(b"a", b"b"), memory.digest(b"ab", b"")
        assert right != wrong
        memory.remember(right, 7)
        memory.remember(wrong, None)
        await trio.sleep(61)
        assert memory.recall(right) is not None
        assert memory.recall(wrong) is None
        await trio.sleep(900)
        assert memory.recall(right) is None
        for number in range(10):
            memory.remember(bytes([number]), number)
        assert len(memory) == 3

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_no_password_stands_in_the_database(
    database: Database, alice: Account, password: str, tmp_path: Path
) -> None:
    content = b"".join(path.read_bytes() for path in tmp_path.glob("node.sqlite*"))  # noqa: ASYNC240
    assert b"argon2id" in content
    assert password.encode() not in content
    assert password.replace("-", "").encode() not in content
