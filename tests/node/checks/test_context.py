"""What the node knows beside a message's bytes: from the store, in one bounded read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ai.context import Context
from node.base.address import parse_address
from node.checks.context import FRESH_SECONDS, MAX_READERS, Surroundings
from node.checks.panel import Subject
from node.store import accounts, contacts, domains, sent_ids
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
NOW = 20_000 * 86400
LETTER = b"From: Nora <Nora@far.example>\r\nIn-Reply-To: <1@house.example>\r\n\r\nhi\r\n"
SUBJECT = Subject(LETTER, len(LETTER), "n@far.example", ("Ann@house.example", "bob@house.example"), "192.0.2.1")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def database(tmp_path: Path):
    async with Database.open(tmp_path / "waxseal.db") as opened:

        def people(tx: Writing) -> None:
            domains.add(tx, "house.example")
            domains.add(tx, "other.example")
            for address, name in (
                *(
                    ("ann@house.example", "Ann Miller"),
                    ("bob@house.example", ""),
                    ("carla@house.example", "Weiß, Carla"),
                ),
                *(("taro@house.example", "山田太郎"), ("dora@other.example", "Dora Lane")),
            ):
                accounts.add(tx, parse_address(address), name)

        await opened.write(people)
        yield opened


def asked(database: Database, subject: Subject = SUBJECT, name: str = "Nora", surroundings: Surroundings | None = None):
    gatherer = surroundings or Surroundings(["MX.house.example", "", "mail.house.example"])
    return database.read(lambda tx: gatherer.context(tx, subject, name))


async def test_a_stranger(database: Database) -> None:
    assert await asked(database) == Context(
        recipient_domains=("house.example",),
        recipient_names=("Ann Miller",),
        own_hosts=("mx.house.example", "mail.house.example"),
        first_contact=True,
    )


@pytest.mark.parametrize("reader", ["ann@house.example", "bob@house.example"])
async def test_one_reader_who_knows_the_author_is_enough(database: Database, reader: str) -> None:
    def meet(tx: Writing) -> None:
        account = accounts.find(tx, parse_address(reader))
        assert account
        contacts.sent(tx, account.id, [contacts.digest("nora@far.example")], NOW)

    await database.write(meet)
    assert (await asked(database)).first_contact is False


async def test_an_answer_counts_for_whoever_sent_what_it_answers(database: Database) -> None:
    def send(by: str):
        def work(tx: Writing) -> None:
            account = accounts.find(tx, parse_address(by))
            assert account
            sent_ids.add(tx, account.id, sent_ids.digest(b"<1@house.example>"), NOW)

        return work

    await database.write(send("carla@house.example"))
    assert not (await asked(database)).reply_to_ours, "Carla is not among the readers"
    await database.write(send("ann@house.example"))
    assert (await asked(database)).reply_to_ours


@pytest.mark.parametrize(
    ("shown", "colleagues"),
    [
        ("Carla Weiß", ("Weiß, Carla",)),
        ("CARLA WEISS (CEO)", ("Weiß, Carla",)),
        ("Mrs Carla B. Weiß", ("Weiß, Carla",)),
        ("山田太郎", ("山田太郎",)),
        ("Dora Lane", ()),  # of another domain
        ("Ann Miller", ()),  # she is a reader herself
        ("", ()),
        ("x " * 500, ()),
    ],
)
async def test_colleagues_are_told_when_the_sender_is_called_like_one(
    database: Database, shown: str, colleagues: tuple[str, ...]
) -> None:
    assert (await asked(database, name=shown)).colleague_names == colleagues


async def test_names_are_remembered_for_a_while(database: Database) -> None:
    clock = Clock()
    gatherer = Surroundings([], clock)
    assert (await asked(database, name="Eve Stone", surroundings=gatherer)).colleague_names == ()
    await database.write(lambda tx: accounts.add(tx, parse_address("eve@house.example"), "Eve Stone"))
    assert (await asked(database, name="Eve Stone", surroundings=gatherer)).colleague_names == ()
    clock.now += FRESH_SECONDS + 1
    assert (await asked(database, name="Eve Stone", surroundings=gatherer)).colleague_names == ("Eve Stone",)


@pytest.mark.parametrize("content", [b"", b"Subject: no author\r\n\r\n", b"From: broken <\r\n\r\n"])
async def test_without_an_author_nothing_is_claimed(database: Database, content: bytes) -> None:
    assert (await asked(database, replace(SUBJECT, content=content))).first_contact is None


async def test_many_recipients_cost_no_more(database: Database) -> None:
    crowd = tuple(f"p{number}@house.example" for number in range(1000)) + SUBJECT.recipients
    found = await asked(database, replace(SUBJECT, recipients=crowd))
    assert found == Context(("house.example",), own_hosts=("mx.house.example", "mail.house.example"))
    strange = await asked(database, replace(SUBJECT, recipients=("nobody", '"@"@x', *SUBJECT.recipients)))
    assert strange.recipient_names == ("Ann Miller",)
    assert MAX_READERS < 1000
