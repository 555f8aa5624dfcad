"""Mail first: with chain, block store and model off or broken, mail comes in, is kept and is read."""

from __future__ import annotations

import imaplib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from structlog.typing import EventDict

from node.base.config import Settings

pytestmark = pytest.mark.anyio
OpenNode = Callable[..., Any]
Plan = Callable[..., Settings]

PATIENCE_SECONDS = 60


async def heard(lines: list[EventDict], *events: str) -> EventDict:
    """The first log line with one of these events, once it is there."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            for line in lines:
                if line["event"] in events:
                    return line
            await trio.sleep(0.02)  # the log wakes nobody


def damage(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"no database, no model, nothing of ours\n" * 200)


async def test_with_everything_beside_mail_switched_off(open_node: OpenNode, plan: Plan, note: bytes) -> None:
    settings = plan(offload={"enabled": False})
    async with open_node(settings) as house:
        await house.deliver(note)
        (kept,) = await house.inbox()
    assert kept.endswith(note)
    assert b"content=unscored reason=unscored-off" in kept


async def test_without_a_model(open_node: OpenNode, plan: Plan, note: bytes, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    settings = plan(classifier={"enabled": True, "model": tmp_path / "empty"})
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            (kept,) = await house.inbox()
    assert kept.endswith(note)
    assert b"content=unscored reason=unscored-missing" in kept
    assert (await heard(lines, "classifier.missing"))["problem"]


async def test_with_a_damaged_model(open_node: OpenNode, plan: Plan, note: bytes, tmp_path: Path) -> None:
    damage(tmp_path / "model", "model.json")
    settings = plan(classifier={"enabled": True, "model": tmp_path / "model"})
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            (kept,) = await house.inbox()
    assert b"content=unscored reason=unscored-missing" in kept
    assert str(tmp_path / "model") in (await heard(lines, "classifier.broken"))["problem"]


async def test_with_a_damaged_chain(open_node: OpenNode, plan: Plan, note: bytes) -> None:
    settings = plan(anchor={"every_seconds": 1, "every_messages": 1})
    damage(settings.data / "chain", "chain.sqlite")
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            failure = await heard(lines, "keeper.not_anchored", "keeper.broken")
            await house.deliver(note)
            assert len(await house.inbox()) == 2
    assert failure["log_level"] in {"warning", "error"}


async def test_with_a_file_where_the_chain_should_be(open_node: OpenNode, plan: Plan, note: bytes) -> None:
    settings = plan(anchor={"every_seconds": 1, "every_messages": 1})
    settings.data.mkdir()
    (settings.data / "chain").write_bytes(b"")
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            await heard(lines, "keeper.not_anchored", "keeper.broken")
            assert len(await house.inbox()) == 1


async def test_without_a_place_for_blocks(open_node: OpenNode, plan: Plan, parcel: bytes) -> None:
    """A file stands where the folder should be: as with a disk that is not mounted, nothing can be written there."""
    settings = plan()
    settings.data.mkdir()
    (settings.data / "blocks").write_bytes(b"")
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(parcel)
            failure = await heard(lines, "offload.failed")
            (kept,) = await house.inbox()
    assert kept.endswith(parcel)
    assert failure["again"] is True, "the disk may come back"
    await heard(lines, "block_store_unusable")


async def test_a_rotten_block_store_costs_its_attachments_and_nothing_else(
    open_node: OpenNode, plan: Plan, parcel: bytes, note: bytes
) -> None:
    settings = plan()
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(parcel)
            await heard(lines, "offload.cut")
            (kept,) = await house.inbox()
            assert kept.endswith(parcel)
    for block in (settings.data / "blocks").glob("??/*"):
        block.write_bytes(b"rotten")
    async with open_node(settings) as house:
        await house.deliver(note)
        status, (why,), *read = await house.imap(read_beside_the_rot)
    assert status == "NO"
    assert b"UNAVAILABLE" in why
    assert b"message 1" in why
    assert read == [b"See the file.", note]


def read_beside_the_rot(client: imaplib.IMAP4) -> tuple[str, list[Any], bytes, bytes]:
    """What is said of the rotten message; on the same connection the text beside the attachment, and the end of the
    sound message."""
    status, answer = client.fetch("1", "(BODY[])")
    text = literal(client, "1", "BODY[1]")
    return status, answer, text.strip(), literal(client, "2", "BODY[]")[-83:]


def literal(client: imaplib.IMAP4, number: str, item: str) -> bytes:
    status, answer = client.fetch(number, f"({item})")
    assert status == "OK"
    assert isinstance(answer[0], tuple)
    return bytes(answer[0][1])
