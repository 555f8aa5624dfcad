"""When to try again, and when to give up. Pure: time and chance are handed in."""

from __future__ import annotations

EXPIRY_SECONDS = 5 * 24 * 3600  # RFC 5321 §4.5.4.1: "at least 4-5 days"
STEPS = (300, 900, 1800, 3600, 7200, 14400)  # seconds after the first, second ... failure; the last one repeats
JITTER = 0.1  # so that mail held up by one fault does not come back all at once


def wait_after(attempts: int, chance: float) -> int:
    """Seconds to wait after a failed attempt.

    Args:
        attempts: failures so far, this one included; 1 or more.
        chance: a random number in [0, 1); spreads the wait by a tenth to either side.
    """
    step = STEPS[min(max(attempts, 1), len(STEPS)) - 1]
    return round(step * (1 + JITTER * (2 * chance - 1)))


def next_attempt(attempts: int, now: float, expires: int, chance: float) -> int | None:
    """Unix seconds of the next attempt, or None when the message has waited long enough and goes back.

    The last attempt is made at the moment of expiry, not one step before it.
    """
    if now >= expires:
        return None
    return min(int(now) + wait_after(attempts, chance), expires)
