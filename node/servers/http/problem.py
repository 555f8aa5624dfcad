"""Errors as answers: what happened and what to do next, as a page for people and as JSON for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from node.auth.refusal import Reason, Refusal
from node.servers.http.house import answer_json, house, wants_json


@dataclass(frozen=True, slots=True)
class Problem:
    """One error.

    Attributes:
        status: HTTP status.
        reason: for programs, in words-with-hyphens.
        title: what happened.
        advice: what to do next.
    """

    status: int
    reason: str
    title: str
    advice: str


NOT_FOUND = Problem(404, "not-found", "There is nothing here", "Check the address, or go back to the start page.")
LOGIN_FIRST = Problem(401, "login-first", "Please log in first", "Log in with your wallet; it takes one signature.")
BAD_REQUEST = Problem(400, "bad-request", "That request could not be read", "Go back, reload the page and try again.")
TOO_LARGE = Problem(413, "too-large", "That is too much at once", "Nothing here needs so much; send less.")
BROKEN = Problem(
    500, "error", "Something went wrong on our side", "It has been noted. Try again; if it stays, tell the operator."
)
SHORTAGE = Problem(
    503, "temporary", "This does not work right now", "The node is short of something it needs. Try again in a minute."
)
_STATUS = {
    Reason.TOO_MANY_FAILURES.value: 429,
    Reason.BLOCKED_NETWORK.value: 429,
    Reason.BUSY.value: 429,
    Reason.CHAIN_AWAY.value: 503,
    Reason.PROVIDER_AWAY.value: 503,
    Reason.GATE_UNKNOWN.value: 503,
    Reason.LAST_WAY_IN.value: 409,
    Reason.TOO_MANY.value: 409,
    Reason.TAKEN.value: 409,
    Reason.UNUSABLE.value: 422,
}
METHOD = Problem(405, "method", "That is not how this page works", "Go back to the start page.")


def answer_problem(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem in the form the asker can read."""
    if wants_json(request):
        response = answer_json({"error": problem.reason, "words": f"{problem.title}. {problem.advice}"}, problem.status)
    else:
        response = house(request).templates.page("problem.html", problem.status, problem=problem)
    response.headers.update(headers or {})
    return response


def answer_refusal(request: Request, refusal: Refusal, title: str = "You were not logged in") -> Response:
    """A login that was refused: 429 or 503 when waiting helps, 403 when it does not."""
    words = refusal.words[0].upper() + refusal.words[1:]
    status = _STATUS.get(refusal.reason.value, 403)
    problem = Problem(status, refusal.reason.value, title, f"{words}.")
    headers = {"retry-after": str(math.ceil(refusal.retry_after))} if refusal.temporary else None
    return answer_problem(request, problem, headers)
