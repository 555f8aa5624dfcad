"""What is remembered of an account's sending, and its security events."""

from __future__ import annotations

import pytest

from node.base.address import parse_address
from node.store import accounts, security_events, sending
from node.store.database import Database, Writing
from node.store.security_events import SecurityEvent
from node.store.sending import KEPT_SECONDS, REFRESH_SECONDS, State, digest

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000


@pytest.fixture
async def ann(database: Database) -> int:
    return await database.write(lambda tx: accounts.add(tx, parse_address("ann@house.example")).id)


async def test_a_state_is_kept_and_replaced(database: Database, ann: int) -> None:
    assert await database.read(lambda tx: sending.get(tx, ann)) is None
    for state in (State(0, 5, b"one"), State(3, 7, b"two")):
        await database.write(lambda tx, state=state: sending.put(tx, ann, state))
        assert await database.read(lambda tx: sending.get(tx, ann)) == state


async def test_a_state_is_replaced_only_where_the_old_one_still_stands(database: Database, ann: int) -> None:
    old, new = State(0, 5, b"one"), State(1, 6, b"two")
    await database.write(lambda tx: sending.put(tx, ann, old))
    for stale in (State(0, 5, b"other"), State(3, 5, b"one")):
        assert not await database.write(lambda tx, stale=stale: sending.replace(tx, ann, stale, new))
    assert await database.write(lambda tx: sending.replace(tx, ann, old, new))
    assert await database.read(lambda tx: sending.get(tx, ann)) == new
    assert not await database.write(lambda tx: sending.replace(tx, ann + 1, old, new))


async def test_correspondents_are_known_once_met(database: Database, ann: int) -> None:
    met, other = [digest("zoe@far.example"), digest("@far.example")], digest("max@far.example")
    await database.write(lambda tx: sending.meet(tx, ann, met, {}, NOW))
    found = await database.read(lambda tx: sending.known(tx, ann, [*met, other]))
    assert found == dict.fromkeys(met, NOW)
    assert await database.read(lambda tx: sending.known(tx, ann + 1, met)) == {}


async def test_a_correspondent_is_refreshed_now_and_then_and_forgotten_in_the_end(database: Database, ann: int) -> None:
    friend = digest("zoe@far.example")

    def write(now: int) -> dict[int, int]:
        def work(tx: Writing) -> dict[int, int]:
            sending.meet(tx, ann, [friend], sending.known(tx, ann, [friend]), now)
            sending.expire(tx, now)
            return sending.known(tx, ann, [friend])

        return work

    assert await database.write(write(NOW)) == {friend: NOW}
    assert await database.write(write(NOW + REFRESH_SECONDS - 1)) == {friend: NOW}
    later = NOW + REFRESH_SECONDS + 1
    assert await database.write(write(later)) == {friend: later}
    await database.write(lambda tx: sending.expire(tx, later + KEPT_SECONDS + 1))
    assert await database.read(lambda tx: sending.known(tx, ann, [friend])) == {}


async def test_events_come_newest_first_and_go_with_age(database: Database, ann: int) -> None:
    events = [
        SecurityEvent(NOW + n, "sending-slowed", "192.0.2.7", "Laptop ü", n, n, n, "volume-hour") for n in range(5)
    ]
    await database.write(lambda tx: [security_events.add(tx, ann, event) for event in events])
    assert await database.read(lambda tx: security_events.recent(tx, ann, 3)) == [events[4], events[3], events[2]]
    assert await database.read(lambda tx: security_events.recent(tx, ann + 1)) == []
    await database.write(lambda tx: security_events.expire(tx, NOW + 3 + security_events.KEPT_SECONDS))
    assert await database.read(lambda tx: security_events.recent(tx, ann)) == [events[4], events[3]]


def test_digests_fit_the_column_and_differ() -> None:
    made = {digest(f"{n}@far.example") for n in range(2000)} | {digest("\ud800"), digest("")}
    assert len(made) == 2002
    assert all(0 <= each < 1 << 63 for each in made)
