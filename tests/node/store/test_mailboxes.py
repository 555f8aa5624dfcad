"""Mailboxes: names, levels, INBOX, subscriptions, special uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.address import Address
from node.store import accounts, mailboxes
from node.store.accounts import Account
from node.store.database import Database
from node.store.refusal import MailboxError, Reason

pytestmark = pytest.mark.anyio


async def names(database: Database, account: Account) -> list[str]:
    listed = await database.read(lambda tx: mailboxes.listing(tx, account.id))
    return [f"({one.name})" if not one.selectable else one.name for one in listed]


FIRST = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]


async def test_an_account_begins_with_six(database: Database, account: Account) -> None:
    listed = await database.read(lambda tx: mailboxes.listing(tx, account.id))
    assert [one.name for one in listed] == FIRST
    assert [one.special_use for one in listed] == ["\\Archive", "\\Drafts", "", "\\Junk", "\\Sent", "\\Trash"]
    assert all(one.subscribed and one.selectable and one.uidnext == 1 for one in listed)
    junk = await database.read(lambda tx: mailboxes.special(tx, account.id, "\\Junk"))
    assert junk is not None
    assert junk.name == "Junk"
    assert await database.read(lambda tx: mailboxes.special(tx, account.id, "\\All")) is None


async def test_inbox_in_any_case(database: Database, account: Account) -> None:
    for name in ("inbox", "InBox", "INBOX", "INBOX/"):
        found = await database.read(lambda tx, n=name: mailboxes.find(tx, account.id, n))
        assert found is not None
        assert found.name == "INBOX"
    made = await database.write(lambda tx: mailboxes.create(tx, account.id, "inbox/Lists"))
    assert made.name == "INBOX/Lists"
    for name in ("junk", "", "\ud800", "a\0b"):
        assert await database.read(lambda tx, n=name: mailboxes.find(tx, account.id, n)) is None


async def test_missing_levels_are_made_and_go_again(database: Database, account: Account) -> None:
    await database.write(lambda tx: mailboxes.create(tx, account.id, "a/b/c"))
    assert await names(database, account) == [*FIRST[:1], *FIRST[1:], "(a)", "(a/b)", "a/b/c"]
    b = await database.write(lambda tx: mailboxes.create(tx, account.id, "a/b"))
    assert b.selectable
    await database.write(lambda tx: mailboxes.delete(tx, account.id, "a/b"))
    assert (await names(database, account))[-2:] == ["(a/b)", "a/b/c"]
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: mailboxes.delete(tx, account.id, "a/b"))
    assert refused.value.reason is Reason.HAS_CHILDREN
    await database.write(lambda tx: mailboxes.delete(tx, account.id, "a/b/c"))
    assert await names(database, account) == FIRST


async def test_a_name_made_again_has_another_uidvalidity(database: Database, account: Account) -> None:
    seen = set()
    for _ in range(3):
        made = await database.write(lambda tx: mailboxes.create(tx, account.id, "a"))
        seen.add((made.uidvalidity, made.id))
        await database.write(lambda tx: mailboxes.delete(tx, account.id, "a"))
    assert len({validity for validity, _ in seen}) == 3
    assert len({id for _, id in seen}) == 3


async def test_rename_takes_the_children_along(database: Database, account: Account) -> None:
    for name in ("a/b/c", "a/b/d", "ab"):
        await database.write(lambda tx, n=name: mailboxes.create(tx, account.id, n))
    renamed = await database.write(lambda tx: mailboxes.rename(tx, account.id, "a/b", "x/y"))
    assert renamed.name == "x/y"
    assert (await names(database, account))[6:] == ["ab", "(x)", "(x/y)", "x/y/c", "x/y/d"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("missing", "x", Reason.MISSING),
        ("Sent", "Junk", Reason.EXISTS),
        ("Sent", "Sent", Reason.EXISTS),
        ("Sent", "inbox", Reason.EXISTS),
        ("INBOX", "Sent", Reason.EXISTS),
        ("Sent", "Sent/Old", Reason.CANNOT),
        ("Sent", "a//b", Reason.CANNOT),
        ("Sent", "", Reason.CANNOT),
    ],
)
async def test_renames_that_cannot_be(database: Database, account: Account, old: str, new: str, reason: Reason) -> None:
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: mailboxes.rename(tx, account.id, old, new))
    assert refused.value.reason is reason
    assert await names(database, account) == FIRST


async def test_a_child_that_would_be_too_long_stops_the_whole_rename(database: Database, account: Account) -> None:
    await database.write(lambda tx: mailboxes.create(tx, account.id, "a/" + "b" * 500))
    before = await names(database, account)
    with pytest.raises(MailboxError):
        await database.write(lambda tx: mailboxes.rename(tx, account.id, "a", "a" * 100))
    assert await names(database, account) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Sent", Reason.EXISTS),
        ("inbox", Reason.EXISTS),
        ("", Reason.CANNOT),
        ("/", Reason.CANNOT),
        ("/a", Reason.CANNOT),
        ("a//b", Reason.CANNOT),
        ("a\nb", Reason.CANNOT),
        ("a\0", Reason.CANNOT),
        ("\ud800", Reason.CANNOT),
        ("x" * (mailboxes.MAX_NAME + 1), Reason.LIMIT),
        ("/".join("x" * (mailboxes.MAX_LEVELS + 1)), Reason.LIMIT),
    ],
)
async def test_names_that_cannot_be(database: Database, account: Account, name: str, reason: Reason) -> None:
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: mailboxes.create(tx, account.id, name))
    assert refused.value.reason is reason


@given(st.text(max_size=20))
def test_a_checked_name_is_checked_for_good(name: str) -> None:
    try:
        good = mailboxes.check(name)
    except MailboxError:
        return
    assert mailboxes.check(good) == good
    assert good.isprintable()


async def test_too_many_mailboxes(database: Database, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAX_MAILBOXES", 8)
    await database.write(lambda tx: mailboxes.create(tx, account.id, "a/b"))
    for attempt in (mailboxes.create, lambda tx, who, name: mailboxes.subscribe(tx, who, name, True)):
        with pytest.raises(MailboxError) as refused:
            await database.write(lambda tx, a=attempt: [a(tx, account.id, f"c{n}") for n in range(5)])
        assert refused.value.reason is Reason.LIMIT


async def test_inbox_stays(database: Database, account: Account) -> None:
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: mailboxes.delete(tx, account.id, "inbox"))
    assert refused.value.reason is Reason.CANNOT
    with pytest.raises(MailboxError) as refused:
        await database.write(lambda tx: mailboxes.delete(tx, account.id, "missing"))
    assert refused.value.reason is Reason.MISSING


async def test_subscriptions_outlive_mailboxes(database: Database, account: Account) -> None:
    await database.write(lambda tx: mailboxes.subscribe(tx, account.id, "missing/one", True))
    await database.write(lambda tx: mailboxes.subscribe(tx, account.id, "missing/one", True))
    await database.write(lambda tx: mailboxes.subscribe(tx, account.id, "Junk", False))
    await database.write(lambda tx: mailboxes.delete(tx, account.id, "Sent"))
    subscribed = await database.read(lambda tx: mailboxes.subscriptions(tx, account.id))
    assert subscribed == ["Archive", "Drafts", "INBOX", "Sent", "Trash", "missing/one"]
    junk = await database.read(lambda tx: mailboxes.find(tx, account.id, "Junk"))
    assert junk is not None
    assert not junk.subscribed


async def test_accounts_do_not_meet(database: Database, account: Account) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    await database.write(lambda tx: mailboxes.delete(tx, bob.id, "Sent"))
    await database.write(lambda tx: mailboxes.create(tx, bob.id, "mine"))
    assert await names(database, account) == FIRST
