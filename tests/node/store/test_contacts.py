"""Whom accounts exchange mail with, and what they sent: counted, faded, bounded, forgotten."""

from __future__ import annotations

import pytest

from node.base.address import parse_address
from node.store import accounts, contacts, sent_ids
from node.store.contacts import DAY, HALF_LIFE, KEPT_DAYS, MOST, STRANGER_DAYS, Contact, digest
from node.store.database import Database, Reading, Writing

pytestmark = pytest.mark.anyio
NOW = 20_000 * DAY
ZOE, MAX = digest("zoe@far.example"), digest("max@far.example")


@pytest.fixture
async def ann(database: Database) -> int:
    return await database.write(lambda tx: accounts.add(tx, parse_address("ann@house.example")).id)


async def known(database: Database, account: int, address: int) -> Contact | None:
    return await database.read(lambda tx: contacts.get(tx, account, address))


async def test_each_kind_of_mail_is_counted_for_itself(database: Database, ann: int) -> None:
    def work(tx: Writing) -> None:
        contacts.received(tx, ann, ZOE, NOW)
        contacts.received(tx, ann, ZOE, NOW + DAY)
        contacts.received(tx, ann, MAX, NOW, junk=True)
        contacts.sent(tx, ann, [ZOE, ZOE], NOW + 2 * DAY)

    await database.write(work)
    assert await known(database, ann, ZOE) == Contact(1, 2, 0, 20_000, 20_002)
    assert await known(database, ann, MAX) == Contact(0, 0, 1, 20_000, 20_000)
    assert await known(database, ann + 1, ZOE) is None


async def test_junk_alone_is_no_exchange_of_mail(database: Database, ann: int) -> None:
    def query(tx: Reading) -> list[bool]:
        return [
            contacts.exchanged(tx, [ann], ZOE),
            contacts.exchanged(tx, [ann + 7, ann], MAX),
            contacts.exchanged(tx, [], MAX),
        ]

    await database.write(lambda tx: contacts.received(tx, ann, ZOE, NOW, junk=True))
    await database.write(lambda tx: contacts.sent(tx, ann, [MAX], NOW))
    assert await database.read(query) == [False, True, False]


async def test_people_correct_it(database: Database, ann: int) -> None:
    await database.write(lambda tx: contacts.received(tx, ann, ZOE, NOW))
    await database.write(lambda tx: contacts.junked(tx, ann, ZOE, NOW))
    assert await known(database, ann, ZOE) == Contact(0, 0, 1, 20_000, 20_000)
    for _ in range(2):
        await database.write(lambda tx: contacts.junked(tx, ann, ZOE, NOW, by=-1))
    assert await known(database, ann, ZOE) == Contact(0, 2, 0, 20_000, 20_000)
    await database.write(lambda tx: contacts.junked(tx, ann, MAX, NOW, by=-1))
    assert await known(database, ann, MAX) == Contact(0, 1, 0, 20_000, 20_000)


async def test_counters_fade_with_silence(database: Database, ann: int) -> None:
    def write(tx: Writing) -> None:
        for _ in range(9):
            contacts.received(tx, ann, ZOE, NOW)
        contacts.received(tx, ann, ZOE, NOW + 2 * HALF_LIFE * DAY)

    await database.write(write)
    assert await known(database, ann, ZOE) == Contact(0, 3, 0, 20_000, 20_000 + 2 * HALF_LIFE)
    await database.write(lambda tx: contacts.received(tx, ann, ZOE, NOW))  # a clock that went back
    assert await known(database, ann, ZOE) == Contact(0, 4, 0, 20_000, 20_000 + 2 * HALF_LIFE)


async def test_strangers_are_forgotten_before_friends(database: Database, ann: int) -> None:
    async def after(days: int) -> list[bool]:
        await database.write(lambda tx: contacts.expire(tx, NOW + days * DAY))
        return [await known(database, ann, each) is not None for each in (ZOE, MAX)]

    await database.write(lambda tx: contacts.received(tx, ann, ZOE, NOW))
    await database.write(lambda tx: contacts.sent(tx, ann, [MAX], NOW))
    assert await after(STRANGER_DAYS) == [True, True]
    assert await after(STRANGER_DAYS + 1) == [False, True]
    assert await after(KEPT_DAYS + 1) == [False, False]


async def test_a_flood_of_strangers_drives_nobody_out_who_matters(database: Database, ann: int) -> None:
    def flood(tx: Writing) -> None:
        contacts.sent(tx, ann, [MAX], NOW)
        for number in range(MOST + 50):
            contacts.received(tx, ann, number, NOW + DAY)

    await database.write(flood)
    assert await database.read(contacts.crowded) == [ann]
    await database.write(lambda tx: contacts.trim(tx, ann))
    assert await database.read(contacts.crowded) == []
    assert await known(database, ann, MAX) is not None


async def test_one_mailing_costs_a_bounded_number_of_rows(database: Database, ann: int) -> None:
    await database.write(lambda tx: contacts.sent(tx, ann, list(range(2000)), NOW))
    assert await known(database, ann, contacts.MOST_RECIPIENTS - 1) is not None
    assert await known(database, ann, contacts.MOST_RECIPIENTS) is None


async def test_contacts_go_with_their_account(database: Database, ann: int) -> None:
    def work(tx: Writing) -> None:
        contacts.sent(tx, ann, [MAX], NOW)
        sent_ids.add(tx, ann, 5, NOW)
        tx._cursor.execute("DELETE FROM mailbox WHERE account_id = ?", (ann,))
        tx._cursor.execute("DELETE FROM account WHERE id = ?", (ann,))

    await database.write(work)
    assert await known(database, ann, MAX) is None
    assert not await database.read(lambda tx: sent_ids.answered(tx, [ann], [5]))


async def test_an_answer_is_known_by_what_one_of_the_recipients_sent(database: Database, ann: int) -> None:
    def query(tx: Reading) -> list[bool]:
        return [
            sent_ids.answered(tx, [ann], [1, 2, 3]),
            sent_ids.answered(tx, [ann + 1], [2]),
            sent_ids.answered(tx, [ann], [3]),
            sent_ids.answered(tx, [ann], []),
        ]

    await database.write(lambda tx: sent_ids.add(tx, ann, 2, NOW))
    await database.write(lambda tx: sent_ids.add(tx, ann, 2, NOW))
    assert await database.read(query) == [True, False, False, False]
    await database.write(lambda tx: sent_ids.expire(tx, NOW + sent_ids.KEPT_DAYS * DAY))
    assert (await database.read(query))[0]
    await database.write(lambda tx: sent_ids.expire(tx, NOW + (sent_ids.KEPT_DAYS + 1) * DAY))
    assert not (await database.read(query))[0]
