"""Lifting the lock on sending: its owner, logged in, signs once more."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.auth.consent import Deed
from node.auth.refusal import Refusal
from node.auth.throttle import network
from node.base import metrics
from node.base.log import get_log
from node.flow.sending import Kind, restriction, unlock
from node.servers.http.body import read_json
from node.servers.http.house import answer_json, cookie, house, peer, visitor
from node.servers.http.problem import LOGIN_FIRST, answer_problem, answer_refusal
from node.servers.http.siwe import NonceRequest, VerifyRequest, to_sign
from node.store.transaction import Writing

log = get_log(__name__)

UNLOCK = Deed(
    "unlock", "Unlock sending from my mailbox. This signature costs nothing and moves nothing.", "/account/unlock"
)

STAYS = "Sending was not unlocked"


async def page(request: Request) -> Response:
    """GET /account/unlock: choose a wallet. Whoever has nothing to unlock is led to the account."""
    person = await visitor(request)
    if person is None:
        return RedirectResponse("/login", 303)
    here = house(request)
    if await here.database.read(lambda tx: restriction(tx, person.id, time.time())) is None:
        return RedirectResponse("/account", 303)
    return here.templates.page("unlock.html", account=person, statement=UNLOCK.statement)


async def nonce(request: Request) -> Response:
    """POST /auth/unlock/nonce: the message to sign, good once, for this session and this deed, for five minutes."""
    asked = await read_json(request, NonceRequest)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    here = house(request)
    challenge = await here.consent.challenge(UNLOCK, cookie(request, "session"), peer(request))
    if isinstance(challenge, Refusal):
        return answer_refusal(request, challenge, STAYS)
    content = {"nonce": challenge.nonce, "statement": challenge.statement, "uri": challenge.uri}
    return to_sign(request, challenge, asked, content)


async def verify(request: Request) -> Response:
    """POST /auth/unlock/verify: lift every restriction on sending, when a wallet of this very account has signed."""
    sent = await read_json(request, VerifyRequest)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    asker = network(peer(request))

    def work(tx: Writing, subject: str) -> bool:
        return unlock(tx, person.id, time.time(), subject, asker)

    result = await house(request).consent.verify(
        UNLOCK,
        person,
        cookie(request, "session"),
        signed=(sent.message, sent.signature),
        peer=asker,
        work=work,
    )
    if isinstance(result, Refusal):
        return answer_refusal(request, result, STAYS)
    if result:
        metrics.security_events.labels(Kind.UNLOCKED).inc()
        log.warning("security.event", kind=str(Kind.UNLOCKED), account=person.address, network=asker)
    return answer_json({"unlocked": result, "location": "/account"})
