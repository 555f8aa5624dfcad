"""Is this account sending as it usually does? Scored with each submitted message, so that a stolen password is noticed.

Pressure is demand over ceiling, made heavier by what else is strange: new recipients, an odd hour, a strange network,
dead addresses, text that looks like spam. From 1 on sending is slowed, then held, then locked. Pure arithmetic over a
`Baseline`, which is changed in place: no clock, no store, no log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from node.checks.baseline import DAY, DEFERRED, MOST, Baseline, Counts

QUIET_SECONDS = DAY  # an event is over after so long without anything unusual
TRUST_SECONDS, TRUST = DAY, 3.0  # after an unlock, ceilings are so many times as high
HELD_AT, LOCKED_AT = 1.5, 2.0  # pressure; slowed above 1
STRIKES = 3  # different messages deferred before a lock: one large mailing alone locks nobody out
TRICKLE = 10  # recipients of a message that may still pass now and then
MOST_STRIKES = 60_000
SCORED_FROM = 0.5  # pressure from which outgoing mail is worth the classifier's time
_SPAM_WEIGHT = 0.3  # of the latest message's score in the running one


class Step(IntEnum):
    """How far sending is restricted."""

    FREE = 0
    SLOWED = 1
    HELD = 2
    LOCKED = 3


PACE = {Step.SLOWED: 60.0, Step.HELD: 600.0}
"""Seconds between messages that may still pass."""


class Sign(StrEnum):
    """What was unusual; the same word serves log, event and notice."""

    VOLUME_HOUR = "volume-hour"
    VOLUME_DAY = "volume-day"
    NEW_RECIPIENTS = "new-recipients"
    UNUSUAL_HOUR = "unusual-hour"
    UNUSUAL_NETWORK = "unusual-network"
    REFUSED_RECIPIENTS = "refused-recipients"
    LOOKS_LIKE_SPAM = "looks-like-spam"


_WEIGHTS = {
    Sign.NEW_RECIPIENTS: 1.0,
    Sign.UNUSUAL_HOUR: 0.5,
    Sign.UNUSUAL_NETWORK: 0.5,
    Sign.REFUSED_RECIPIENTS: 2.0,
    Sign.LOOKS_LIKE_SPAM: 2.0,
}


_AT_THE_MOST = (1.0 + sum(_WEIGHTS.values())) / SCORED_FROM
"""How many times its share of a ceiling a message's pressure can be, in units of what begins to matter."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Recipients an hour and a day.

    Attributes:
        allowance: for an account that is not known yet; of one that is, half of it is the least a ceiling can be.
        most: no ceiling exceeds this, however an account has grown.
    """

    allowance: tuple[float, float] = (100.0, 400.0)
    most: tuple[float, float] = (1000.0, 5000.0)


class Attempt(NamedTuple):
    """A message somebody wants to send.

    Attributes:
        time: unix seconds.
        recipients: 1 or more.
        fresh: those never written to before; half each where the domain is known.
        refused: further recipients that were refused before, as nobody's address.
        network: a digest of the client's network.
        fingerprint: 32 bits of the set of recipients: the same message tried again is no new evidence.
        country: a digest of the client's country, where somebody knows it.
        spam: the classifier's score of the message, 0 to 1, where it was at hand.
    """

    time: float
    recipients: int
    fresh: float
    refused: int
    network: int
    fingerprint: int
    country: int | None = None
    spam: float | None = None


class Judgement(NamedTuple):
    """What becomes of an attempt.

    Attributes:
        accepted: the message may go.
        step: how far sending is restricted now.
        pressure: 1 is the most that is usual; with what was deferred, when there is a restriction; 0 where a glance
            was enough.
        wait: seconds until another attempt may succeed; 0 when accepted or when waiting alone does not help.
        signs: what was unusual, heaviest first.
        is_new: this step has not been reported in this event.
        is_first: nor has any other.
        counts: of the last hour, with this message; None while nothing is restricted.
        ceiling: recipients an hour.
    """

    accepted: bool
    step: Step
    pressure: float
    wait: float
    signs: tuple[Sign, ...]
    is_new: bool
    is_first: bool
    counts: Counts | None
    ceiling: float


def judge(baseline: Baseline, step: Step, attempt: Attempt, policy: Policy) -> Judgement:
    """Decide about one message and note it in the baseline.

    1. The baseline comes to the present, and learns from a day that is over. 2. Volume over ceiling, times strangeness,
    is the pressure: of what was accepted with this message, and of what was asked for in all. 3. A lock stays until it
    is lifted; else the pressures give the step. 4. Slowed and held, a small message passes now and then; the rest is
    deferred, and counts as asked for, once.

    Args:
        baseline: of the account; changed in place.
        step: as the last judgement left it.
    """
    attempt = _bounded(attempt)
    baseline.advance(attempt.time, policy.allowance, policy.most)  # 1
    if baseline.told and abs(attempt.time - baseline.anomaly) > QUIET_SECONDS:
        baseline.told, baseline.strikes, baseline.deferred = Step.FREE, 0, []
    if step is not Step.LOCKED and _is_far_below(baseline, attempt, policy):
        _accept(baseline, attempt)
        return Judgement(True, Step.FREE, 0.0, 0.0, (), False, False, None, baseline.series[1].ceiling)
    load = _load(baseline, attempt, policy)  # 2
    if step is not Step.LOCKED:  # 3
        step = _step(baseline, attempt, load)
    if step is Step.FREE:
        _accept(baseline, attempt)
        return Judgement(True, step, load.pressure, 0.0, (), False, False, None, load.ceiling)
    is_new, is_first = step > baseline.told, baseline.told == Step.FREE
    baseline.anomaly, baseline.told = attempt.time, max(step, baseline.told)
    due = PACE.get(step, math.inf) - abs(attempt.time - baseline.accepted)  # 4
    is_small = attempt.recipients <= TRICKLE
    accepted = is_small and due <= 0
    (_accept if accepted else _defer)(baseline, attempt)
    wait = max(due, 1.0) if is_small and not accepted and step is not Step.LOCKED else 0.0
    counts = baseline.hour.sliding(attempt.time)
    return Judgement(accepted, step, load.total, wait, load.signs, is_new, is_first, counts, load.ceiling)


def lift(baseline: Baseline, time: float) -> None:
    """The owner or the administrator has looked at it: the counts start anew, with higher ceilings for a day."""
    baseline.hour.clear()
    baseline.day.clear()
    baseline.anomaly, baseline.told, baseline.strikes, baseline.deferred = 0.0, Step.FREE, 0, []
    baseline.spam = baseline.usual_spam
    baseline.trusted = _between(time, 0.0, float(1 << 39)) + TRUST_SECONDS


def note_refused(baseline: Baseline, time: float, policy: Policy) -> None:
    """A recipient of this account's mail turned out to be nobody, by another server's word."""
    baseline.advance(_between(time, 0.0, float(1 << 39)), policy.allowance, policy.most)
    for window in (baseline.hour, baseline.day):
        window.now.refused = min(MOST, window.now.refused + 1.0)


def _between(value: float, least: float, most: float) -> float:
    """The value within bounds; what is not a number is the least."""
    return min(most, value) if value >= least else least


def _bounded(attempt: Attempt) -> Attempt:
    """The attempt with every figure in its range."""
    is_sane = 0.0 <= attempt.time <= 1e11 and 1 <= attempt.recipients <= 1_000_000 and 0 <= attempt.refused <= 1_000_000
    if is_sane and 0.0 <= attempt.fresh <= attempt.recipients and (attempt.spam is None or 0.0 <= attempt.spam <= 1.0):
        return attempt
    recipients = int(_between(attempt.recipients, 1, 1_000_000))
    spam = attempt.spam
    return Attempt(
        time=_between(attempt.time, 0.0, float(1 << 39)),
        recipients=recipients,
        fresh=_between(attempt.fresh, 0.0, recipients),
        refused=int(_between(attempt.refused, 0, 1_000_000)),
        network=attempt.network,
        fingerprint=attempt.fingerprint & 0xFFFFFFFF,
        country=attempt.country,
        spam=None if spam is None or math.isnan(spam) else _between(spam, 0.0, 1.0),
    )


def _ceilings(baseline: Baseline, policy: Policy, time: float) -> tuple[float, ...]:
    """Messages and recipients an hour, messages and recipients a day; never under 1."""
    factor = TRUST if time < baseline.trusted <= time + TRUST_SECONDS else 1.0
    return tuple(
        max(1.0, min(policy.most[place // 2], factor * series.ceiling)) for place, series in enumerate(baseline.series)
    )


class _Load(NamedTuple):
    """What an attempt would make of the last hour and day.

    Attributes:
        before, pressure, total: pressure of what was accepted before it, with it, and with what was deferred.
        ceiling: recipients an hour.
        signs: what is unusual, heaviest first.
    """

    before: float
    pressure: float
    total: float
    ceiling: float
    signs: tuple[Sign, ...]


def _is_far_below(baseline: Baseline, attempt: Attempt, policy: Policy) -> bool:
    """True when the volume is so small that nothing strange about it could matter: nearly all mail of nearly everybody,
    which is therefore looked at no further."""
    if attempt.recipients > TRICKLE:
        return False
    for place, window in enumerate((baseline.hour, baseline.day)):
        most, messages, recipients = policy.most[place], *baseline.series[2 * place : 2 * place + 2]
        sent, reached = window.volume(attempt.time)
        if (sent + 1.0) * _AT_THE_MOST > min(most, messages.ceiling):
            return False
        if (reached + attempt.recipients) * _AT_THE_MOST > min(most, recipients.ceiling):
            return False
    return True


def _load(baseline: Baseline, attempt: Attempt, policy: Policy) -> _Load:
    hour, day = baseline.hour.sliding(attempt.time), baseline.day.sliding(attempt.time)
    ceilings = _ceilings(baseline, policy, attempt.time)
    again = attempt.recipients if attempt.fingerprint in baseline.deferred else 0
    used = with_it = asked = 0.0
    volume = Sign.VOLUME_HOUR
    for sign, counts, messages, recipients in (
        (Sign.VOLUME_HOUR, hour, ceilings[0], ceilings[1]),
        (Sign.VOLUME_DAY, day, ceilings[2], ceilings[3]),
    ):
        wanted = counts.recipients + attempt.recipients
        share = max((counts.messages + 1.0) / messages, wanted / recipients)
        if share > with_it:
            with_it, volume = share, sign
        used = max(used, counts.messages / messages, counts.recipients / recipients)
        asked = max(asked, share, (wanted + max(0.0, counts.deferred - again)) / recipients)
    strange = _strangeness(baseline, attempt, hour, day)
    factor = 1.0 + sum(_WEIGHTS[sign] * value for sign, value in strange.items())
    odd = sorted((sign for sign in strange if strange[sign] > 0.1), key=lambda sign: -_WEIGHTS[sign] * strange[sign])
    return _Load(used * factor, with_it * factor, asked * factor, ceilings[1], (volume, *odd))


def _strangeness(baseline: Baseline, attempt: Attempt, hour: Counts, day: Counts) -> dict[Sign, float]:
    """Each sign from 0 to 1: how far beyond this account's usual. What must be known first counts as far as it is."""
    recipients = hour.recipients + attempt.recipients
    fresh = min(1.0, (hour.fresh + attempt.fresh) / max(recipients, 5.0))
    # Under ten recipients a share says nothing.
    refused = min(1.0, (day.refused + attempt.refused) / max(day.recipients + attempt.recipients, 10.0))
    spam = baseline.spam if attempt.spam is None else max(baseline.spam, attempt.spam)
    odd_hour, odd_network = baseline.strangeness(attempt.time, attempt.network, attempt.country)
    known = baseline.confidence
    return {
        Sign.NEW_RECIPIENTS: known * max(0.0, fresh - baseline.usual_fresh),
        Sign.UNUSUAL_HOUR: known * odd_hour,
        Sign.UNUSUAL_NETWORK: known * odd_network,
        Sign.REFUSED_RECIPIENTS: max(0.0, refused - max(0.1, baseline.usual_refused)),
        Sign.LOOKS_LIKE_SPAM: max(0.0, spam - max(0.3, baseline.usual_spam)),
    }


def _step(baseline: Baseline, attempt: Attempt, load: _Load) -> Step:
    """Mail within the ceiling passes whatever else waits: one mailing that is too large holds nothing else up."""
    if load.pressure <= 1.0:
        return Step.FREE
    strikes = baseline.strikes + (attempt.fingerprint not in baseline.deferred)
    if load.before >= LOCKED_AT or (load.total >= LOCKED_AT and strikes >= STRIKES):
        return Step.LOCKED
    return Step.SLOWED if load.total < HELD_AT else Step.HELD


def _accept(baseline: Baseline, attempt: Attempt) -> None:
    """Note a message that goes."""
    _add(baseline.hour.now, attempt)
    _add(baseline.day.now, attempt)
    (messages, recipients), peak = baseline.hour.volume(attempt.time), baseline.peak
    peak.messages, peak.recipients = max(peak.messages, messages), max(peak.recipients, recipients)
    baseline.meet(attempt.time, attempt.network, attempt.country)
    baseline.accepted = attempt.time
    if attempt.spam is not None:
        baseline.spam += _SPAM_WEIGHT * (attempt.spam - baseline.spam)
    if attempt.fingerprint in baseline.deferred:
        baseline.deferred.remove(attempt.fingerprint)
        for window in (baseline.hour, baseline.day):  # what waited has gone: it is not asked for twice
            window.now.deferred = max(0.0, window.now.deferred - attempt.recipients)


def _defer(baseline: Baseline, attempt: Attempt) -> None:
    """Note a message that has to wait, once."""
    if attempt.fingerprint in baseline.deferred:
        return
    baseline.deferred = [*baseline.deferred[1 - DEFERRED :], attempt.fingerprint]
    baseline.strikes = min(MOST_STRIKES, baseline.strikes + 1)
    for window in (baseline.hour, baseline.day):
        window.now.deferred = min(MOST, window.now.deferred + attempt.recipients)


def _add(counts: Counts, attempt: Attempt) -> None:
    counts.messages = min(MOST, counts.messages + 1.0)
    counts.recipients = min(MOST, counts.recipients + attempt.recipients)
    counts.fresh = min(MOST, counts.fresh + attempt.fresh)
    counts.refused = min(MOST, counts.refused + attempt.refused)
