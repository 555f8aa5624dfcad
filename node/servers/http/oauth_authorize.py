"""The authorize page: who asks for what, yes or no (OAuth 2.1 §4.1, OpenID Connect Core §3.1.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.oauth import authorization, redirect, scope
from identity.oauth.authorization import Ask, Target
from identity.oauth.fault import Code, Fault
from node.auth.refusal import Refusal
from node.servers.http.body import read_form
from node.servers.http.guard import POLICY
from node.servers.http.house import cookie, house, peer, visitor
from node.servers.http.oauth_answer import SCOPE_WORDS, login_first, provider
from node.servers.http.problem import LOGIN_FIRST, Problem, answer_problem, answer_refusal
from node.store.accounts import Account
from node.store.oauth_clients import Client

_NOT_NOW = "The mail client was not connected"
_STALE = Problem(
    403,
    "stale-form",
    "This page was open too long",
    "Nothing was allowed. Go back to your mail client and start again.",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request by a client that is known, to an address that is its own; or what is wrong with the rest of it."""

    client: Client
    target: Target
    ask: Ask | Fault


async def page(request: Request) -> Response:
    """GET /oauth/authorize: put the request before whoever is logged in."""
    asked = await _read(request, _parameters(request.query_params.multi_items()))
    if isinstance(asked, Response):
        return asked
    if isinstance(asked.ask, Fault):
        return _fail(request, asked.target, asked.ask)
    ask = asked.ask
    person = await visitor(request)
    if person is None:
        return _fail(request, ask.target, _LOGIN_REQUIRED) if ask.silent else login_first(request)
    age = await house(request).sessions.age(cookie(request, "session")) or 0
    if ask.max_age is not None and age > ask.max_age:
        return _fail(request, ask.target, _LOGIN_REQUIRED) if ask.silent else login_first(request, again=True)
    if ask.silent:  # a public client may be impersonated: a person looks each time (RFC 8252 §8.6)
        return _fail(request, ask.target, Fault(Code.CONSENT_REQUIRED, "a person has to consent"))
    return await _consent(request, person, asked.client, ask)


_LOGIN_REQUIRED = Fault(Code.LOGIN_REQUIRED, "a person has to log in")


async def _consent(request: Request, person: Account, client: Client, ask: Ask) -> Response:
    nonce = await provider(request).consents.issue(f"oauth {ask.digest}", cookie(request, "session"), peer(request))
    if isinstance(nonce, Refusal):
        return answer_refusal(request, nonce, _NOT_NOW)
    response = house(request).templates.page(
        "authorize.html",
        account=person,
        client=client.name,
        place=redirect.place(ask.target.redirect_uri),
        scopes=[words for name, words in SCOPE_WORDS.items() if name in ask.scopes],
        fields={**_fields(ask), "ticket": nonce.value},
    )
    # Browsers hold `form-action` against redirects after a form, too.
    target = redirect.form_target(ask.target.redirect_uri)
    response.headers["content-security-policy"] = POLICY.replace("form-action 'self'", f"form-action 'self' {target}")
    return response


def _fields(ask: Ask) -> dict[str, str]:
    """The request as the form sends it back; the ticket is good for exactly this."""
    target = ask.target
    fields = {
        **{"response_type": "code", "client_id": target.client_id, "redirect_uri": target.redirect_uri},
        **{"scope": scope.write(ask.scopes), "state": target.state, "nonce": ask.nonce},
        **{"code_challenge": ask.challenge, "code_challenge_method": "S256"},
    }
    return {name: value for name, value in fields.items() if value}


async def decide(request: Request) -> Response:
    """POST /oauth/authorize: what the person said.

    1. The request is read anew, as strictly as before. 2. Somebody is logged in. 3. The form was shown to this very
    session for this very request, lately, and is used up (CSRF). 4. No means no. 5. Yes gives a code to the browser.
    """
    sent = await read_form(request)
    ticket, decision = (sent.pop(name, [""])[0] for name in ("ticket", "decision"))
    asked = await _read(request, sent)  # 1
    if isinstance(asked, Response):
        return asked
    if isinstance(asked.ask, Fault):
        return _fail(request, asked.target, asked.ask)
    person, session = await visitor(request), cookie(request, "session")
    if person is None:  # 2
        return answer_problem(request, LOGIN_FIRST)
    here, ask = provider(request), asked.ask
    if not await here.consents.use(f"oauth {ask.digest}", session, ticket):  # 3
        return answer_problem(request, _STALE)
    if decision != "allow":  # 4
        return _fail(request, ask.target, Fault(Code.ACCESS_DENIED, "the person said no"))
    age = await house(request).sessions.age(session) or 0
    code = await here.codes.allow(person, asked.client, ask, int(time.time() - age))  # 5
    if isinstance(code, Fault):
        return answer_problem(request, Problem(409, "too-many", _NOT_NOW, f"{code.words[0].upper()}{code.words[1:]}."))
    return _send(request, ask.target, {"code": code})


async def _read(request: Request, sent: Mapping[str, Sequence[str]]) -> _Asked | Response:
    """Read a request. As long as client and redirect are not known to belong together, errors stay on this page."""
    here = provider(request)
    if len(request.url.query) > authorization.MAX_QUERY:
        return _refused(request, Fault(Code.INVALID_REQUEST, "the request is too long"))
    values = authorization.single(sent)
    target = authorization.read_target(values) if isinstance(values, dict) else values
    if isinstance(target, Fault) or isinstance(values, Fault):
        return _refused(request, target if isinstance(target, Fault) else _NO_CLIENT)
    client = await here.clients.find(target.client_id)
    if client is None:
        return _refused(request, _NO_CLIENT)
    if not redirect.is_allowed(target.redirect_uri, client.redirects):
        return _refused(request, Fault(Code.INVALID_REQUEST, "redirect_uri is not one that this client registered"))
    return _Asked(client, target, authorization.read(values, target))


_NO_CLIENT = Fault(Code.INVALID_CLIENT, "no client is registered here under this client_id")


def _refused(request: Request, fault: Fault) -> Response:
    words = f"Your mail client asked in a way this node does not take: {fault.words}. Tell the client's makers."
    return answer_problem(request, Problem(400, fault.code.value, _NOT_NOW, words))


def _fail(request: Request, target: Target, fault: Fault) -> Response:
    return _send(request, target, {"error": fault.code.value, "error_description": fault.words})


def _send(request: Request, target: Target, answer: dict[str, str]) -> Response:
    """Send the browser back to the client; `iss` tells it which server speaks (RFC 9207: mix-up attacks)."""
    issuer = provider(request).plan.issuer
    return RedirectResponse(redirect.answer(target.redirect_uri, {**answer, "state": target.state, "iss": issuer}), 303)


def _parameters(items: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in items:
        found.setdefault(name, []).append(value)
    return found
