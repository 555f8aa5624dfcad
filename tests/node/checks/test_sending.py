"""Scoring what an account sends: bounded whatever comes, generous to people, slow to be taught by thieves."""

from __future__ import annotations

import math
import random
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.checks.baseline import DAY, GROWTH, HOUR, MOST, Baseline, Series, pack, unpack
from node.checks.sending import (
    PACE,
    STRIKES,
    TRICKLE,
    TRUST_SECONDS,
    Attempt,
    Judgement,
    Policy,
    Sign,
    Step,
    judge,
    lift,
    note_refused,
)

POLICY = Policy()
START = 20_000 * DAY  # midnight, UTC
HOME, AWAY = 7, 8


class Account:
    """An account that sends; keeps what the node keeps, packed, between messages."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.kept = pack(Baseline())
        self.step = Step.FREE
        self.number = 0

    def send(self, time: float, recipients: int = 1, fresh: float = 0.0, **more: object) -> Judgement:
        self.number += 1
        attempt = Attempt(
            **{
                "time": time,
                "recipients": recipients,
                "fresh": fresh,
                "refused": 0,
                "network": HOME,
                "fingerprint": self.number,
                **more,
            }  # type: ignore[arg-type]
        )
        baseline = self.baseline
        judgement = judge(baseline, self.step, attempt, self.policy)
        self.step, self.kept = judgement.step, pack(baseline)
        return judgement

    def unlock(self, time: float) -> None:
        baseline = self.baseline
        lift(baseline, time)
        self.step, self.kept = Step.FREE, pack(baseline)

    @property
    def baseline(self) -> Baseline:
        found = unpack(self.kept)
        assert found is not None
        return found

    @property
    def ceiling(self) -> float:
        return self.baseline.series[1].ceiling

    def work_days(self, first: int, days: int, a_day: int = 12) -> list[Judgement]:
        """So many days of office mail from 9 to 17 o'clock, to people known already."""
        times = [
            START + (first + day) * DAY + 9 * HOUR + n * 8 * HOUR / a_day for day in range(days) for n in range(a_day)
        ]
        return [self.send(time) for time in times]


def figures(baseline: Baseline) -> list[float]:
    series = [value for each in baseline.series for value in astuple(each)]
    windows = [value for w in (baseline.hour, baseline.day) for c in (w.now, w.before) for value in astuple(c)]
    plain = [baseline.days, baseline.usual_fresh, baseline.usual_refused, baseline.usual_spam, baseline.spam]
    return [*series, *windows, *astuple(baseline.peak), *baseline.hours, *plain, baseline.accepted, baseline.trusted]


wild = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-10, 10),
    st.sampled_from([START, START + 3600.5, 1e300]),
)
counts = st.one_of(st.integers(-5, 2000), st.integers(10**9, 10**30))
attempts = st.builds(
    Attempt,
    time=st.one_of(wild, st.floats(START, START + 400 * DAY)),
    recipients=counts,
    fresh=wild,
    refused=counts,
    network=st.integers(0, 12),
    fingerprint=st.integers(0, 40),
    country=st.none() | st.integers(0, 12),
    spam=st.none() | wild,
)
policies = st.builds(
    Policy,
    allowance=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
    most=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
)


@given(st.lists(st.one_of(attempts, st.sampled_from(["lift", "refused"])), max_size=30), policies)
def test_every_figure_stays_finite_whatever_comes(events: list[Attempt | str], policy: Policy) -> None:
    baseline, step, time = Baseline(), Step.FREE, float(START)
    for event in events:
        if isinstance(event, Attempt):
            time = event.time
            judgement = judge(baseline, step, event, policy)
            step = judgement.step
            assert 0 <= judgement.pressure <= MOST
            assert 0 <= judgement.wait <= max(PACE.values())
            assert judgement.accepted or judgement.signs
            assert 1 <= judgement.ceiling < math.inf
        elif event == "lift":
            lift(baseline, time)
            step = Step.FREE
        else:
            note_refused(baseline, time, policy)
        assert all(0 <= figure < math.inf for figure in figures(baseline))
        again = unpack(pack(baseline))
        assert again is not None
        assert pack(again) == pack(baseline)


@given(st.binary(max_size=900))
def test_what_is_no_baseline_is_refused(content: bytes) -> None:
    found = unpack(content)
    assert found is None or all(0 <= figure < math.inf for figure in figures(found))


@given(st.integers(0, 323), st.integers(0, 255))
def test_a_damaged_baseline_is_refused_or_within_bounds(place: int, octet: int) -> None:
    account = Account()
    account.work_days(0, 2)
    content = bytearray(account.kept)
    content[place % len(content)] = octet
    found = unpack(bytes(content))
    if found is not None:
        assert all(0 <= figure < math.inf for figure in figures(found))
        judge(found, Step.FREE, Attempt(START + 9 * DAY, 1, 0, 0, 1, 1), POLICY)
        assert unpack(pack(found)) is not None


def test_a_cut_baseline_is_none() -> None:
    account = Account()
    account.send(START, 300)
    account.send(START)
    for end in range(len(account.kept)):
        assert unpack(account.kept[:end]) is None
    assert unpack(account.kept + b"\0") is None


def test_a_new_account_has_its_whole_allowance_and_no_more() -> None:
    account = Account()
    answers = [account.send(START + n, fresh=1.0) for n in range(300)]
    assert [answer.accepted for answer in answers[:100]] == [True] * 100
    assert answers[100].step is Step.SLOWED
    assert not answers[100].accepted
    assert Sign.VOLUME_HOUR in answers[100].signs
    assert account.step is Step.LOCKED


def test_the_steps_come_in_order_and_each_is_new_once() -> None:
    account = Account()
    answers = [account.send(START + n) for n in range(300)]
    steps = [answer.step for answer in answers]
    assert steps == sorted(steps)
    assert set(steps) == set(Step)
    assert [answer.step for answer in answers if answer.is_new] == [Step.SLOWED, Step.HELD, Step.LOCKED]
    assert [answer.step for answer in answers if answer.is_first] == [Step.SLOWED]


def test_a_lock_stays_whatever_time_goes_by() -> None:
    account = Account()
    for n in range(300):
        account.send(START + n)
    for time in (START + HOUR, START + DAY, START + 400 * DAY):
        answer = account.send(time)
        assert (answer.accepted, answer.step, answer.wait) == (False, Step.LOCKED, 0)


def test_slowed_sending_goes_on_at_a_pace() -> None:
    account = Account()
    for n in range(100):
        account.send(START + n / 10)
    refused = account.send(START + 20)
    assert (refused.accepted, refused.step) == (False, Step.SLOWED)
    assert 30 < refused.wait <= PACE[Step.SLOWED]
    assert account.send(START + 20 + refused.wait).accepted
    assert not account.send(START + 21 + refused.wait).accepted


def test_once_it_is_quiet_sending_is_free_again() -> None:
    account = Account()
    for n in range(105):
        account.send(START + n / 10)
    assert account.step is Step.SLOWED
    answer = account.send(START + 2 * HOUR)
    assert (answer.accepted, answer.step) == (True, Step.FREE)


def test_one_mailing_that_is_too_large_waits_and_holds_nothing_else_up() -> None:
    account = Account()
    mailing = account.send(START, 250, fingerprint=999)
    assert (mailing.accepted, mailing.step, mailing.wait) == (False, Step.HELD, 0)
    for n in range(50):
        assert account.send(START + n).accepted
        assert not account.send(START + n, 250, fingerprint=999).accepted, "the client's queue tries again"
    assert account.step is not Step.LOCKED
    assert account.baseline.strikes == 1


@given(st.integers(11, 1000), st.sampled_from([0.0, 0.5, 1.0]))
def test_large_mailings_to_different_people_lock_after_three(recipients: int, fresh: float) -> None:
    account = Account()
    answers = [account.send(START + n, 200 + recipients, fresh * recipients) for n in range(STRIKES)]
    assert not any(answer.accepted for answer in answers)
    assert [answer.step for answer in answers] == [Step.HELD, Step.HELD, Step.LOCKED]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.floats(0.01, 400), st.randoms(use_true_random=False))
def test_never_is_more_sent_in_an_hour_than_twice_the_ceiling(
    sizes: list[int], pause: float, chance: random.Random
) -> None:
    account, taken, time = Account(), [], float(START)
    for _ in range(20):
        for size in sizes:
            time += pause * chance.random()
            ceiling = POLICY.allowance[0]  # of a new account; what it learns in a day cannot be more than GROWTH
            if account.send(time, size).accepted:
                taken.append((time, size))
            hour = sum(size for at, size in taken if at > time - HOUR)
            # The estimate assumes that the older hour's mail came evenly: it may be off by what lies before the window.
            assert hour <= 2 * GROWTH ** (1 + (time - START) // DAY) * ceiling * 2 + TRICKLE


def test_somebody_with_an_office_is_never_hindered() -> None:
    account = Account()
    assert all(answer.accepted and answer.step is Step.FREE for answer in account.work_days(0, 120, a_day=30))


def test_a_steady_newsletter_is_not_flagged() -> None:
    account = Account(Policy(most=(5000.0, 20000.0)))
    size, flagged = 90, 0
    for week in range(60):
        size = min(2500, int(size * 1.12))  # the list grows, then is steady
        answer = account.send(START + week * 7 * DAY + 10 * HOUR, size, fresh=size * 0.02)
        flagged += not answer.accepted
    assert size == 2500
    assert flagged == 0


def test_slow_drift_is_followed() -> None:
    account, a_day = Account(), 40.0
    for day in range(60):
        a_day = min(390.0, a_day * 1.05)
        for n in range(int(a_day)):
            answer = account.send(START + day * DAY + 9 * HOUR + n * 60)
            assert answer.accepted, (day, n, answer)
    assert account.baseline.series[3].ceiling > 600


@given(st.integers(14, 60), st.integers(1, 5))
def test_a_burst_from_elsewhere_at_night_is_noticed_within_so_many_messages(days: int, each: int) -> None:
    account = Account()
    account.work_days(0, days)
    night = START + days * DAY + 3 * HOUR
    seen = []
    for n in range(100):
        answer = account.send(night + n, each, fresh=float(each), network=AWAY)
        seen.append(answer)
        if not answer.accepted:
            break
    sent = sum(each for answer in seen if answer.accepted)
    assert not seen[-1].accepted
    assert sent <= 40
    assert {Sign.NEW_RECIPIENTS, Sign.UNUSUAL_HOUR, Sign.UNUSUAL_NETWORK} <= set(seen[-1].signs)


def test_the_same_burst_at_home_to_friends_has_more_room() -> None:
    home, away = Account(), Account()
    for account in (home, away):
        account.work_days(0, 30)
    noon = START + 30 * DAY + 12 * HOUR
    kept = [sum(home.send(noon + n).accepted for n in range(100))]
    kept.append(sum(away.send(noon - 9 * HOUR + n, fresh=1.0, network=AWAY).accepted for n in range(100)))
    assert kept[0] >= 1.5 * kept[1]


def test_dead_addresses_and_spam_weigh_without_knowing_the_account() -> None:
    plain, dead, spam = Account(), Account(), Account()
    kept = [
        sum(plain.send(START + n).accepted for n in range(120)),
        sum(dead.send(START + n, refused=1).accepted for n in range(120)),
        sum(spam.send(START + n, spam=0.99).accepted for n in range(120)),
    ]
    assert kept[0] == 100
    assert kept[1] < 60
    assert kept[2] < 60
    assert Sign.REFUSED_RECIPIENTS in dead.send(START + 121, refused=1).signs
    assert Sign.LOOKS_LIKE_SPAM in spam.send(START + 121, spam=0.99).signs


def test_bounces_weigh_like_refusals() -> None:
    account = Account()
    for n in range(20):
        account.send(START + n)
        baseline = account.baseline
        note_refused(baseline, START + n, POLICY)
        account.kept = pack(baseline)
    assert account.send(START + 30).pressure > 2 * 21 / 100


@given(st.data())
def test_no_thief_raises_a_ceiling_by_more_than_a_fifth_a_day(data: st.DataObject) -> None:
    account, ceilings = Account(), [POLICY.allowance[0]]
    account.work_days(0, data.draw(st.integers(0, 20)))
    first = account.baseline.day.index + 1
    ceilings.append(max(account.ceiling, ceilings[0]))
    for day in range(first, first + 12):
        sizes = data.draw(st.lists(st.integers(1, 1500), max_size=12))
        for n, size in enumerate(sizes):
            account.send(day * DAY + n * 2 * HOUR, size)
            if account.step is Step.LOCKED:
                account.unlock(day * DAY + n * 2 * HOUR)
            assert account.ceiling <= max(POLICY.allowance[0], GROWTH * ceilings[-1]) * 1.000001
        ceilings.append(max(account.ceiling, POLICY.allowance[0]))


def test_a_thiefs_hours_and_network_do_not_become_familiar() -> None:
    account = Account()
    account.work_days(0, 30)
    for day in range(30, 35):
        for n in range(60):
            account.send(START + day * DAY + 3 * HOUR + n, fresh=1.0, network=AWAY)
        account.unlock(START + day * DAY + 4 * HOUR) if day == 34 else None
    strange = account.baseline.strangeness(START + 35 * DAY + 3 * HOUR, AWAY, None)
    assert strange[0] > 0.5
    assert strange[1] > 0.5


def test_a_new_network_in_a_familiar_country_is_half_as_strange() -> None:
    account = Account()
    for day in range(10):
        account.send(START + day * DAY, country=49)
    time = START + 10 * DAY
    assert account.baseline.strangeness(time, HOME, 49)[1] == 0
    assert account.baseline.strangeness(time, AWAY, 49)[1] == pytest.approx(0.5)
    assert account.baseline.strangeness(time, AWAY, 1)[1] == 1
    assert account.baseline.strangeness(time, AWAY, None)[1] == 1


def test_an_unlock_gives_room_for_a_day() -> None:
    account = Account()
    for n in range(250):
        account.send(START + n)
    assert account.step is Step.LOCKED
    account.unlock(START + 300)
    assert account.send(START + 301, 250).accepted
    later = Account()
    later.kept, later.step = account.kept, account.step
    assert not later.send(START + 300 + TRUST_SECONDS + 2 * DAY, 250).accepted


def test_what_was_learnt_fades_without_mail() -> None:
    account = Account(Policy(most=(5000.0, 20000.0)))
    for week in range(30):
        account.send(START + week * 7 * DAY, min(1000, int(90 * 1.15**week)))
    grown = account.ceiling
    account.send(START + (29 * 7 + 365) * DAY)
    assert grown > 1000
    assert account.ceiling < grown / 4


def test_a_clock_that_was_wrong_for_a_while_locks_nobody_out() -> None:
    account = Account()
    account.work_days(0, 5)
    account.send(START + 5000 * DAY)
    assert all(answer.accepted for answer in account.work_days(6, 20))


@given(st.lists(st.floats(0, 1e12), max_size=200))
def test_a_series_is_an_average_and_a_variance(values: list[float]) -> None:
    series = Series()
    for value in values:
        series.learn(value, 0.2)
        series.settle(50, 1000, 100)
        assert 50 <= series.ceiling <= 1000
    if values:
        assert 0 <= series.mean <= min(max(values), MOST) * 1.000001


def test_ceilings_follow_the_average_of_what_is_steady() -> None:
    series = Series()
    for _ in range(100):
        series.learn(300, 0.2)
        series.settle(50, 1000, 100)
    assert series.mean == pytest.approx(300)
    assert series.variance == pytest.approx(0, abs=1)
    assert series.ceiling == pytest.approx(600, rel=0.01)
