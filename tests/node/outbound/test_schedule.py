"""When mail is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.outbound.schedule import EXPIRY_SECONDS, STEPS, next_attempt, wait_after


def test_the_steps_grow_and_the_last_repeats() -> None:
    assert [wait_after(attempts, 0.5) for attempts in range(1, 9)] == [300, 900, 1800, 3600, 7200, 14400, 14400, 14400]


def test_chance_spreads_by_a_tenth() -> None:
    assert (wait_after(1, 0), wait_after(1, 1)) == (270, 330)


def test_the_last_attempt_is_at_expiry_and_none_behind_it() -> None:
    assert next_attempt(3, 1000, 1100, 0.5) == 1100
    assert next_attempt(3, 1100, 1100, 0.5) is None


@given(st.floats(0, 1, exclude_max=True))
def test_mail_is_tried_for_five_days_some_thirty_times(chance: float) -> None:
    now, attempts = 0, 0
    when: int | None = 0
    while when is not None:
        assert when >= now
        now, attempts = when, attempts + 1
        when = next_attempt(attempts, now, EXPIRY_SECONDS, chance)
    assert now == EXPIRY_SECONDS
    assert len(STEPS) < 25 < attempts < 50
