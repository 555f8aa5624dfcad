"""Starting and stopping: all doors or none, clear words when it cannot be, and the same data at the next start."""

from __future__ import annotations

import imaplib
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.base.config import Settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError
from node.net.stream import Stop
from node.service.node import run_node

OpenNode = Callable[..., Any]
Plan = Callable[..., Settings]

STOP_SECONDS = 10  # an idle node takes a fraction of one; the machine may be busy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.anyio
async def test_a_port_in_use_is_named_and_nothing_stays_open(plan: Plan) -> None:
    smtp = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        settings = plan(
            smtp={"listen": [f"127.0.0.1:{smtp}"]},
            imap={"listen_starttls": [f"127.0.0.1:{taken}"], "listen_tls": []},
        )
        with pytest.raises(ConfigError, match=f"imap: cannot listen on 127.0.0.1:{taken}: Address already in use"):
            await run_node(settings, Stop())
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", smtp)):
        pass
    await starts(settings)


async def starts(settings: Settings) -> None:
    """Start and stop a node; raises when it cannot."""
    stop = Stop()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(run_node, settings, stop))
            stop.request()


@pytest.mark.anyio
async def test_a_name_instead_of_an_address_is_named(plan: Plan) -> None:
    settings = plan(smtp={"listen": ["no such host:0"]})
    with pytest.raises(ConfigError, match="smtp: cannot listen on no such host:0"):
        await run_node(settings, Stop())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.key", b"not a key\n", "holds one line of 64 hexadecimal digits. Restore it from a backup"),
        ("keeper.key", b"", "holds one line of 64 hexadecimal digits. Restore it from a backup"),
        ("attachments.key", b"short", "is damaged: restore it from your backup"),
    ],
)
async def test_a_damaged_key_is_named(plan: Plan, name: str, content: bytes, words: str) -> None:
    settings = plan()
    file = settings.data / "keys" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        await run_node(settings, Stop())
    assert str(file) in str(caught.value)
    assert words in str(caught.value)
    assert file.read_bytes() == content, "it may be all that is left of the key"


@pytest.mark.anyio
async def test_a_key_that_others_can_read_is_refused(plan: Plan) -> None:
    settings = plan()
    await starts(settings)
    (settings.data / "keys" / "log.key").chmod(0o644)
    with pytest.raises(ConfigError, match="open to others: run `chmod 600"):
        await run_node(settings, Stop())


@pytest.mark.anyio
async def test_a_damaged_certificate_of_our_own_is_named(plan: Plan) -> None:
    settings = plan()
    (settings.data / "tls").mkdir(parents=True)
    (settings.data / "tls" / "server.pem").write_bytes(b"no certificate")
    with pytest.raises(ConfigError, match="move the folder away, and a new one is made"):
        await run_node(settings, Stop())


@pytest.mark.anyio
async def test_a_data_directory_that_cannot_be_made_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = plan(data=tmp_path / "file" / "data")
    with pytest.raises(ConfigError, match=r"cannot make .*/file/data: Not a directory"):
        await run_node(settings, Stop())


@pytest.mark.anyio
async def test_the_data_directory_is_closed_to_other_users(plan: Plan) -> None:
    settings = plan()
    await starts(settings)
    assert settings.data.stat().st_mode & 0o077 == 0
    assert [file for file in (settings.data / "keys").iterdir() if file.stat().st_mode & 0o077] == []
    assert (settings.data / "waxseal.db").stat().st_mode & 0o077 == 0


@pytest.mark.anyio
async def test_a_second_start_finds_everything(open_node: OpenNode, plan: Plan, note: bytes, parcel: bytes) -> None:
    settings = plan()
    async with open_node(settings) as house:
        await house.deliver(note)
        await house.deliver(parcel)
        first = await house.inbox()
        identity = (house.running.rooms.keys.origin, str(house.running.rooms.keys.log_key))
    async with open_node(settings) as house:
        assert await house.inbox() == first
        assert (house.running.rooms.keys.origin, str(house.running.rooms.keys.log_key)) == identity


@pytest.mark.anyio
async def test_a_copy_made_as_the_operators_page_says_is_a_whole_node(
    open_node: OpenNode, plan: Plan, note: bytes, parcel: bytes, tmp_path: Path
) -> None:
    settings, copy = plan(), tmp_path / "copy"
    async with open_node(settings) as house:
        await house.deliver(note)
        await house.deliver(parcel)
        offload = house.running.rooms.offload
        await offload.idle()
        first = await house.inbox()
        copy.mkdir()
        source, target = (sqlite3.connect(folder / "waxseal.db") for folder in (settings.data, copy))
        with closing(source), closing(target):
            source.backup(target)  # what `.backup` of the sqlite3 program does
        for folder in ("blobs", "blocks", "keys", "tls"):
            if (settings.data / folder).exists():
                shutil.copytree(settings.data / folder, copy / folder)
    async with open_node(plan(data=copy)) as house:
        assert await house.inbox() == first


@pytest.mark.anyio
async def test_stopping_says_goodbye_to_idle_clients(open_node: OpenNode, plan: Plan) -> None:
    async with open_node(plan()) as house:
        ports = house.running.ports
        smtp = await house.in_thread(partial(smtplib.SMTP, "127.0.0.1", ports.smtp, timeout=30))
        imap = await house.in_thread(partial(imaplib.IMAP4, "127.0.0.1", ports.imap, timeout=30))
        begun = trio.current_time()
        house.stop.request()
        assert (await house.in_thread(smtp.getreply))[0] == 421
        assert (await house.in_thread(imap.readline)).startswith(b"* BYE")
        smtp.close()
        imap.shutdown()
    assert trio.current_time() - begun < STOP_SECONDS


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`waxseal serve` in a process of its own, ready to be used."""
    nowhere = {"listen_starttls": [], "listen_tls": []}
    port = free_port()
    settings = commented_settings(
        {
            "hostname": "mx.example.test",
            "data": tmp_path / "data",
            "smtp": {"listen": [f"127.0.0.1:{port}"]},
            "submission": nowhere,
            "imap": nowhere,
            "http": {"listen": []},
            "anchor": {"enabled": False},
            "classifier": {"enabled": False},
        }
    )
    file = tmp_path / "waxseal.toml"
    file.write_text(settings)
    command = [sys.executable, "-m", "node", "serve", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr
            for line in running.stderr:
                if "node.serving" in line:
                    break
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(process: subprocess.Popen[str], way: signal.Signals) -> None:
    begun = time.monotonic()
    process.send_signal(way)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "node.stopped" in said
    assert "Traceback" not in said
    assert time.monotonic() - begun < STOP_SECONDS
