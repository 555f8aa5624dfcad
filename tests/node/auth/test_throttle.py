"""Growing delays."""

from __future__ import annotations

import pytest

from node.auth.throttle import Pace, Throttle, network

PACE = Pace(free=3, first_seconds=2, longest_seconds=60, forget_seconds=900, entries=4)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_waiting_doubles_after_the_free_failures_and_stops_growing() -> None:
    throttle = Throttle(PACE, Clock())
    waits = []
    for _ in range(10):
        throttle.fail("a")
        waits.append(throttle.wait("a"))
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 60, 60]
    assert throttle.wait("b") == 0


def test_waiting_ends_and_is_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(PACE, clock)
    for _ in range(4):
        throttle.fail("a")
    clock.now += 2
    assert throttle.wait("a") == 0
    throttle.fail("a")
    assert throttle.wait("a") == 4
    clock.now += 901
    throttle.fail("a")
    assert throttle.wait("a") == 0


def test_a_million_failures_overflow_nothing() -> None:
    throttle = Throttle(PACE, Clock())
    for _ in range(5000):
        throttle.fail("a")
    assert throttle.wait("a") == 60


def test_the_table_does_not_grow() -> None:
    throttle = Throttle(PACE, Clock())
    for number in range(100):
        throttle.fail(str(number))
    assert len(throttle) == 4


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("x" * 1000, "x" * 64),
    ],
)
def test_a_peer_is_counted_by_the_block_a_customer_gets(peer: str, counted: str) -> None:
    assert network(peer) == counted
