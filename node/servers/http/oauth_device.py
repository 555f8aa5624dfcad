"""The page where a person types a device's code, sees who asks, and says yes or no (RFC 8628 §3.3)."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.oauth import user_code
from node.anchor import audit
from node.auth.refusal import Refusal
from node.servers.http.body import read_form
from node.servers.http.house import cookie, house, peer, visitor
from node.servers.http.oauth_answer import SCOPE_WORDS, login_first, provider
from node.servers.http.problem import LOGIN_FIRST, NOT_FOUND, Problem, answer_problem, answer_refusal
from node.store import oauth
from node.store.accounts import Account
from node.store.oauth_clients import Device
from node.store.transaction import Writing

_NOT_NOW = "The device was not connected"
_STALE = Problem(403, "stale-form", "This page was open too long", "Nothing was allowed. Type the code in again.")


async def page(request: Request) -> Response:
    """GET /device: where the code is typed in. One in the address is filled in, and looked up by nobody yet."""
    provider(request)
    person = await visitor(request)
    if person is None:
        return login_first(request)
    code = user_code.read(request.query_params.get("user_code", ""))
    return _form(request, person, user_code.show(code) if code else "")


async def decide(request: Request) -> Response:
    """POST /device: first the code, then the person's word, which needs the ticket of the page that showed it."""
    here = provider(request)
    person, session = await visitor(request), cookie(request, "session")
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    sent = await read_form(request)
    typed, ticket, decision = (sent.get(name, [""])[0] for name in ("user_code", "ticket", "decision"))
    device = await here.devices.look(typed, person, peer(request))
    if isinstance(device, Refusal):
        return _form(request, person, typed[:20], device)
    if not ticket:
        return await _confirm(request, person, device)
    if not await here.consents.use(_purpose(device), session, ticket):
        return answer_problem(request, _STALE)
    age = await house(request).sessions.age(session) or 0
    allowed = decision == "allow"
    fault = await here.devices.decide(device, person, allowed=allowed, auth_time=int(time.time() - age))
    if fault is not None:
        words = f"{fault.words[0].upper()}{fault.words[1:]}."
        return answer_problem(request, Problem(409, fault.code.value, _NOT_NOW, words))
    return house(request).templates.page(
        "device.html", account=person, step="done", allowed=allowed, client=device.client_name
    )


def _purpose(device: Device) -> str:
    return f"device {device.user_code}"


def _form(request: Request, person: Account, typed: str, refusal: Refusal | None = None) -> Response:
    mistake = "" if refusal is None else f"{refusal.words[0].upper()}{refusal.words[1:]}."
    status = 200 if refusal is None else (429 if refusal.temporary else 422)
    return house(request).templates.page(
        "device.html", status, account=person, step="type", typed=typed, mistake=mistake
    )


async def _confirm(request: Request, person: Account, device: Device) -> Response:
    nonce = await provider(request).consents.issue(_purpose(device), cookie(request, "session"), peer(request))
    if isinstance(nonce, Refusal):
        return answer_refusal(request, nonce, _NOT_NOW)
    return house(request).templates.page(
        "device.html",
        account=person,
        step="confirm",
        client=device.client_name,
        code=user_code.show(device.user_code),
        scopes=[words for name, words in SCOPE_WORDS.items() if name in device.scopes],
        ticket=nonce.value,
    )


async def disconnect(request: Request) -> Response:
    """POST /account/clients/{id}/revoke: end what a client was allowed; its open sessions end shortly after."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    id = request.path_params["id"]
    if id >= 1 << 63:  # no row number is that large
        return answer_problem(request, NOT_FOUND)

    def work(tx: Writing) -> bool:
        name = oauth.revoke(tx, person.id, id)
        if name is not None:
            audit.record(tx, audit.Kind.GRANT_ENDED, person.address, person.address, {"client": name})
        return name is not None

    if not await house(request).database.write(work):
        return answer_problem(request, NOT_FOUND)
    return RedirectResponse("/account", 303)
