"""The threat check: one parse, the operator's policy, and mail first when anything lacks."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ai.classes import Classes
from ai.threat import Threat, ThreatReason
from ai.view import View, text_view
from node.base.address import parse_address
from node.base.config_threat import Threat as ThreatSettings
from node.checks import threat as threat_check
from node.checks.context import Surroundings
from node.checks.opinion import Opinion, Reason, Verdict
from node.checks.panel import Panel, Subject
from node.checks.threat import ThreatReview, opinion_of
from node.store import accounts, domains
from node.store.database import Database, Writing
from node.store.incoming import Incoming

pytestmark = pytest.mark.anyio
HEAD = b"From: Bob Turner <desk@gmail.com>\r\nSubject: Quick task\r\n"
BOSS = HEAD + b"\r\nAre you available? I need gift cards, keep it confidential.\r\n"
PROGRAM = Threat(0.95, (ThreatReason.PROGRAM,))
PHISHING = Threat(0.97, (ThreatReason.LOGIN, ThreatReason.MODEL_PHISHING))


def subject_of(content: bytes) -> Subject:
    return Subject(content, len(content), "desk@gmail.com", ("ann@house.example",), "192.0.2.1")


@pytest.fixture
async def review(tmp_path: Path):
    async with Database.open(tmp_path / "waxseal.db") as database:

        def people(tx: Writing) -> None:
            domains.add(tx, "house.example")
            accounts.add(tx, parse_address("ann@house.example"), "Ann Miller")
            accounts.add(tx, parse_address("bob@house.example"), "Bob Turner")

        await database.write(people)
        yield ThreatReview(ThreatSettings(), Surroundings(["mx.house.example"]), database)


async def test_a_message_is_judged_without_a_model_and_with_what_the_store_knows(review: ThreatReview) -> None:
    (said,) = await review.review(subject_of(BOSS), ())
    assert said.threat is not None
    assert said.threat > 0.8
    assert {ThreatReason.COLLEAGUE, ThreatReason.IMPOSTOR} <= set(said.details)
    assert said.check == "threat"


async def test_what_the_classifier_has_read_is_not_read_again(
    review: ThreatReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(message: bytes) -> View:
        raise AssertionError("parsed a second time")

    heard = Opinion(Reason.FINE, "ham", 0.1, view=text_view(BOSS), classes=Classes(scam=0.9))
    monkeypatch.setattr(threat_check, "text_view", never)
    first, said = await review.review(subject_of(BOSS), (heard,))
    assert first is heard
    assert said.threat is not None
    assert said.threat > 0.95
    assert ThreatReason.MODEL_SCAM in said.details


async def test_programs_behind_the_part_that_checks_see_are_found(review: ThreatReview, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("order.exe", b"MZ" + b"\0" * 100)
    parts = [
        b'Content-Disposition: attachment; filename="photo.jpg"\r\n\r\n' + b"x" * 400_000,
        b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(buffer.getvalue()),
    ]
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    whole = b"From: a@far.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + body
    incoming = Incoming(tmp_path)
    await incoming.write(whole)
    cut = replace(subject_of(whole[: 256 << 10]), size=len(whole), source=incoming)
    (said,) = await review.review(cut, ())
    await incoming.aclose()
    assert said.hold
    assert said.reason is Reason.THREAT_HELD
    assert ThreatReason.PROGRAM_INSIDE in said.details


async def test_a_closed_store_leaves_the_rules_that_need_none(review: ThreatReview) -> None:
    await review._database._readers.aclose()
    lure = b"From: IT <it@quota.example>\r\nSubject: Password expiry\r\nContent-Type: text/html\r\n\r\n"
    lure += b'Your house.example mailbox password expires <a href="https://quota.example/">Keep it</a>'
    (said,) = await review.review(subject_of(lure), ())
    assert ThreatReason.LOGIN in said.details


@pytest.mark.parametrize(
    ("threat", "settings", "reason", "folder", "hold", "code"),
    [
        (Threat(0.5), {}, Reason.FINE, "", False, 0),
        (PHISHING, {}, Reason.THREAT_JUNK, "\\Junk", False, 0),
        (PHISHING, {"at": 0.98}, Reason.FINE, "", False, 0),
        (PHISHING, {"action": "tag"}, Reason.THREAT, "", False, 0),
        (PHISHING, {"action": "hold"}, Reason.THREAT_HELD, "\\Junk", True, 0),
        (PHISHING, {"action": "refuse"}, Reason.THREAT_REFUSED, "", False, 550),
        (PROGRAM, {}, Reason.THREAT_HELD, "\\Junk", True, 0),
        (PROGRAM, {"executable": "refuse"}, Reason.THREAT_REFUSED, "", False, 550),
        (PROGRAM, {"executable": "tag"}, Reason.THREAT_JUNK, "\\Junk", False, 0),  # its score counts as well
        (PROGRAM, {"executable": "tag", "action": "tag"}, Reason.THREAT, "", False, 0),
    ],
)
def test_policy(threat: Threat, settings: dict, reason: Reason, folder: str, hold: bool, code: int) -> None:
    said = opinion_of(threat, ThreatSettings(**settings))
    assert (said.reason, said.folder, said.hold) == (reason, folder, hold)
    assert (said.reply.code if said.reply else 0) == code


def test_the_header_shows_score_and_reasons() -> None:
    verdict = Verdict((Opinion(Reason.FINE, "ham", 0.1, ("ordinary",)), opinion_of(PHISHING, ThreatSettings())))
    assert verdict.header("mx.house.example").endswith(
        "; threat=0.97 (asks for this server's password elsewhere; text resembles phishing)"
    )
    nothing = Verdict((opinion_of(Threat(), ThreatSettings()),))
    assert nothing.header("mx.house.example") == "mx.house.example"


def test_no_reason_can_break_out_of_its_comment() -> None:
    evil = Opinion(Reason.FINE, "0.10", details=('a) x=y ("\\\r\n',), check="threat", threat=0.1)
    assert Verdict((evil,)).header("h") == "h; threat=0.10 (a_ x=y _____)"


@dataclass
class Says:
    opinion: Opinion

    async def content(self, subject: Subject) -> Opinion:
        return self.opinion


async def test_in_the_panel_a_wish_to_hold_goes_before_a_folder(review: ThreatReview) -> None:
    content = b'From: a@far.example\r\nContent-Disposition: attachment; filename="a.exe"\r\n\r\nMZ\r\n'
    checks: Sequence[Says] = (Says(Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk")),)
    verdict = await Panel(checks, (review,)).content(subject_of(content))
    assert verdict.hold
    assert verdict.reason is Reason.THREAT_HELD
