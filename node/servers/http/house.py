"""What every page may use: the parts of the node it speaks for, and who is asking."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.anchor.witness import Memory, Witness
from node.auth import sessions
from node.auth.app_passwords import AppPasswords
from node.auth.consent import Consent
from node.auth.did_login import DidLogin
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.oauth.provider import Provider
from node.auth.oidc_login import OidcLogin
from node.auth.passkeys import Passkeys
from node.auth.password_login import PasswordLogin
from node.auth.second_factors import SecondFactors
from node.auth.sessions import Sessions
from node.auth.signup import SignUp
from node.auth.wallet import WalletLogin
from node.directory.issuer import Issuer
from node.servers.http import return_to
from node.servers.http.gateway import Gateway
from node.servers.http.link_desk import LinkDesk
from node.servers.http.meter import Meter
from node.servers.http.render import Templates
from node.servers.http.settings import WebSettings
from node.store.accounts import Account
from node.store.database import Database

Receipt = Callable[[Account, bytes], Awaitable[Mapping[str, Any] | None]]
"""The receipt of a message (by SHA-256) for one of its owners; None when it is not theirs or does not exist."""
MailReceipt = Callable[[Account, bytes], Awaitable[bool]]
"""Puts that receipt into the owner's inbox; False when it is not theirs or does not exist."""
Checkpoint = Callable[[], Awaitable[bytes | None]]
"""The log's latest signed checkpoint; None when there is none yet."""

LOG_BURST, LOG_PER_SECOND = 2000.0, 100.0  # tiles for one network: 25,600 entries a second


@dataclass(frozen=True, slots=True)
class House:
    """The parts behind the pages."""

    database: Database
    gate: Gate
    settings: WebSettings
    sessions: Sessions
    wallet: WalletLogin
    consent: Consent
    did_login: DidLogin
    passkeys: Passkeys | None
    issuer: Issuer | None
    passwords: AppPasswords
    password_login: PasswordLogin
    second_factors: SecondFactors
    templates: Templates
    doorkeeper: Doorkeeper | None
    signup: SignUp | None
    receipt: Receipt | None
    checkpoint: Checkpoint | None
    oauth: Provider | None = None
    oidc: OidcLogin | None = None
    witness: Witness | None = None
    memory: Memory | None = None
    mail_receipt: MailReceipt | None = None
    gateway: Gateway | None = None
    links: LinkDesk | None = None
    log_meter: Meter = field(default_factory=lambda: Meter(LOG_BURST, LOG_PER_SECOND))


def house(request: Request) -> House:
    """The parts behind the page at hand."""
    return cast("House", request.app.state.house)


def peer(request: Request) -> str:
    """Network address of whoever asks; behind a proxy of ours, the address the proxy saw."""
    address = request.client.host if request.client else ""
    if address in house(request).settings.proxies:
        # Only the last entry was written by our proxy; what stands before it is whatever the client made up.
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return forwarded[:64] or address
    return address


def cookie_name(settings: WebSettings, name: str) -> str:
    """`__Host-` keeps neighbours on sibling domains and on plain http from planting a cookie (RFC 6265bis §4.1.3.2)."""
    return f"__Host-waxseal-{name}" if settings.is_secure else f"waxseal-{name}"


def cookie(request: Request, name: str) -> str:
    """Value of one of our cookies, or ""."""
    return request.cookies.get(cookie_name(house(request).settings, name), "")


def set_cookie(response: Response, settings: WebSettings, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie that scripts cannot read and other sites cannot make it send."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=seconds,
        path="/",
        secure=settings.is_secure,
        httponly=True,
        samesite="strict",
    )


def browser_token(request: Request) -> str:
    """The random token that binds a login to this browser; a fresh one where it has none."""
    token = cookie(request, "browser")
    return token if sessions.is_token(token) else sessions.new_token()


async def let_in(request: Request, token: str, content: Mapping[str, Any]) -> Response:
    """Answer a login that succeeded: the new session in, the one before it and the login's own cookie out.

    Scripts get `content` and go to its "location" themselves; who sent a form is led there.
    """
    here = house(request)
    if back := return_to.unpack(cookie(request, return_to.NAME)):
        content = {**content, "location": back}
    if old := cookie(request, "session"):
        await here.sessions.end(old)
    response = answer_json(content) if wants_json(request) else RedirectResponse(content["location"], 303)
    set_cookie(response, here.settings, "session", token, here.settings.session_seconds)
    for name in ("browser", return_to.NAME):
        response.delete_cookie(cookie_name(here.settings, name), path="/", secure=here.settings.is_secure)
    return response


async def visitor(request: Request) -> Account | None:
    """Who is logged in in this browser."""
    token = cookie(request, "session")
    return await house(request).sessions.account(token) if token else None


async def shut_out(request: Request) -> Account | None:
    """Who would be logged in in this browser, were it not for a token gate."""
    token = cookie(request, "session")
    return await house(request).sessions.shut_out(token) if token else None


def wants_json(request: Request) -> bool:
    """True for programs: they send JSON, or ask for it before HTML."""
    accept = request.headers.get("accept", "")
    sent = request.headers.get("content-type", "").startswith("application/json")
    return sent or ("application/json" in accept and "text/html" not in accept)


def answer_json(content: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(content, separators=(",", ":")), status, media_type="application/json")
