"""Debian's own rspamd, SpamAssassin and ClamAV, started here on loopback, over TCP and Unix sockets."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
import trio

from node.base.config_opinions import ClamAv as ClamAvSettings
from node.base.config_opinions import Rspamd as RspamdSettings
from node.base.config_opinions import SpamAssassin as SpamAssassinSettings
from node.base.config_places import Place
from node.checks.clamav import ClamAv
from node.checks.guard import Asks, External, Guard
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.checks.rspamd import Rspamd
from node.checks.spamassassin import SpamAssassin
from node.net.breaker import Breaker, State
from node.net.clamd import ClamdClient
from node.net.rspamd import RspamdClient
from node.net.spamd import SpamdClient
from node.net.web_service import WebService
from node.wire.spamc import Command

pytestmark = pytest.mark.anyio
HOST = "mx.house.example"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
HEAD = (
    b"From: Nora Note <nora@other.example>\r\nTo: ann@house.example\r\nSubject: minutes\r\n"
    b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <20261121-minutes-of-tuesday@other.example>\r\n"
)
NOTE = HEAD + b"\r\nHere are the minutes of our meeting on Tuesday, as promised.\r\n"


def subject(content: bytes, **other: Any) -> Subject:
    return Subject(
        content,
        len(content),
        "nora@other.example",
        ("ann@house.example",),
        "198.51.100.7",
        "mail.other.example",
        **other,
    )


def carrying(attachment: bytes, head: bytes = HEAD) -> bytes:
    return (
        head + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(attachment) + b"--b--\r\n"
    )


async def ask(asks: Asks, content: bytes, **other: Any) -> Opinion:
    """Through the guard, as the panel does; a daemon that works leaves the breaker closed."""
    breaker = Breaker("test")
    opinion = await External(asks, Guard(breaker, 60, 8)).content(subject(content, **other))
    assert breaker.state is State.CLOSED
    return opinion


@pytest.fixture(params=["tcp", "unix"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestClamAv:
    def check(self, place: str, **settings: Any) -> ClamAv:
        found = ClamAvSettings.model_validate({"enabled": True, "server": place, **settings})
        return ClamAv(found, ClamdClient(found.server))

    async def test_it_is_there(self, clamd: Any, way: str) -> None:
        place: Place = ClamAvSettings.model_validate({"server": getattr(clamd, way)}).server
        assert (await ClamdClient(place).version()).startswith("ClamAV 1.")

    async def test_clean(self, clamd: Any, way: str) -> None:
        opinion = await ask(self.check(getattr(clamd, way)), NOTE)
        assert opinion == Opinion(Reason.FINE, "clean", check="clamav", threat=0.0)

    async def test_an_infected_attachment_is_refused(self, clamd: Any, way: str) -> None:
        opinion = await ask(self.check(getattr(clamd, way)), carrying(EICAR))
        assert (opinion.reason, opinion.label, opinion.threat) == (Reason.VIRUS, "infected", 1.0)
        assert opinion.details == ("Eicar-Test.UNOFFICIAL",)
        assert opinion.reply
        assert str(opinion.reply) == "550 5.7.1 This message carries malware: Eicar-Test.UNOFFICIAL"

    @pytest.mark.parametrize(
        ("policy", "folder", "hold"), [("hold", "\\Junk", True), ("junk", "\\Junk", False), ("tag", "", False)]
    )
    async def test_or_what_the_policy_says(self, clamd: Any, policy: str, folder: str, hold: bool) -> None:
        opinion = await ask(self.check(clamd.tcp, infected=policy), carrying(EICAR))
        assert (opinion.reply, opinion.folder, opinion.hold, opinion.threat) == (None, folder, hold, 1.0)

    async def test_a_guess_is_treated_as_one(self, clamd: Any) -> None:
        opinion = await ask(self.check(clamd.tcp), carrying(b"this is an unwanted program, perhaps, or not"))
        assert (opinion.reason, opinion.label, opinion.threat) == (Reason.VIRUS_DOUBTFUL, "doubtful", 0.5)
        assert (opinion.reply, opinion.folder) == (None, "\\Junk")

    @pytest.mark.parametrize("head", [b"X-Odd: 1\r\n", b"\r\n", b"A: b\r\nSubject: x\r\n"])
    async def test_a_strange_header_does_not_hide_an_attachment(self, clamd: Any, head: bytes) -> None:
        assert (await ask(self.check(clamd.tcp), carrying(EICAR, head))).label == "infected"

    async def test_what_lies_behind_the_octets_that_other_checks_see(self, clamd: Any) -> None:
        whole = carrying(bytes(range(256)) * 4096)[:-7] + carrying(EICAR).partition(b"see the file\r\n")[2]

        class Stored:
            async def read(self, start: int, length: int) -> bytes:
                return whole[start : start + length]

        check = External(self.check(clamd.tcp), Guard(Breaker("test"), 60, 8))
        shown = Subject(whole[:1000], len(whole), "", (), "", source=Stored())
        assert (await check.content(shown)).label == "infected"

    async def test_longer_than_clamd_takes(self, clamd: Any, way: str) -> None:
        """It closes in the middle of the stream; that is no failure of its, and says nothing about the message."""
        opinion = await ask(self.check(getattr(clamd, way)), NOTE + b"x" * (5 << 20))
        assert (opinion.reason, opinion.label, opinion.threat) == (Reason.CHECK_TOO_LARGE, "unscored", None)

    async def test_longer_than_we_ask_about(self, clamd: Any) -> None:
        assert (await ask(self.check(clamd.tcp, max_kib=1), NOTE + b"x" * 1024)).reason is Reason.CHECK_TOO_LARGE

    async def test_many_at_once(self, clamd: Any) -> None:
        check = External(self.check(clamd.tcp), Guard(Breaker("test"), 60, 4))
        labels: list[str] = []

        async def one(content: bytes) -> None:
            labels.append((await check.content(subject(content))).label)

        async with trio.open_nursery() as nursery:
            for content in (NOTE, carrying(EICAR)) * 10:
                nursery.start_soon(one, content)
        assert sorted(labels) == ["clean"] * 10 + ["infected"] * 10


class TestSpamAssassin:
    def check(self, place: str, **settings: Any) -> SpamAssassin:
        found = SpamAssassinSettings.model_validate({"enabled": True, "server": place, **settings})
        return SpamAssassin(found, SpamdClient(found.server), HOST)

    async def test_it_is_there(self, spamd: Any, way: str) -> None:
        await SpamdClient(SpamAssassinSettings.model_validate({"server": getattr(spamd, way)}).server).ping()

    async def test_ham(self, spamd: Any, way: str) -> None:
        opinion = await ask(self.check(getattr(spamd, way)), NOTE)
        assert (opinion.reason, opinion.label, opinion.folder, opinion.check) == (
            Reason.FINE,
            "ham",
            "",
            "spamassassin",
        )
        assert opinion.details[0].endswith(" of 5.0 points")

    async def test_spam(self, spamd: Any, way: str) -> None:
        opinion = await ask(self.check(getattr(spamd, way)), HEAD + b"\r\n" + GTUBE + b"\r\n")
        assert (opinion.reason, opinion.label, opinion.folder, opinion.score) == (
            Reason.SPAM_JUNK,
            "spam",
            "\\Junk",
            1.0,
        )
        assert "GTUBE" in opinion.details
        assert opinion.reply is None, "refusing is off by default"

    async def test_our_thresholds(self, spamd: Any) -> None:
        spam = HEAD + b"\r\n" + GTUBE + b"\r\n"
        refused = await ask(self.check(spamd.tcp, refuse_at=100), spam)
        assert refused.reply
        assert (refused.reply.code, refused.reason) == (550, Reason.SPAM_REFUSED)
        assert (await ask(self.check(spamd.tcp, junk_at=2000), spam)).label == "ham"
        assert (await ask(self.check(spamd.tcp, junk_at=-50), NOTE)).folder == "\\Junk"

    async def test_it_learns_from_us_who_handed_the_message_over(self, spamd: Any) -> None:
        """Rules about the relay look at our field, so a made-up one below cannot speak for the sender."""
        made_up = b"Received: from nobody by nobody (HELO) with SMTP; Sat, 21 Nov 2026 10:00:00 +0000\r\n"
        numeric = Subject(
            made_up + NOTE, len(made_up + NOTE), "nora@other.example", ("ann@house.example",), "9.9.9.9", "10.1.2.3"
        )
        check = self.check(spamd.tcp)
        with_number = await External(check, Guard(Breaker("test"), 60, 8)).content(numeric)
        assert any("HELO" in rule for rule in with_number.details), with_number.details

    async def test_check_and_report(self, spamd: Any) -> None:
        client = SpamdClient(SpamAssassinSettings.model_validate({"server": spamd.tcp}).server)
        spam = HEAD + b"\r\n" + GTUBE + b"\r\n"
        checked = await client.judge(subject(spam).pieces(), len(spam), Command.CHECK)
        assert checked.judgement
        assert (checked.judgement.is_spam, checked.body) == (True, b"")
        reported = await client.judge(subject(spam).pieces(), len(spam), Command.REPORT)
        assert b"Generic Test for Unsolicited Bulk Email" in reported.body


class TestRspamd:
    @asynccontextmanager
    async def check(self, place: str, **settings: Any) -> AsyncIterator[Rspamd]:
        found = RspamdSettings.model_validate({"enabled": True, "server": place, **settings})
        async with WebService.beside(found.server, "rspamd") as service:
            yield Rspamd(found, RspamdClient(service), HOST)

    async def test_it_is_there(self, rspamd: Any, way: str) -> None:
        found = RspamdSettings.model_validate({"server": getattr(rspamd, way)})
        async with WebService.beside(found.server, "rspamd") as service:
            await RspamdClient(service).ping()

    async def test_ham(self, rspamd: Any, way: str) -> None:
        async with self.check(getattr(rspamd, way)) as check:
            opinion = await ask(check, NOTE)
        assert (opinion.reason, opinion.label, opinion.folder) == (Reason.FINE, "ham", "")
        assert opinion.details[0].endswith(" of 15.0 points")

    async def test_spam_by_points(self, rspamd: Any, way: str) -> None:
        async with self.check(getattr(rspamd, way)) as check:
            opinion = await ask(check, HEAD + b"\r\nYou have won the lottery!\r\n")
        assert (opinion.reason, opinion.label, opinion.folder) == (Reason.SPAM_JUNK, "spam", "\\Junk")
        assert opinion.details[1] == "TEST_LOTTERY", "the weightiest rule comes first"
        assert opinion.score
        assert 0.5 <= opinion.score < 1

    async def test_spam_by_its_action(self, rspamd: Any) -> None:
        async with self.check(rspamd.tcp) as check:
            opinion = await ask(check, HEAD + b"\r\n" + GTUBE + b"\r\n")
        assert (opinion.label, opinion.score, opinion.reply) == ("spam", 1.0, None)

    async def test_our_thresholds(self, rspamd: Any) -> None:
        lottery = HEAD + b"\r\nYou have won the lottery!\r\n"
        async with self.check(rspamd.tcp, refuse_at=7) as check:
            assert (await ask(check, lottery)).reason is Reason.SPAM_REFUSED
        async with self.check(rspamd.tcp, junk_at=50) as check:
            assert (await ask(check, lottery)).label == "ham"

    async def test_a_large_message_in_pieces(self, rspamd: Any) -> None:
        async with self.check(rspamd.tcp) as check:
            large = await ask(check, HEAD + b"\r\n" + b"a quiet line of text\r\n" * 50_000 + b"the lottery\r\n")
        assert "TEST_LOTTERY" in large.details

    async def test_names_that_would_break_a_header_field(self, rspamd: Any) -> None:
        async with self.check(rspamd.tcp) as check:
            hostile = Subject(NOTE, len(NOTE), "a@é.example", ("b@\r\nX: y",) * 300, "192.0.2.1", "x\r\nPass: all\x00ü")
            opinion = await External(check, Guard(Breaker("test"), 60, 8)).content(hostile)
        assert opinion.label in {"ham", "spam"}, "it was asked, and has answered"

    async def test_many_at_once(self, rspamd: Any) -> None:
        labels: list[str] = []
        async with self.check(rspamd.tcp) as check, trio.open_nursery() as nursery:

            async def one(content: bytes) -> None:
                labels.append((await ask(check, content)).label)

            for content in (NOTE, HEAD + b"\r\nlottery\r\n") * 10:
                nursery.start_soon(one, content)
        assert sorted(labels) == ["ham"] * 10 + ["spam"] * 10
