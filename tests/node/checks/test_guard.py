"""Asking a daemon never raises and never takes longer than its deadline; the clock is the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import structlog
import trio
import trio.testing

from node.base.errors import LocalProtocolError, Permanent, RemoteProtocolError, Temporary
from node.checks.guard import External, Guard, NotAsked
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.net.breaker import Breaker, Patience, State

pytestmark = pytest.mark.anyio
SUBJECT = Subject(b"Subject: hello\r\n\r\nhello\r\n", 25, "a@example.org", ("b@example.org",), "192.0.2.1")
FINE = Opinion(Reason.FINE, "ham", 0.1, check="test")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def guarding(failures: int = 3, at_once: int = 8) -> tuple[Guard, Breaker]:
    breaker = Breaker("test", Patience(failures=failures, rest=10))
    return Guard(breaker, deadline=5, at_once=at_once), breaker


class Asked:
    """Somebody to ask who does as told."""

    def __init__(self, *answers: Callable[[], Awaitable[Opinion]]) -> None:
        self.answers = list(answers)
        self.times = 0

    async def ask(self, subject: Subject) -> Opinion:
        self.times += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer()


async def fine() -> Opinion:
    return FINE


async def hangs() -> Opinion:
    await trio.sleep_forever()
    raise AssertionError


def fails(error: Exception) -> Callable[[], Awaitable[Opinion]]:
    async def answer() -> Opinion:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hangs, Reason.CHECK_SLOW),
        (fails(Temporary("refused")), Reason.CHECK_UNREACHABLE),
        (fails(Permanent("no")), Reason.CHECK_UNREACHABLE),
        (fails(trio.TooSlowError()), Reason.CHECK_UNREACHABLE),
        (fails(RemoteProtocolError("nonsense")), Reason.CHECK_GARBLED),
        (fails(ZeroDivisionError()), Reason.CHECK_FAILED),
        (fails(ExceptionGroup("several", [OSError()])), Reason.CHECK_FAILED),
    ],
)
async def test_failures_are_reasons_and_open_the_breaker(
    answer: Callable[[], Awaitable[Opinion]], reason: Reason
) -> None:
    guard, breaker = guarding(failures=2)
    asked = Asked(answer)
    check = External(asked, guard)
    start = trio.current_time()
    for _ in range(2):
        opinion = await check.content(SUBJECT)
        assert opinion == Opinion(reason, "unscored", check="test")
        assert (opinion.reply, opinion.folder, opinion.hold) == (None, "", False), "mail flows"
    assert trio.current_time() - start <= 10
    assert breaker.state is State.OPEN
    assert (await check.content(SUBJECT)).reason is Reason.CHECK_RESTING
    assert asked.times == 2, "nobody knocks while it rests"


async def test_it_comes_back() -> None:
    guard, breaker = guarding(failures=1)
    check = External(Asked(hangs, hangs, fine), guard)
    assert (await check.content(SUBJECT)).reason is Reason.CHECK_SLOW
    await trio.sleep(10)
    assert (await check.content(SUBJECT)).reason is Reason.CHECK_SLOW
    await trio.sleep(10)
    assert (await check.content(SUBJECT)).reason is Reason.CHECK_RESTING, "the rest has grown"
    await trio.sleep(10)
    assert await check.content(SUBJECT) == FINE
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("reason", [Reason.CHECK_TOO_LARGE, Reason.CHECK_SPENT])
async def test_what_is_not_asked_is_no_failure(reason: Reason) -> None:
    guard, breaker = guarding(failures=1)
    check = External(Asked(fails(NotAsked(reason))), guard)
    assert (await check.content(SUBJECT)).reason is reason
    assert breaker.state is State.CLOSED


async def test_what_is_not_asked_is_no_sign_of_health_either() -> None:
    guard, breaker = guarding(failures=1)
    check = External(Asked(hangs, fails(NotAsked(Reason.CHECK_TOO_LARGE)), fine), guard)
    await check.content(SUBJECT)
    await trio.sleep(10)
    assert (await check.content(SUBJECT)).reason is Reason.CHECK_TOO_LARGE
    assert breaker.state is State.OPEN
    assert await check.content(SUBJECT) == FINE, "the next one is the trial"


async def test_waiting_for_ones_turn_is_bounded_and_no_failure_of_the_daemons() -> None:
    guard, breaker = guarding(failures=2, at_once=1)
    check = External(Asked(hangs), guard)
    reasons: list[Reason] = []

    async def ask() -> None:
        reasons.append((await check.content(SUBJECT)).reason)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert trio.current_time() - start <= 5
    assert sorted(reasons) == [Reason.CHECK_BUSY] * 4 + [Reason.CHECK_SLOW]
    assert breaker.state is State.CLOSED


async def test_a_question_dropped_by_us_is_no_failure() -> None:
    guard, breaker = guarding(failures=1)
    check = External(Asked(hangs, fine), guard)
    with trio.move_on_after(1) as scope:
        await check.content(SUBJECT)
    assert scope.cancelled_caught
    assert breaker.state is State.CLOSED
    assert await check.content(SUBJECT) == FINE, "its turn has been given back"


async def test_a_bug_is_logged_with_its_traceback() -> None:
    guard, _ = guarding()
    with structlog.testing.capture_logs() as lines:
        await External(Asked(fails(LocalProtocolError("ours"))), guard).content(SUBJECT)
        await External(Asked(fails(KeyError("ours"))), guard).content(SUBJECT)
    assert [line["event"] for line in lines] == ["check.failed", "check.crashed"]
