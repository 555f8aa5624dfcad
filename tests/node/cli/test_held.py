"""`waxseal held`: what it prints and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from node.base.address import parse_address
from node.service.folders import Folders
from node.store import accounts, blobs, held
from node.store.database import Database, Writing
from node.store.held import Held
from node.store.messages import Summary

Call = Callable[..., Any]
CONTENT = b"From: Billing <billing@kudzu.example>\r\nSubject: Invoice\x1b[2J\r\n\r\nbody\r\n"


def keep_back(place: Any) -> int:
    """Hold one message in the place's database; returns its number."""
    folders = Folders(place.data)

    async def run() -> int:
        async with Database.open(folders.database) as database:
            prepared = await blobs.prepare(database, CONTENT)

            def work(tx: Writing) -> int:
                ann = accounts.add(tx, parse_address("ann@example.test"))
                message = Held(
                    id=0,
                    blob_id=blobs.add(tx, prepared),
                    size=prepared.size,
                    sender="",
                    author="billing@kudzu.example",
                    subject="Invoice",
                    why="threat=0.97 (attachment is a program)",
                    verdict="threat-held",
                    received=1_790_000_000,
                    expires=1_790_000_000 + 30 * 86400,
                    recipients={ann.id: "ann@example.test"},
                )
                return held.add(tx, message, Summary(b"e", b"b", b"s", b"l"))

            return await database.write(work)

    return trio.run(run)


def test_list_and_show(waxseal: Call, place: Any) -> None:
    assert waxseal("held", "list", "-c", place.config).out == ""
    number = keep_back(place)
    fields = waxseal("held", "list", "-c", place.config).out.rstrip("\n").split("\t")
    assert fields[:6] == [
        *(str(number), "2026-09-21T14:13:20Z", "billing@kudzu.example", "ann@example.test", "Invoice", "threat-held")
    ]
    shown = waxseal("held", "show", number, "-c", place.config).out
    assert "why: threat=0.97 (attachment is a program)" in shown
    assert "envelope: <>" in shown
    assert "From: Billing <billing@kudzu.example>" in shown
    assert "\x1b" not in shown, "a sender must not drive the administrator's terminal"
    assert "body" not in shown


def test_the_message_itself(waxseal: Call, place: Any) -> None:
    number = keep_back(place)
    assert waxseal("held", "show", number, "--raw", "-c", place.config).out.encode() == CONTENT


def test_decide(waxseal: Call, place: Any) -> None:
    number = keep_back(place)
    assert waxseal("held", "release", number, "-c", place.config).out == f"{number} released to ann@example.test\n"
    for verb in ("release", "drop", "show"):
        said = waxseal("held", verb, number, "-c", place.config)
        assert said.code == 1
        assert f"there is no held message {number}; `waxseal held list` shows which there are" in said.err


def test_drop(waxseal: Call, place: Any) -> None:
    number = keep_back(place)
    said = waxseal("held", "drop", number, "-c", place.config)
    assert said.out == f"{number} dropped: billing@kudzu.example: Invoice\n"
