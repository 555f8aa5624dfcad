"""The pages people see: start, login, account; and the files they are made of."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity import ethereum
from node.auth.app_passwords import MAX_NAME
from node.auth.blocks import BLOCKED, FAILURES
from node.auth.gate import SCOPES
from node.auth.oauth.plan import CODE_REPLAYED, REFRESH_REUSED
from node.auth.passkeys import Kind as PasskeyKind
from node.auth.password_login import Kind as PasswordKind
from node.directory.admin import administers
from node.flow.sending import Kind, Restriction, restriction
from node.servers.http import return_to
from node.servers.http.gates_shown import Shown, shown
from node.servers.http.house import House, cookie, house, shut_out, visitor
from node.servers.http.problem import NOT_FOUND, Problem, answer_problem
from node.store import accounts, oauth, security_events
from node.store.accounts import Account
from node.store.security_events import SecurityEvent
from node.store.transaction import Reading

SCOPE_WORDS = {"imap": "Read mail", "smtp": "Send mail"}
EVENT_WORDS = {
    Kind.SLOWED: "Sending slowed down",
    Kind.HELD: "Sending slowed down further",
    Kind.LOCKED: "Sending locked",
    Kind.UNLOCKED: "Sending unlocked",
    REFRESH_REUSED: "Mail client disconnected: its token was used by somebody else, too",
    CODE_REPLAYED: "Mail client disconnected: its code was used twice",
    PasswordKind.PASSWORD_SET: "Password set",
    PasswordKind.PASSWORD_REMOVED: "Password removed",
    PasswordKind.TOTP_ADDED: "Authenticator app added",
    PasswordKind.TOTP_REMOVED: "Authenticator app removed",
    PasswordKind.CODES_MADE: "Recovery codes made",
    PasswordKind.RECOVERED: "Logged in with a recovery code",
    BLOCKED: "A network that tried to get in was shut out",
    FAILURES: "Many failed logins",
    "quota-set": "Quota set",
    "alias-added": "Alias added",
    "alias-removed": "Alias removed",
    "mailbox-shared": "Mailbox shared",
    "mailbox-unshared": "Mailbox shared no longer",
    "role-given": "Given a role on this node",
    "role-taken": "Role on this node ended",
    PasskeyKind.ADDED: "Passkey added",
    PasskeyKind.REMOVED: "Passkey removed",
    PasskeyKind.COPIED: "Login refused: there may be a copy of the passkey",
}
EVENTS = 10  # shown on the account page
FOREVER = "public, max-age=31536000, immutable"


async def landing(request: Request) -> Response:
    """GET /: what this node is."""
    here = house(request)
    person, has_log = await visitor(request), here.checkpoint is not None
    return here.templates.page("landing.html", account=person, has_log=has_log, signup=here.signup is not None)


async def login(request: Request) -> Response:
    """GET /login: the wallet page. With ?again also for who is logged in: some deeds ask for a fresh login."""
    here = house(request)
    if request.headers.get("host", "").lower() != here.settings.authority:
        # The wallet would sign for the address in the browser's bar, and we would have to refuse it: say so before.
        words = f"Logins are bound to {here.settings.origin}. Open {here.settings.origin}/login instead."
        return answer_problem(request, Problem(421, "other-address", "This node has another address", words))
    if await visitor(request) is not None and "again" not in request.query_params:
        return RedirectResponse(return_to.unpack(cookie(request, return_to.NAME)) or "/account", 303)
    buttons = here.oidc.buttons if here.oidc else ()
    return here.templates.page("login.html", signup=here.signup is not None, buttons=buttons)


async def account(request: Request) -> Response:
    """GET /account: one's mailbox, wallets and app passwords."""
    here, person = house(request), await visitor(request)
    if person is not None:
        return await account_page(here, person)
    shut = await shut_out(request)
    if shut is None:
        return RedirectResponse("/login", 303)
    return here.templates.page("shut.html", 403, account=shut, gates=await _gates(here, shut))


async def account_page(here: House, person: Account, status: int = 200, **values: Any) -> Response:
    """The account page; `created` shows a new app password, `mistake`, `passkey_mistake` what was wrong with a form."""
    wallets, restricted, events = await here.database.read(partial(_account, id=person.id))
    has_staff_page = await here.database.read(partial(administers, account=person)) is not None
    values = {"created": None, "mistake": "", "passkey_mistake": "", "typed": "", "chosen": SCOPES, **values}
    return here.templates.page(
        "account.html",
        status,
        account=person,
        wallets=[wallet_words(subject) for subject in wallets],
        passwords=await here.passwords.listing(person),
        clients=await here.database.read(partial(oauth.of_account, account_id=person.id, now=int(time.time()))),
        passkeys=await here.passkeys.listing(person) if here.passkeys else [],
        restriction=restricted,
        gates=await _gates(here, person),
        events=events,
        has_staff_page=has_staff_page,
        has_links=here.links is not None and here.links.makes,
        event_words=EVENT_WORDS,
        scopes=SCOPE_WORDS,
        max_name=MAX_NAME,
        **values,
    )


async def _gates(here: House, person: Account) -> list[Shown]:
    return [shown(*each) for each in await here.doorkeeper.standing(person)] if here.doorkeeper else []


def _account(tx: Reading, id: int) -> tuple[list[str], Restriction | None, list[SecurityEvent]]:
    """Wallets, what stands in the way of sending, and what happened lately."""
    found = security_events.recent(tx, id, EVENTS)
    return list(accounts.identities(tx, id)), restriction(tx, id, time.time()), found


def wallet_words(subject: str) -> str:
    """An identity as wallets show it."""
    chain, _, name = subject.rpartition(":")
    if not chain.startswith("eip155"):
        return subject
    address = ethereum.checksum_address(name)
    return address if chain == "eip155" else f"{chain}:{address}"


async def static(request: Request) -> Response:
    """GET /static/{name}: a file of the pages. The tag in the address changes with the content."""
    asset = house(request).templates.assets.get(request.path_params["name"])
    if asset is None:
        return answer_problem(request, NOT_FOUND)
    is_tagged = request.url.query == asset.tag
    headers = {"cache-control": FOREVER if is_tagged else "no-cache", "etag": f'"{asset.tag}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.kind)
