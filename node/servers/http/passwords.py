"""The optional password over HTTP: logging in with it, and the page where it, an authenticator app and recovery codes
are set. All of it works without scripts."""

from __future__ import annotations

import io
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.auth.password_login import Typed
from node.auth.refusal import Reason, Refusal
from node.auth.second_factors import Enrolment, Person
from node.servers.http.body import Body, read_form, read_json
from node.servers.http.house import answer_json, cookie, house, let_in, peer, set_cookie, visitor, wants_json
from node.servers.http.problem import LOGIN_FIRST, answer_problem, answer_refusal

UNCHANGED = "Nothing was changed"
_FIELDS = ("address", "password", "code", "recovery")


class LoginRequest(Body):
    """POST /auth/password."""

    address: str
    password: str = ""
    code: str = ""
    recovery: str = ""
    end_others: bool = False


class PasswordRequest(Body):
    """POST /account/password; an empty one removes it."""

    password: str


class TotpRequest(Body):
    """POST /account/totp: begin, confirm with `code`, or remove."""

    action: str
    code: str = ""


async def log_in(request: Request) -> Response:
    """POST /auth/password: open a session for who knows the password and has the code."""
    if wants_json(request):
        typed = Typed(**(await read_json(request, LoginRequest)).model_dump())
    else:
        form = await read_form(request)
        address, password, code, recovery = (form.get(name, [""])[0] for name in _FIELDS)
        typed = Typed(address, password, code, recovery, bool(form.get("end_others")))
    result = await house(request).password_login.log_in(typed, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result)
    return await let_in(request, result.token, {"address": result.account.address, "location": "/account"})


async def page(request: Request) -> Response:
    """GET /account/security: what is set, and forms to change it."""
    person = await _person(request)
    return await _page(request, person) if person else RedirectResponse("/login", 303)


async def set_password(request: Request) -> Response:
    """POST /account/password: set, change, or remove it; other sessions end when it is set."""
    person = await _person(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    typed = (await read_json(request, PasswordRequest)).password if wants_json(request) else await _field(request)
    desk = house(request).second_factors
    result = await desk.set_password(person, typed) if typed else await desk.remove_password(person)
    if isinstance(result, Refusal):
        return await _refused(request, person, result)
    done = {"password": bool(typed), "location": "/account/security"}
    response = answer_json(done) if wants_json(request) else RedirectResponse("/account/security", 303)
    if result is not None:
        settings = house(request).settings
        set_cookie(response, settings, "session", result, settings.session_seconds)
    return response


async def change_totp(request: Request) -> Response:
    """POST /account/totp: begin with an authenticator app, confirm it by its first code, or remove it."""
    person = await _person(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    asked = await read_json(request, TotpRequest) if wants_json(request) else None
    form = {} if asked else await read_form(request)
    action = asked.action if asked else form.get("action", [""])[0]
    code = asked.code if asked else form.get("code", [""])[0]
    desk = house(request).second_factors
    match action:
        case "begin":
            return await _begun(request, person, await desk.begin_totp(person))
        case "confirm":
            return await _shown(request, person, await desk.confirm_totp(person, code))
        case "remove":
            return await _shown(request, person, await desk.remove_totp(person) or [])
    return await _refused(request, person, Refusal(Reason.UNUSABLE, False, "choose begin, confirm or remove"))


async def new_codes(request: Request) -> Response:
    """POST /account/recovery-codes: ten new ones, shown once."""
    person = await _person(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    return await _shown(request, person, await house(request).second_factors.new_codes(person))


async def _person(request: Request) -> Person | None:
    account = await visitor(request)
    return None if account is None else Person(account, cookie(request, "session"), peer(request))


async def _field(request: Request) -> str:
    return (await read_form(request)).get("password", [""])[0]


async def _begun(request: Request, person: Person, begun: Enrolment | Refusal) -> Response:
    if isinstance(begun, Refusal):
        return await _refused(request, person, begun)
    if wants_json(request):
        return answer_json({"secret": begun.text, "uri": begun.uri})
    return await _page(request, person, enrolment=begun, qr=_qr(begun.uri))


async def _shown(request: Request, person: Person, codes: list[str] | Refusal) -> Response:
    if isinstance(codes, Refusal):
        return await _refused(request, person, codes)
    if wants_json(request):
        return answer_json({"recovery_codes": codes})
    return await _page(request, person, codes=codes) if codes else RedirectResponse("/account/security", 303)


async def _refused(request: Request, person: Person, refusal: Refusal) -> Response:
    if wants_json(request) or refusal.reason is Reason.LOGIN_AGAIN:
        return answer_refusal(request, refusal, UNCHANGED)
    words = refusal.words[0].upper() + refusal.words[1:] + "."
    return await _page(request, person, 422, mistake=words, wrong_code=refusal.reason is Reason.BAD_CREDENTIALS)


async def _page(request: Request, person: Person, status: int = 200, **values: Any) -> Response:
    here = house(request)
    factors = await here.second_factors.of(person.account)
    values = {"mistake": "", "wrong_code": False, "enrolment": None, "qr": "", "codes": [], **values}
    return here.templates.page("security.html", status, account=person.account, factors=factors, **values)


def _qr(uri: str) -> str:
    """The QR code as SVG without style of its own; black on white in the dark as well, or cameras would not read it."""
    drawn = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, border=4, scale=5, dark="#000", light="#fff", omitsize=False
    )
    return drawn.getvalue().decode("utf-8")
