"""Messages: counters, change feed and references agree with the rows, whatever is done in whatever order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from node.base.address import Address
from node.store import accounts, blobs, changes, counters, mailboxes, messages
from node.store.blobs import Form, Prepared
from node.store.database import Database, connect
from node.store.mailboxes import Mailbox
from node.store.message import MAX_KEYWORD, MAX_KEYWORDS
from node.store.messages import Flag, Message, Summary
from node.store.migrate import migrate
from node.store.refusal import MailboxError, Reason
from node.store.transaction import Writing

SUMMARY = Summary(b"envelope", b"body", b"bodystructure", b"layout")

flags = st.integers(0, 31).map(Flag)
keywords = st.frozensets(st.sampled_from(["$Junk", "$NotJunk", "work", "$Forwarded"]))
some_uids = st.lists(st.integers(1, 12), unique=True, max_size=8)


@dataclass
class Held:
    """The model of a message."""

    content: int
    flags: Flag
    keywords: frozenset[str]


@dataclass
class Box:
    """The model of a mailbox."""

    id: int
    uidvalidity: int
    uidnext: int = 1
    held: dict[int, Held] = field(default_factory=dict)


class Mail(RuleBasedStateMachine):
    """One account against a model made of dicts."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.connection = connect(TEMPLATE)
        self.connection.execute("BEGIN")
        self.tx = Writing(self.connection)
        self.account = accounts.add(self.tx, Address("ann", "example.org"))
        self.boxes: dict[str, Box] = {}
        self.validities: list[int] = []
        for one in mailboxes.listing(self.tx, self.account.id):
            self.know(one.name)

    def teardown(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.close()

    def know(self, name: str) -> None:
        found = mailboxes.find(self.tx, self.account.id, name)
        assert found is not None
        self.boxes[name] = Box(found.id, found.uidvalidity)
        self.validities.append(found.uidvalidity)

    @rule(target=names)
    def begin(self) -> object:
        return multiple("INBOX", "Archive")

    @rule(target=names, name=st.sampled_from(["one", "two", "three"]))
    def create(self, name: str) -> object:
        if name in self.boxes:
            with pytest.raises(MailboxError):
                mailboxes.create(self.tx, self.account.id, name)
            return multiple()
        mailboxes.create(self.tx, self.account.id, name)
        self.know(name)
        return name

    @rule(name=consumes(names))
    def delete(self, name: str) -> None:
        if name == "INBOX" or name not in self.boxes:
            with pytest.raises(MailboxError):
                mailboxes.delete(self.tx, self.account.id, name)
        else:
            mailboxes.delete(self.tx, self.account.id, name)
            del self.boxes[name]

    @rule(target=names, name=consumes(names), new=st.sampled_from(["two", "four"]))
    def rename(self, name: str, new: str) -> object:
        if name not in self.boxes or new in self.boxes:
            with pytest.raises(MailboxError):
                mailboxes.rename(self.tx, self.account.id, name, new)
            return multiple()
        mailboxes.rename(self.tx, self.account.id, name, new)
        if name == "INBOX":
            self.know(new)
            self.transfer("INBOX", new, sorted(self.boxes["INBOX"].held))
            self.boxes["INBOX"].held.clear()
        else:
            self.boxes[new] = self.boxes.pop(name)
        return new

    @rule(name=names, content=st.integers(0, 3), flags=flags, keywords=keywords)
    def add(self, name: str, content: int, flags: Flag, keywords: frozenset[str]) -> None:
        if (box := self.boxes.get(name)) is None:
            return
        prepared = Prepared(bytes([content] * 32), 100 + content, Form.INLINE, b"", "")
        blob_id = blobs.add(self.tx, prepared)
        given = {"flags": flags, "keywords": keywords, "internaldate": 5}
        message = messages.add(self.tx, box.id, blob_id, prepared.size, SUMMARY, **given)  # type: ignore[arg-type]
        assert message == messages.rows(self.tx, box.id, [message.uid])[0]
        assert message.uid == box.uidnext
        box.held[message.uid] = Held(content, flags, keywords)
        box.uidnext += 1

    def transfer(self, name: str, target: str, uids: list[int]) -> list[tuple[int, int]]:
        source, into, pairs = self.boxes[name], self.boxes[target], []
        for uid in [uid for uid in uids if uid in source.held]:
            pairs.append((uid, into.uidnext))
            one = source.held[uid]
            into.held[into.uidnext] = Held(one.content, one.flags, one.keywords)
            into.uidnext += 1
        return pairs

    @rule(name=names, to=names, uids=some_uids)
    def copy(self, name: str, to: str, uids: list[int]) -> None:
        if name in self.boxes and to in self.boxes:
            done = messages.copy(self.tx, self.boxes[name].id, uids, self.boxes[to].id)
            assert done == self.transfer(name, to, sorted(uids))

    @rule(name=names, to=names, uids=some_uids)
    def move(self, name: str, to: str, uids: list[int]) -> None:
        if name in self.boxes and to in self.boxes:
            done = messages.move(self.tx, self.boxes[name].id, uids, self.boxes[to].id)
            assert done == self.transfer(name, to, sorted(uids))
            for uid, _ in done:
                del self.boxes[name].held[uid]

    @rule(name=names, uids=some_uids)
    def remove(self, name: str, uids: list[int]) -> None:
        if (box := self.boxes.get(name)) is not None:
            gone = messages.remove(self.tx, box.id, uids)
            assert gone == [uid for uid in sorted(uids) if box.held.pop(uid, None)]

    @rule(name=names, uids=st.none() | some_uids)
    def expunge(self, name: str, uids: list[int] | None) -> None:
        if (box := self.boxes.get(name)) is not None:
            marked = [uid for uid, one in sorted(box.held.items()) if Flag.DELETED in one.flags]
            expected = [uid for uid in marked if uids is None or uid in uids]
            assert messages.expunge(self.tx, box.id, uids) == expected
            for uid in expected:
                del box.held[uid]

    @rule(
        name=names,
        uids=some_uids,
        change=st.sampled_from(["set", "add", "remove"]),
        flags=flags,
        words=keywords,
        since=st.none() | st.integers(0, 60),
    )
    def store(
        self, name: str, uids: list[int], change: messages.Action, flags: Flag, words: frozenset[str], since: int | None
    ) -> None:
        if (box := self.boxes.get(name)) is None:
            return
        before = {one.uid: one for one in messages.rows(self.tx, box.id, uids)}
        done = messages.store(self.tx, box.id, uids, change, flags, words, since)
        allowed = [uid for uid in sorted(before) if since is None or before[uid].modseq <= since]
        assert [one.uid for one in done] == allowed
        for uid in allowed:
            one = box.held[uid]
            if change == "set":
                one.flags, one.keywords = flags, words
            elif change == "add":
                one.flags, one.keywords = one.flags | flags, one.keywords | words
            else:
                one.flags, one.keywords = one.flags & ~flags, one.keywords - words
        assert done == messages.rows(self.tx, box.id, allowed)
        for one in done:
            old = before[one.uid]
            assert (one.modseq > old.modseq) == ((one.flags, one.keywords) != (old.flags, old.keywords))

    @invariant()
    def rows_are_the_models(self) -> None:
        assert [one.name for one in mailboxes.listing(self.tx, self.account.id)] == sorted(self.boxes)
        for name, box in self.boxes.items():
            found = mailboxes.find(self.tx, self.account.id, name)
            assert found is not None
            assert (found.id, found.uidvalidity, found.uidnext) == (box.id, box.uidvalidity, box.uidnext)
            assert list(messages.uids(self.tx, box.id)) == sorted(box.held)
            rows = messages.rows(self.tx, box.id, list(box.held))
            assert [(row.uid, row.flags, row.keywords) for row in rows] == [
                (uid, one.flags, one.keywords) for uid, one in sorted(box.held.items())
            ]
            light = messages.flag_rows(self.tx, box.id, list(box.held))
            assert light == [(r.uid, int(r.flags), " ".join(sorted(r.keywords)), r.modseq) for r in rows]

    @invariant()
    def counters_agree_with_a_scan(self) -> None:
        for one in mailboxes.listing(self.tx, self.account.id):
            assert counters.scan(self.tx, one.id) == (one.messages, one.unseen, one.deleted, one.size)

    @invariant()
    def the_feed_replays_to_the_same_rows(self) -> None:
        feed = changes.since(self.tx, self.account.id, 0)
        assert [one.seq for one in feed] == sorted(one.seq for one in feed)
        assert [one.modseq for one in feed] == sorted(one.modseq for one in feed)
        assert feed == changes.after(self.tx, 0)
        present: dict[int, dict[int, int]] = {}
        highest: dict[int, int] = {}
        for one in feed:
            box = present.setdefault(one.mailbox_id, {})
            if one.uid:
                highest[one.mailbox_id] = one.modseq
            if one.kind == "expunged":
                del box[one.uid]
            elif one.kind == "added":
                assert one.uid not in box
                box[one.uid] = one.modseq
            elif one.kind == "flags":
                assert one.uid in box
                box[one.uid] = one.modseq
        for box in self.boxes.values():
            rows = messages.rows(self.tx, box.id, list(box.held))
            assert {row.uid: row.modseq for row in rows} == present.get(box.id, {})
            found = mailboxes.get(self.tx, box.id)
            assert found is not None
            assert found.highestmodseq >= highest.get(box.id, 1)
        assert changes.modseq(self.tx, self.account.id) >= max(one.modseq for one in feed)

    @invariant()
    def references_are_counted(self) -> None:
        counted = self.connection.execute(
            "SELECT refs = (SELECT count(*) FROM message WHERE blob_id = blob.id) FROM blob"
        ).fetchall()
        assert all(agrees for (agrees,) in counted)

    @invariant()
    def no_validity_comes_twice(self) -> None:
        assert len(set(self.validities)) == len(self.validities)


TEMPLATE = Path(tempfile.mkdtemp(prefix="waxseal-test-")) / "waxseal.db"
migrate(TEMPLATE)
TestMail = Mail.TestCase
TestMail.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.mark.anyio
async def test_uids_far_apart_are_looked_up_one_by_one(database: Database, inbox: Mailbox) -> None:
    await fill(database, inbox.id, 200)
    for wanted in (
        [],
        [1],
        [200, 1, 77],
        list(range(1, 200, 3)),
        list(range(50, 150)),
        [5, 5, 6],
        [0, 999],
        range(1, 500),
    ):
        found = await database.read(lambda tx, w=wanted: messages.rows(tx, inbox.id, w))
        assert [one.uid for one in found] == sorted({uid for uid in wanted if 1 <= uid <= 200})
        summaries = await database.read(lambda tx, w=wanted: list(messages.summaries(tx, inbox.id, w)))
        assert summaries == [(one.uid, SUMMARY) for one in found]


async def fill(database: Database, mailbox_id: int, count: int) -> list[Message]:
    prepared = await blobs.prepare(database, b"x")

    def work(tx: Writing) -> list[Message]:
        blob_id = blobs.add(tx, prepared)
        return [messages.add(tx, mailbox_id, blob_id, 1, SUMMARY, internaldate=1) for _ in range(count)]

    return await database.write(work)


@pytest.mark.anyio
async def test_one_command_has_one_modseq(database: Database, inbox: Mailbox) -> None:
    await fill(database, inbox.id, 10)
    stored = await database.write(lambda tx: messages.store(tx, inbox.id, range(1, 11), "add", Flag.SEEN))
    assert len({one.modseq for one in stored}) == 1
    junk = await database.read(lambda tx: mailboxes.special(tx, inbox.account_id, "\\Junk"))
    assert junk is not None
    before = await database.read(lambda tx: changes.modseq(tx, inbox.account_id))
    await database.write(lambda tx: messages.move(tx, inbox.id, [1, 2], junk.id))
    moved = await database.read(lambda tx: changes.since(tx, inbox.account_id, before))
    assert {one.modseq for one in moved} == {before + 1}
    assert [(one.kind, one.uid) for one in moved] == [("added", 1), ("added", 2), ("expunged", 1), ("expunged", 2)]


@pytest.mark.anyio
async def test_nothing_done_changes_nothing(database: Database, inbox: Mailbox) -> None:
    await fill(database, inbox.id, 2)
    before = await database.read(lambda tx: (changes.last(tx), mailboxes.get(tx, inbox.id)))
    await database.write(lambda tx: messages.copy(tx, inbox.id, [77], inbox.id))
    await database.write(lambda tx: messages.move(tx, inbox.id, [], inbox.id))
    await database.write(lambda tx: messages.remove(tx, inbox.id, [77]))
    await database.write(lambda tx: messages.expunge(tx, inbox.id))
    await database.write(lambda tx: messages.store(tx, inbox.id, [1, 2], "remove", Flag.SEEN))
    assert await database.read(lambda tx: (changes.last(tx), mailboxes.get(tx, inbox.id))) == before


@pytest.mark.anyio
async def test_a_message_wakes_its_account(database: Database, inbox: Mailbox) -> None:
    async with database.watch(inbox.account_id) as watch:
        await fill(database, inbox.id, 1)
        await watch.wait()
        await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag.SEEN))
        await watch.wait()
        await database.write(lambda tx: messages.remove(tx, inbox.id, [1]))
        await watch.wait()


@pytest.mark.anyio
async def test_a_missing_mailbox_is_refused(database: Database, inbox: Mailbox) -> None:
    prepared = await blobs.prepare(database, b"x")
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: messages.add(tx, 999, blobs.add(tx, prepared), 1, SUMMARY, internaldate=1))
    assert refused.value.reason is Reason.MISSING
    level = await database.write(lambda tx: mailboxes.create(tx, inbox.account_id, "a/b"))
    above = await database.read(lambda tx: mailboxes.find(tx, inbox.account_id, "a"))
    assert above is not None
    assert not above.selectable
    await fill(database, level.id, 1)
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: messages.copy(tx, level.id, [1], above.id))
    assert refused.value.reason is Reason.CANNOT


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"two words"}, Reason.CANNOT),
        ({""}, Reason.CANNOT),
        ({"tab\there"}, Reason.CANNOT),
        ({"ünï"}, Reason.CANNOT),
        ({"x" * (MAX_KEYWORD + 1)}, Reason.LIMIT),
        ({f"k{n}" for n in range(MAX_KEYWORDS + 1)}, Reason.LIMIT),
    ],
)
async def test_keywords_are_bounded_words(database: Database, inbox: Mailbox, words: set[str], reason: Reason) -> None:
    await fill(database, inbox.id, 1)
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag(0), words))
    assert refused.value.reason is reason


@pytest.mark.anyio
async def test_keywords_do_not_pile_up(database: Database, inbox: Mailbox) -> None:
    await fill(database, inbox.id, 1)
    many = {f"k{n}" for n in range(MAX_KEYWORDS)}
    await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag(0), many))
    with pytest.raises(MailboxError):
        await database.write(lambda tx: messages.store(tx, inbox.id, [1], "add", Flag(0), {"one-more"}))


@pytest.mark.anyio
async def test_who_has_a_message(database: Database, inbox: Mailbox) -> None:
    prepared = await blobs.prepare(database, b"x")
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    box = await database.read(lambda tx: mailboxes.find(tx, bob.id, "INBOX"))
    assert box is not None
    assert await database.read(lambda tx: messages.owners(tx, prepared.sha256)) == []
    await fill(database, inbox.id, 2)
    assert await database.read(lambda tx: messages.owners(tx, prepared.sha256)) == [inbox.account_id]
    await fill(database, box.id, 1)
    assert await database.read(lambda tx: messages.owners(tx, prepared.sha256)) == [inbox.account_id, bob.id]


@pytest.mark.anyio
async def test_uids_end(database: Database, inbox: Mailbox) -> None:
    await fill(database, inbox.id, 1)
    connection: apsw.Connection = database._writer._connection
    await database.write(lambda tx: connection.execute("UPDATE mailbox SET uidnext = 4294967294"))
    (last,) = await fill(database, inbox.id, 1)
    assert last.uid == 4294967294  # UIDNEXT is a 32-bit number too
    assert list(await database.read(lambda tx: messages.uids(tx, inbox.id))) == [1, last.uid]
    with pytest.raises(MailboxError) as refused:
        await fill(database, inbox.id, 1)
    assert refused.value.reason is Reason.LIMIT
