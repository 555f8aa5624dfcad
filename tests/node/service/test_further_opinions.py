"""Whole nodes that ask other programs: the real ones, and those that are down, hang, talk nonsense or never stop."""

from __future__ import annotations

import base64
import re
import smtplib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
import trio

from node.base.config import Settings
from node.net.breaker import Patience

pytestmark = pytest.mark.anyio
OpenNode = Callable[..., Any]
Plan = Callable[..., Settings]
Serving = Callable[..., Any]

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
DAEMONS = ("rspamd", "spamassassin", "clamav")


def verdict_of(kept: bytes) -> str:
    found = re.search(rb"^X-Waxseal-Verdict: ([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", kept, re.MULTILINE)
    assert found
    return " ".join(found[1].decode().split())


def on(server: str, **settings: Any) -> dict[str, Any]:
    return {"enabled": True, "server": server, **settings}


async def hangs(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def listens_and_says_nothing(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass


async def hangs_up(stream: trio.SocketStream) -> None:
    await trio.lowlevel.checkpoint()


async def talks_nonsense(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"\x00\xffI am a teapot\r\n\r\n\0")


async def never_stops(stream: trio.SocketStream) -> None:
    """Begins well for each of the three protocols, and goes on."""
    asked = await stream.receive_some()
    if asked.startswith(b"SYMBOLS"):
        await stream.send_all(b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n")
    elif asked.startswith(b"POST"):
        await stream.send_all(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"score": 9')
    else:
        await stream.send_all(b"stream: ")
    while True:
        await stream.send_all(b"0" * 65536)


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize(
    ("habit", "deadline", "reason"),
    [
        (None, 20, "check-unreachable"),
        (hangs, 0.1, "check-slow"),
        (listens_and_says_nothing, 0.1, "check-slow"),
        (hangs_up, 20, "check-(garbled|unreachable)"),
        (talks_nonsense, 20, "check-garbled"),
        (never_stops, 20, "check-garbled"),
    ],
)
async def test_mail_flows_whatever_a_daemon_does(
    open_node: OpenNode,
    plan: Plan,
    note: bytes,
    serving: Serving,
    daemon: str,
    habit: Callable[..., Awaitable[None]] | None,
    deadline: float,
    reason: str,
) -> None:
    failures = Patience().failures
    with structlog.testing.capture_logs() as lines:
        async with serving(habit or hangs_up) as server:
            place = server.place if habit else "127.0.0.1:9"
            settings = plan(**{daemon: on(place, deadline_seconds=deadline)})
            async with open_node(settings) as house:
                for _ in range(failures + 2):
                    await house.deliver(note)
                kept = await house.inbox()
    assert len(kept) == failures + 2
    assert all(one.endswith(note) for one in kept)
    verdicts = [verdict_of(one) for one in kept]
    for verdict in verdicts[:failures]:
        assert re.search(f"{daemon}=unscored reason={reason} ", verdict), verdict
    for verdict in verdicts[failures:]:
        assert f"{daemon}=unscored reason=check-resting" in verdict, "the breaker is open"
    if habit:
        assert server.visits == failures
    assert {"check.failed", "check.resting"} <= {line["event"] for line in lines}
    received = [line for line in lines if line["event"] == "mail.received"]
    assert {line["result"] for line in received} == {"kept"}


async def test_all_of_them_at_once_take_no_longer_than_the_slowest(
    open_node: OpenNode, plan: Plan, note: bytes, serving: Serving
) -> None:
    async with serving(hangs) as server:
        settings = plan(**{daemon: on(server.place, deadline_seconds=1) for daemon in DAEMONS})
        async with open_node(settings) as house:
            start = trio.current_time()
            await house.deliver(note)
            took = trio.current_time() - start
            (kept,) = await house.inbox()
    assert 1 <= took < 2.9, "one after the other they would take three"
    order = [verdict_of(kept).index(f" {name}=unscored") for name in ("clamav", "content", "rspamd", "spamassassin")]
    assert order == sorted(order)


async def test_the_real_ones(open_node: OpenNode, plan: Plan, note: bytes, rspamd: Any, spamd: Any, clamd: Any) -> None:
    settings = plan(rspamd=on(rspamd.unix), spamassassin=on(spamd.tcp, junk_at=100), clamav=on(clamd.unix))
    virus = (
        b"From: nora@other.test\r\nSubject: parcel\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(EICAR) + b"\r\n"
    )
    lottery = note.replace(b"See you", b"The lottery: see you")
    async with open_node(settings) as house:
        await house.deliver(note)
        await house.deliver(lottery)
        with pytest.raises(smtplib.SMTPDataError, match="carries malware: Eicar-Test"):
            await house.deliver(virus)
        (kept,) = await house.inbox()
    verdict = verdict_of(kept)
    assert "clamav=clean reason=fine" in verdict
    assert '; content=unscored reason=unscored-off why="unscored-off"; rspamd=' in verdict
    assert re.search(r'rspamd=ham score=0\.\d{4} reason=fine why="\d\.\d of 15\.0 points', verdict)
    assert re.search(r"spamassassin=ham score=[01]\.\d{4} reason=fine", verdict)


async def test_an_absent_key_keeps_nobody_out(open_node: OpenNode, plan: Plan, note: bytes) -> None:
    settings = plan(language_model={"enabled": True, "model": "judge-1", "api_key_variable": "WAXSEAL_NO_SUCH_KEY"})
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            assert len(await house.inbox()) == 1
    assert [line["log_level"] for line in lines if line["event"] == "language_model.off"] == ["warning"]
