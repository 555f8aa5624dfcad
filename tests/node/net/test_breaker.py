"""The breaker opens after failures in a row, lets one trial through after a growing rest, and believes no old news."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from node.net.breaker import NEXT, Breaker, Event, Patience, State, Ticket


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, patience: Patience) -> Breaker:
    breaker = Breaker("test", patience, clock)
    for _ in range(patience.failures):
        fail(breaker)
    assert breaker.state is State.OPEN
    return breaker


def admitted(breaker: Breaker) -> Ticket:
    ticket = breaker.admit()
    assert ticket
    return ticket


def fail(breaker: Breaker) -> None:
    breaker.settle(admitted(breaker), Event.FAILED)


def test_failures_in_a_row_open_it_and_a_success_starts_the_count_anew() -> None:
    breaker = Breaker("test", Patience(failures=3), Clock())
    for event in (Event.FAILED, Event.FAILED, Event.ANSWERED, Event.FAILED, Event.ABANDONED, Event.FAILED):
        breaker.settle(admitted(breaker), event)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN
    assert breaker.admit() is None


def test_one_trial_after_the_rest() -> None:
    clock = Clock()
    breaker = opened(clock, Patience(failures=2, rest=10))
    clock.now += 9.9
    assert breaker.admit() is None
    clock.now += 0.1
    trial = admitted(breaker)
    assert breaker.admit() is None, "one at a time"
    breaker.settle(trial, Event.ANSWERED)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.CLOSED, "the count starts anew"


def test_the_rest_grows_with_each_failed_trial_and_is_short_again_after_success() -> None:
    clock, rests = Clock(), []
    breaker = opened(clock, Patience(failures=1, rest=10, longest=50))
    for _ in range(5):
        start = clock.now
        while (trial := breaker.admit()) is None:
            clock.now += 1
        rests.append(clock.now - start)
        breaker.settle(trial, Event.FAILED)
    assert rests == [10, 20, 40, 50, 50]
    clock.now += 50
    breaker.settle(admitted(breaker), Event.ANSWERED)
    fail(breaker)
    clock.now += 10
    assert breaker.admit()


def test_a_trial_that_is_given_up_lets_the_next_one_try_at_once() -> None:
    """The sender hung up while its message was the trial: nobody must wait for ever for its end."""
    clock = Clock()
    breaker = opened(clock, Patience(failures=1, rest=10))
    clock.now += 10
    breaker.settle(admitted(breaker), Event.ABANDONED)
    assert breaker.admit()


def test_old_news_do_not_count() -> None:
    clock = Clock()
    breaker = Breaker("test", Patience(failures=1, rest=10), clock)
    early, late = admitted(breaker), admitted(breaker)
    breaker.settle(early, Event.FAILED)
    breaker.settle(late, Event.ANSWERED)
    assert breaker.state is State.OPEN, "asked before it opened"
    clock.now += 10
    trial = admitted(breaker)
    breaker.settle(late, Event.FAILED)
    assert breaker.state is State.HALF_OPEN
    breaker.settle(trial, Event.ANSWERED)
    assert breaker.state is State.CLOSED


def test_it_says_so() -> None:
    clock = Clock()
    with structlog.testing.capture_logs() as lines:
        breaker = opened(clock, Patience(failures=2, rest=10))
        assert REGISTRY.get_sample_value("waxseal_check_breaker", {"check": "test"}) == 2
        clock.now += 10
        trial = admitted(breaker)
        assert REGISTRY.get_sample_value("waxseal_check_breaker", {"check": "test"}) == 1
        breaker.settle(trial, Event.ANSWERED)
    assert REGISTRY.get_sample_value("waxseal_check_breaker", {"check": "test"}) == 0
    assert [(line["event"], line["check"]) for line in lines] == [("check.resting", "test"), ("check.back", "test")]


def test_the_table_has_a_row_for_everything_that_can_happen() -> None:
    endings = (Event.ANSWERED, Event.FAILED, Event.EXHAUSTED, Event.ABANDONED)
    assert set(NEXT) == {*itertools.product((State.CLOSED, State.HALF_OPEN), endings), (State.OPEN, Event.RESTED)}


STEPS = st.lists(
    st.one_of(
        st.just("ask"),
        st.floats(0, 100),
        st.tuples(st.integers(0, 20), st.sampled_from([Event.ANSWERED, Event.FAILED, Event.ABANDONED])),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 4))
def test_whatever_happens_it_neither_admits_a_crowd_to_a_sick_daemon_nor_stays_shut(steps: list, failures: int) -> None:
    clock = Clock()
    patience = Patience(failures=failures, rest=10, longest=80)
    breaker = Breaker("test", patience, clock)
    under_way: list[Ticket] = []
    for step in steps:
        if step == "ask":
            before = breaker.state
            ticket = breaker.admit()
            assert (ticket is not None) or before is not State.CLOSED
            assert not (ticket and before is State.HALF_OPEN), "one trial at a time"
            under_way += [ticket] if ticket else []
        elif isinstance(step, float):
            clock.now += step
        elif under_way:
            breaker.settle(under_way.pop(step[0] % len(under_way)), step[1])
    for ticket in under_way:
        breaker.settle(ticket, Event.ABANDONED)
    clock.now += patience.longest
    assert breaker.admit(), "with nobody under way and the longest rest over, somebody may ask"
