"""Legal holds: what is deleted while one lasts stays, unseen by its owner, until the hold ends."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.base.address import Address
from node.cli import main
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.keys import Keys
from node.ipfs.offload import Offload
from node.service.folders import Folders
from node.store import accounts, audit_events, blobs, held, mailboxes, messages
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.held import Held
from node.store.message import Summary
from node.store.parts import Candidate
from node.store.transaction import Writing

NOTHING = Summary(b"", b"", b"", b"")
LARGE = b"Content-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\n" + b"QUJD" * 19 * 2000
MAIL = {"INBOX": b"Subject: one\r\n\r\none\r\n", "Sent": b"Subject: two\r\n\r\ntwo\r\n", "Archive": LARGE}


class House:
    """A node that does not run: its settings, and Ann's mail in three mailboxes."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "waxseal.toml"
        self.config.write_text(f'hostname = "mx.example.test"\ndata = "{directory / "data"}"\n')
        self.folders = Folders(directory / "data")
        self.folders.make()
        trio.run(self.in_store, self.furnish)

    async def in_store(self, work: Any) -> Any:
        async with Database.open(self.folders.database) as database:
            return await work(database)

    async def furnish(self, database: Database) -> None:
        prepared = {name: await blobs.prepare(database, content) for name, content in MAIL.items()}

        def work(tx: Writing) -> tuple[int, int]:
            ann = accounts.add(tx, Address("ann", "example.test"))
            for name, each in prepared.items():
                box = mailboxes.find(tx, ann.id, name) or mailboxes.create(tx, ann.id, name)
                blob_id = blobs.add(tx, each)
                messages.add(tx, box.id, blob_id, each.size, NOTHING, internaldate=0)
            waiting = Held(0, blob_id, each.size, "", "", "", "", "", 0, 0, {ann.id: "ann@example.test"})
            held.add(tx, waiting, NOTHING)
            return blob_id, ann.id

        offload = Offload(database, LocalBlocks(self.folders.blocks), Keys.open(self.folders.keys), 1000)
        assert await offload.cut(Candidate(*await database.write(work))) == 1

    def empty(self, *names: str) -> None:
        """Delete the mail in these mailboxes, for good as far as Ann can see, and collect what nobody needs."""

        def work(tx: Writing) -> None:
            for name in names:
                box = self.box(tx, name)
                messages.remove(tx, box.id, list(messages.uids(tx, box.id)))

        self.write(work)

    @staticmethod
    def box(tx: Any, name: str) -> Any:
        ann = accounts.find(tx, Address("ann", "example.test"))
        assert ann
        box = mailboxes.find(tx, ann.id, name)
        assert box
        return box

    def write(self, work: Any) -> None:
        async def run(database: Database) -> None:
            await database.write(work)
            await Blobs(database, self.folders.data).collect()

        trio.run(self.in_store, run)

    def kept(self) -> set[str]:
        """Which of the messages are still on the node."""
        digests = {name: blobs.prepare_inline(content).sha256 for name, content in MAIL.items()}

        async def run(database: Database) -> set[str]:
            return {name for name, digest in digests.items() if await database.read(partial(blobs.find, sha256=digest))}

        return trio.run(self.in_store, run)

    def events(self) -> list[tuple[str, str]]:
        async def run(database: Database) -> list[tuple[str, str]]:
            rows = await database.read(lambda tx: audit_events.following(tx, 0, 10))
            return [(row.kind, json.loads(row.document)["details"].get("mailbox", "")) for row in rows]

        return trio.run(self.in_store, run)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def waxseal(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["waxseal", *words, "--config", str(house.config)])
        capsys.readouterr()
        try:
            code = main() or 0
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_what_is_deleted_under_a_hold_stays_until_it_ends(house: House, waxseal: Any, tmp_path: Path) -> None:
    assert waxseal("hold", "add", "ann@example.test", "--reason", "matter 7")[0] == 0
    house.empty(*MAIL)
    assert house.kept() == set(MAIL)
    fields = waxseal("hold", "list")[1].strip().split("\t")
    assert (fields[0], *fields[2:]) == (
        *("1", "ann@example.test", "*", "3", str(sum(map(len, MAIL.values())))),
        "matter 7",
    )
    assert waxseal("hold", "export", "1", str(tmp_path / "out"))[0] == 0
    assert sorted(path.read_bytes() for path in (tmp_path / "out").iterdir()) == sorted(MAIL.values())
    assert waxseal("hold", "remove", "1")[0] == 0
    assert waxseal("hold", "list")[1] == ""
    house.write(lambda tx: held.remove(tx, 1))
    assert house.kept() == set()
    assert house.events() == [("legal-hold-began", ""), ("legal-hold-ended", "")]


def test_without_a_hold_it_goes(house: House) -> None:
    house.empty("INBOX", "Sent")
    assert house.kept() == {"Archive"}


def test_a_hold_on_one_mailbox_leaves_the_others_alone(house: House, waxseal: Any) -> None:
    assert waxseal("hold", "add", "ann@example.test", "--mailbox", "Sent")[0] == 0
    house.empty("INBOX")
    house.write(lambda tx: messages.move(tx, house.box(tx, "Sent").id, [1], house.box(tx, "INBOX").id))
    house.empty("INBOX")
    assert house.kept() == {"Sent", "Archive"}, "moving out of the mailbox first is no way round"


def test_two_holds_must_both_end(house: House, waxseal: Any) -> None:
    for _ in range(2):
        waxseal("hold", "add", "ann@example.test")
    house.empty("INBOX")
    for number in ("1", "2"):
        assert "INBOX" in house.kept()
        waxseal("hold", "remove", number)
    house.write(lambda _tx: None)
    assert "INBOX" not in house.kept()


def test_it_outlives_the_account_and_what_waits_for_a_decision_stays_too(house: House, waxseal: Any) -> None:
    waxseal("hold", "add", "ann@example.test")

    def work(tx: Writing) -> None:
        ann = accounts.find(tx, Address("ann", "example.test"))
        assert ann
        accounts.remove(tx, ann)

    house.write(work)
    house.write(lambda tx: held.remove(tx, 1))
    assert house.kept() == set(MAIL)
    assert waxseal("hold", "list")[1].split("\t")[4] == "4"


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (("add", "nobody@example.test"), "waxseal account list"),
        (("add", "ann@example.test", "--mailbox", "Nowhere"), "no mailbox Nowhere"),
        (("remove", "7"), "waxseal hold list"),
        (("export", "7", "out"), "waxseal hold list"),
    ],
)
def test_mistakes_are_explained(house: House, waxseal: Any, words: tuple[str, ...], say: str) -> None:
    code, told = waxseal("hold", *words)
    assert code != 0
    assert say in told
