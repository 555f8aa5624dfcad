"""Lessons and heads as they are kept: the last word counts, hints take nothing back, accounts take theirs with them."""

from __future__ import annotations

import dataclasses

import pytest

from node.base.address import Address
from node.store import accounts, blobs, changes, heads, lessons, mailboxes, messages
from node.store.heads import Stored
from node.store.lessons import MOST, Kept, Marks
from node.store.messages import Flag
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio
ONE = Kept(0, None, b"1" * 32, True, "moved", Marks.NONE, 1_790_000_000, 7, b"facts")


def of(account_id: int | None, number: int = 1, **changed: object) -> Kept:
    sha256 = number.to_bytes(32, "big")
    return dataclasses.replace(ONE, account_id=account_id, sha256=sha256, **changed)


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        ("", Marks.NONE),
        ("$Junk", Marks.JUNK),
        ("$label1 JUNK", Marks.JUNK),
        ("$NotJunk", Marks.NOT_JUNK),
        ("NonJunk $label1", Marks.NOT_JUNK),
        ("$Junk NonJunk", Marks.NONE),
        ("Junkyard $Forwarded", Marks.NONE),
    ],
)
def test_keywords(words: str, marks: Marks) -> None:
    assert Marks.of(words) is marks


async def test_there_is_one_lesson_for_a_message_and_the_last_word_counts(database, account) -> None:
    for owner in (account.id, None):
        assert await database.write(lambda tx, owner=owner: lessons.teach(tx, of(owner)))
        assert not await database.write(lambda tx, owner=owner: lessons.teach(tx, of(owner)))
        first = await database.read(lambda tx, owner=owner: lessons.find(tx, owner, of(owner).sha256))
        assert await database.write(lambda tx, owner=owner: lessons.teach(tx, of(owner, is_spam=False)))
        again = await database.read(lambda tx, owner=owner: lessons.own(tx, owner, 0))
        assert [(kept.is_spam, kept.account_id) for kept in again] == [(False, owner)]
        assert again[0].id > first.id


async def test_a_hint_takes_no_express_word_back_but_is_replaced_by_one(database, account) -> None:
    def work(tx: Writing) -> list[bool]:
        return [
            lessons.teach(tx, of(account.id, source="replied", is_spam=False)),
            lessons.teach(tx, of(account.id, source="keyword", is_spam=False)),
            lessons.teach(tx, of(account.id, source="moved", is_spam=False)),
            lessons.teach(tx, of(account.id, source="keyword", is_spam=False)),
            lessons.teach(tx, of(account.id, source="replied", is_spam=True)),
            lessons.teach(tx, of(account.id, source="keyword", is_spam=True)),
        ]

    assert await database.write(work) == [True, True, True, False, False, True]


async def test_taking_back_and_replacing_spoil_both_heads(database, account) -> None:
    def prepare(tx: Writing) -> None:
        for number in (1, 2, 3):
            lessons.teach(tx, of(account.id, number))
        for owner in (account.id, None):
            assert heads.put(tx, None, Stored(owner, 0, 3, 0, 0, b"head"))

    await database.write(prepare)
    assert await database.read(heads.spoiled) == []
    gone = await database.write(lambda tx: lessons.take_back(tx, account.id))
    assert gone.sha256 == of(None, 3).sha256
    assert set(await database.read(heads.spoiled)) == {None, account.id}
    assert await database.write(lambda tx: lessons.take_back(tx, account.id, b"?" * 32)) is None
    stored = await database.read(lambda tx: heads.get(tx, account.id))
    await database.write(lambda tx: lessons.take_back(tx, account.id))
    fresh = Stored(account.id, 0, 3, 0, 0, b"made anew")
    assert not await database.write(lambda tx: heads.put(tx, stored, fresh)), "another was taken back meanwhile"
    stored = await database.read(lambda tx: heads.get(tx, account.id))
    assert await database.write(lambda tx: heads.put(tx, stored, fresh))
    assert await database.read(heads.spoiled) == [None]


async def test_versions_rise_over_all_heads(database, account) -> None:
    def work(tx: Writing) -> None:
        heads.put(tx, None, Stored(None, 0, 1, 0, 0, b"a"))
        heads.put(tx, None, Stored(account.id, 0, 1, 0, 0, b"b"))

    await database.write(work)
    assert await database.read(lambda tx: heads.changed(tx, 0)) == [(None, 1), (account.id, 2)]
    await database.write(lambda tx: lessons.reset(tx, None))
    assert await database.read(lambda tx: heads.changed(tx, 2)) == [(None, 3)]


async def test_the_nodes_head_learns_of_everybody_but_no_hints(database, account) -> None:
    def work(tx: Writing) -> None:
        lessons.teach(tx, of(account.id, 1))
        lessons.teach(tx, of(account.id, 2, source="replied"))
        lessons.teach(tx, of(None, 3, source="trap"))

    await database.write(work)
    found = await database.read(lambda tx: lessons.after(tx, None, 0))
    assert [(kept.account_id, kept.source) for kept in found] == [(account.id, "moved"), (None, "trap")]
    assert len(await database.read(lambda tx: lessons.after(tx, account.id, 0))) == 2


async def test_reset_forgets_an_owners_lessons_alone(database, account) -> None:
    def work(tx: Writing) -> int:
        lessons.teach(tx, of(account.id, 1))
        lessons.teach(tx, of(None, 1))
        return lessons.reset(tx, None)

    assert await database.write(work) == 1
    assert len(await database.read(lambda tx: lessons.own(tx, account.id, 0))) == 1
    stored = await database.read(lambda tx: heads.get(tx, None))
    assert (stored.floor, stored.content) == (1, b"")
    assert await database.read(lambda tx: lessons.after(tx, None, stored.floor)) == []


async def test_an_account_takes_its_lessons_and_its_head_with_it(database) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))

    def work(tx: Writing) -> None:
        lessons.teach(tx, of(bob.id))
        heads.put(tx, None, Stored(bob.id, 0, 1, 0, 0, b"head"))

    await database.write(work)

    def remove(tx: Writing) -> None:
        for box in mailboxes.listing(tx, bob.id):
            tx._cursor.execute("DELETE FROM mailbox WHERE id = ?", (box.id,))
        tx._cursor.execute("DELETE FROM account WHERE id = ?", (bob.id,))

    await database.write(remove)
    assert await database.read(lessons.owners) == {}
    assert await database.read(heads.states) == {}


async def test_the_oldest_lessons_go(database, account) -> None:
    def work(tx: Writing) -> int:
        for number in range(MOST + MOST // 4 + 1):
            lessons.teach(tx, of(account.id, number + 1))
        return sum(number for _, _, number, _, _ in lessons.tally(tx, account.id))

    assert await database.write(work) == MOST + 1
    assert (await database.read(lambda tx: lessons.own(tx, account.id, 0, 1)))[0].sha256 == of(None, 501).sha256


# --- what the change feed tells


async def seen(database, traps: tuple[int, ...] = ()) -> list[tuple[bool, str, int, str]]:
    found = await database.read(lambda tx: lessons.sightings(tx, 0, changes.last(tx), traps))
    return [(one.came, one.use, min(one.origin, 1), one.origin_use) for one in found]


async def box(database, account, name: str) -> int:
    return (await database.read(lambda tx: mailboxes.find(tx, account.id, name))).id


async def test_moves_into_junk_and_out_of_it_are_seen_and_deliveries_are_not(database, account, inbox, deliver) -> None:
    junk = await box(database, account, "Junk")
    archive = await box(database, account, "Archive")
    await deliver(junk, b"Subject: 1\r\n\r\n")
    await deliver(inbox.id, b"Subject: 2\r\n\r\n")
    assert await seen(database) == []
    await database.write(lambda tx: messages.move(tx, inbox.id, [1], archive))
    assert await seen(database) == []
    await database.write(lambda tx: messages.move(tx, archive, [1], junk))
    assert await seen(database) == [(True, "\\Junk", 1, "\\Archive")]
    await database.write(lambda tx: messages.copy(tx, junk, [1, 2], inbox.id))
    assert await seen(database) == [(True, "\\Junk", 1, "\\Archive"), *[(True, "", 1, "\\Junk")] * 2]
    await database.write(lambda tx: messages.remove(tx, inbox.id, [2, 3]))
    assert await seen(database) == [(True, "\\Junk", 1, "\\Archive")], "what is gone tells nothing"


async def test_appended_messages_keywords_answers_and_traps_are_seen(database, account, inbox, deliver) -> None:
    junk = await box(database, account, "Junk")
    prepared = await blobs.prepare(database, b"Subject: 3\r\n\r\n")
    summary = messages.Summary(b"", b"", b"", b"")

    def append(tx: Writing) -> None:
        blob = blobs.add(tx, prepared)
        messages.add(tx, junk, blob, 14, summary, internaldate=1, origin=changes.APPENDED)

    await database.write(append)
    assert await seen(database) == [(True, "\\Junk", changes.APPENDED, "")]
    await deliver(inbox.id, b"Subject: 4\r\n\r\n")
    await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag.SEEN))
    assert len(await seen(database)) == 1
    await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag.ANSWERED))
    assert len(await seen(database)) == 3, "both changes show the message as it is now"
    assert len(await seen(database, (account.id,))) == 4, "the delivery to a trap"
