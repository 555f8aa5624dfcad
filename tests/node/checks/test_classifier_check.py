"""Mail first: whatever the model does, the message gets an opinion in time and is never lost for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio
from prometheus_client import REGISTRY

from ai.locate import find_model
from ai.reasons import Reason as Words
from node.base.config import Classifier as ClassifierSettings
from node.base.config import Settings
from node.checks.classifier import LONGEST, ContentClassifier, in_header
from node.checks.opinion import Opinion, Reason, Verdict
from node.checks.panel import Subject

from .small_model import Answers, Stuck, classifier, weights

pytestmark = pytest.mark.anyio
TEXT = (
    "Our warehouse sells every watch this week for a tenth of its price. Choose yours today, pay with vouchers, and we "
    "send it by courier to any country. Quality is guaranteed by the oldest house of the trade in all of Switzerland."
)


def mail(
    text: str = TEXT, sender: str = "Watches <sale@watches.example>", subject: str = "A tenth of its price"
) -> bytes:
    return f"From: {sender}\r\nTo: ann@example.test\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()


def subject(content: bytes) -> Subject:
    return Subject(content, len(content), "a@example.org", ("b@example.org",), "192.0.2.1")


def check(engine: Answers | Stuck, **settings: object) -> ContentClassifier:
    made = ContentClassifier(ClassifierSettings.model_validate(settings))
    made.use(classifier(engine, weights(spam=mail())))
    return made


def stage(name: str) -> float:
    return REGISTRY.get_sample_value("waxseal_verdict_stages_total", {"stage": name}) or 0.0


def margin(probability: float) -> float:
    return math.log(probability / (1 - probability))


# --- what follows from a score


@pytest.mark.parametrize(
    ("probability", "reason", "folder", "is_refused"),
    [
        (0.1, Reason.FINE, "", False),
        (0.8, Reason.SPAM_JUNK, "\\Junk", False),
        (0.99, Reason.SPAM_REFUSED, "", True),
    ],
)
async def test_two_thresholds(probability: float, reason: Reason, folder: str, is_refused: bool) -> None:
    judge = ContentClassifier(ClassifierSettings(junk_at=0.7, refuse_at=0.95))
    judge.use(classifier(Answers(margin(probability))))
    opinion = await judge.content(subject(mail()))
    assert (opinion.reason, opinion.folder, opinion.reply is not None) == (reason, folder, is_refused)
    assert opinion.score == pytest.approx(probability, abs=1e-4)


async def test_refusing_is_off_by_default() -> None:
    opinion = await check(Answers(50.0)).content(subject(mail()))
    assert opinion.reply is None
    assert opinion.folder == "\\Junk"


async def test_the_settings_threshold_has_precedence_over_the_models() -> None:
    judge = check(Answers(margin(0.5)), junk_at=0.3)
    assert judge.junk_at == 0.3
    assert (await judge.content(subject(mail()))).folder == "\\Junk"
    assert check(Answers()).junk_at == 0.9


# --- a model that is missing, slow, busy or broken


def _raise() -> float:
    raise ZeroDivisionError


async def test_a_model_that_raises_leaves_mail_unscored() -> None:
    opinion = await check(Answers(_raise)).content(subject(mail()))
    assert opinion == Opinion(Reason.UNSCORED_FAILED, "unscored")


async def test_a_model_that_hangs_leaves_mail_unscored_at_the_deadline() -> None:
    stuck = Stuck()
    judge = check(stuck, deadline_seconds=0.02, workers=1)
    try:
        first, second = [await judge.content(subject(mail())) for _ in range(2)]
    finally:
        stuck.release.set()
    assert first.reason == second.reason == Reason.UNSCORED_SLOW


async def test_a_full_line_is_told_at_once() -> None:
    """One message is being judged, one waits, the third goes unscored without any wait; the first two are judged."""
    stuck = Stuck()
    judge = check(stuck, deadline_seconds=60, workers=1, waiting=1)
    said: list[Opinion] = []

    async def ask() -> None:
        said.append(await judge.content(subject(mail())))

    async with trio.open_nursery() as nursery:
        try:
            nursery.start_soon(ask)
            await trio.to_thread.run_sync(stuck.entered.acquire)
            nursery.start_soon(ask)
            with trio.fail_after(10):
                while REGISTRY.get_sample_value("waxseal_verdicts_waiting") != 1:
                    await trio.lowlevel.checkpoint()
                assert (await judge.content(subject(mail()))).reason is Reason.UNSCORED_BUSY
        finally:
            stuck.release.set()
    assert [opinion.reason for opinion in said] == [Reason.FINE, Reason.FINE]


@pytest.mark.parametrize("broken", [False, True])
async def test_a_missing_or_damaged_model_leaves_mail_unscored(tmp_path: Path, broken: bool) -> None:
    judge = ContentClassifier(ClassifierSettings())
    await judge.load(tmp_path if broken else None)
    assert (await judge.content(subject(mail()))).reason == Reason.UNSCORED_MISSING
    assert judge.problem


async def test_switched_off() -> None:
    judge = ContentClassifier(ClassifierSettings(enabled=False))
    await judge.load(None)
    assert (await judge.content(subject(mail()))).reason == Reason.UNSCORED_OFF


def test_torch_needs_a_checkpoint_in_the_settings() -> None:
    with pytest.raises(ValueError, match="needs checkpoint"):
        Settings.model_validate({"classifier": {"engine": "torch"}, "hostname": "mx.example.test"})


async def test_a_checkpoint_that_cannot_be_used_leaves_mail_unscored(tmp_path: Path) -> None:
    shipped = find_model()
    assert shipped
    judge = ContentClassifier(ClassifierSettings(engine="torch", checkpoint=tmp_path))
    await judge.load(shipped)
    assert (await judge.content(subject(mail()))).reason == Reason.UNSCORED_MISSING
    assert str(tmp_path) in judge.problem


# --- the cascade


async def test_the_cheap_stage_releases_sure_ham_and_nothing_else() -> None:
    before, engine = stage("linear"), Answers(50.0)
    judge = ContentClassifier(ClassifierSettings())
    judge.use(classifier(engine, weights(ham=mail()), release=-20.0))
    released = await judge.content(subject(mail()))
    assert (released.reason, engine.asked, stage("linear") - before) == (Reason.FINE, 0, 1)
    assert (await judge.content(subject(mail("something quite different")))).folder == "\\Junk"
    assert engine.asked == 1


async def test_the_cheap_stage_cannot_accuse_whatever_its_threshold() -> None:
    """A manifest whose release lies far on the spam side still makes ham of what it releases."""
    judge = ContentClassifier(ClassifierSettings())
    judge.use(classifier(Answers(), weights(spam=mail()), release=1000.0))
    opinion = await judge.content(subject(mail()))
    assert (opinion.reason, opinion.label) == (Reason.FINE, "ham")
    assert opinion.score is not None
    assert opinion.score <= 0.45 + 1e-6


# --- campaigns (the rule is in node/checks/campaigns.py)


async def test_the_same_message_is_judged_once_whoever_it_is_for() -> None:
    engine, before = Answers(), stage("same")
    judge = check(engine)
    first = await judge.content(subject(mail(TEXT + " Order 1234 for ann@example.test")))
    again = await judge.content(subject(mail(TEXT + " Order 9876 for bob@example.test")))
    assert (engine.asked, stage("same") - before) == (1, 1)
    assert replace(again, view=first.view) == first


async def test_a_spam_does_not_inherit_a_hams_verdict_by_one_edit() -> None:
    engine = Answers(-5.0)
    judge = check(engine)
    assert (await judge.content(subject(mail()))).reason is Reason.FINE
    engine.spam = 5.0
    assert (await judge.content(subject(mail(TEXT.replace("vouchers", "voucher"))))).folder == "\\Junk"
    assert (await judge.content(subject(mail(sender="Watches <sale@other.example>")))).folder == "\\Junk"
    assert (await judge.content(subject(mail(subject="A tenth of the price")))).folder == "\\Junk"
    assert engine.asked == 4


async def test_nearly_the_same_as_a_spam_goes_to_junk_without_the_transformer_and_is_never_refused() -> None:
    engine, before = Answers(50.0), stage("near")
    judge = check(engine, refuse_at=0.95)
    assert (await judge.content(subject(mail()))).reply is not None
    near = await judge.content(subject(mail(TEXT.replace("vouchers", "voucher"))))
    assert (engine.asked, stage("near") - before) == (1, 1)
    assert (near.reason, near.folder, near.reply) == (Reason.SPAM_JUNK, "\\Junk", None)
    assert near.details[0] == Words.CAMPAIGN


async def test_a_spoiled_copy_does_not_condemn_honest_mail() -> None:
    """Somebody sends a copy of a newsletter with a few words of spam in it. The newsletter itself, on which the linear
    model leans to ham, is asked about as ever."""
    engine = Answers(5.0)
    judge = ContentClassifier(ClassifierSettings())
    judge.use(classifier(engine, weights(ham=mail(), step=1)))
    assert (await judge.content(subject(mail(TEXT.replace("vouchers", "voucher"))))).folder == "\\Junk"
    engine.spam = -5.0
    assert (await judge.content(subject(mail()))).reason is Reason.FINE
    assert engine.asked == 2


async def test_another_model_forgets_what_the_last_one_said() -> None:
    judge = check(Answers(5.0))
    assert (await judge.content(subject(mail()))).folder == "\\Junk"
    judge.use(classifier(Answers(-5.0)))
    assert (await judge.content(subject(mail()))).reason is Reason.FINE


# --- the header


@dataclass(frozen=True)
class Case:
    raw: bytes
    words: str


@pytest.mark.parametrize(
    "case",
    [
        Case(mail(), "text resembles spam ("),
        Case(mail(sender="PayPal <x@watches.example>"), "well-known brand on another domain (PayPal)"),
        Case(
            mail(sender="Crédit Agricole <x@watches.example>"), "well-known brand on another domain (Credit Agricole)"
        ),
    ],
)
async def test_the_header_says_why_in_words(case: Case) -> None:
    opinion = await check(Answers(5.0)).content(subject(case.raw))
    header = Verdict((opinion,)).header("mx.example.test")
    assert header.isascii()
    assert case.words in header.partition('why="')[2]


async def test_the_header_of_ham_says_so() -> None:
    opinion = await check(Answers(-5.0)).content(subject(mail()))
    assert 'why="text resembles ordinary mail"' in Verdict((opinion,)).header("mx.example.test")


def test_reasons_are_shown_whole_or_not_at_all() -> None:
    words = tuple(map(str, Words))
    for start in range(len(words)):
        shown = in_header(words[start:])
        assert set(shown) <= set(words)
        assert 0 < len("; ".join(shown)) <= LONGEST
