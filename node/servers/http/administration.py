"""The page for who runs the node, or a tenant on it: people, domains, what happened, networks that are shut out."""

from __future__ import annotations

import time
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.base.errors import Permanent
from node.directory import staff
from node.directory.admin import Actor, administers
from node.directory.overview import MAX_PAGE, MAX_SEARCH, PAGE, Overview, Slice, overview
from node.servers.http.body import read_form
from node.servers.http.house import cookie, house, visitor
from node.servers.http.pages import EVENT_WORDS
from node.servers.http.problem import NOT_FOUND, Problem, answer_problem
from node.store import blocked_networks
from node.store.blocked_networks import BlockedNetwork
from node.store.transaction import Reading

STRONGER = Problem(
    403,
    "login-stronger",
    "This page asks for a stronger login",
    "Log out, and log in with a wallet, a passkey or a DID, or with the password and a code of your authenticator app.",
)
BLOCKS = 100  # shown


async def page(request: Request) -> Response:
    """GET /administration?q=&page=&d=&dpage=: what the visitor administers. Nobody else learns that there is a page."""
    actor = await _actor(request)
    if isinstance(actor, Response):
        return actor
    people, places = _slice(request, "q", "page"), _slice(request, "d", "dpage")
    here = house(request)
    seen, blocks = await here.database.read(partial(_seen, actor=actor, people=people, places=places))
    return here.templates.page(
        "administration.html",
        actor=actor,
        seen=seen,
        blocks=blocks,
        people=people,
        places=places,
        people_pages=_pages(seen.people_found),
        domain_pages=_pages(seen.domains_found),
        event_words=EVENT_WORDS,
        link=partial(_link, people, places),
    )


async def unblock(request: Request) -> Response:
    """POST /administration/blocks: let a network log in again."""
    actor = await _actor(request)
    if isinstance(actor, Response):
        return actor
    network = (await read_form(request)).get("network", [""])[0][:100]
    try:
        await house(request).database.write(lambda tx: staff.lift_block(tx, actor, network))
    except Permanent as error:
        words = str(error)[0].upper() + str(error)[1:] + "."
        return answer_problem(request, Problem(422, "not-blocked", "Nothing was changed", words))
    return RedirectResponse("/administration#blocks", 303)


async def _actor(request: Request) -> Actor | Response:
    """Who administers here; else the answer.

    1. Somebody is logged in. 2. They administer something; whoever does not, finds nothing at this address. 3. They
    logged in by a signature, or with a second factor: a guessed or stolen password alone opens nothing.
    """
    here, person = house(request), await visitor(request)
    if person is None:  # 1
        return RedirectResponse("/login", 303)
    actor = await here.database.read(partial(administers, account=person))
    if actor is None:  # 2
        return answer_problem(request, NOT_FOUND)
    if not await here.sessions.is_strong(cookie(request, "session")):  # 3
        return answer_problem(request, STRONGER)
    return actor


def _seen(tx: Reading, *, actor: Actor, people: Slice, places: Slice) -> tuple[Overview, list[BlockedNetwork]]:
    """Networks are the node's: a tenant's administrator sees none."""
    now = time.time()
    blocks = [one for one in blocked_networks.listing(tx) if one.until > now] if actor.tenant is None else []
    return overview(tx, actor, people, places), blocks[:BLOCKS]


def _slice(request: Request, text: str, number: str) -> Slice:
    typed, page = request.query_params.get(text, ""), request.query_params.get(number, "1")
    usable = page.isascii() and page.isdigit() and len(page) <= 6
    return Slice(" ".join(typed.split())[:MAX_SEARCH], min(max(int(page), 1), MAX_PAGE) if usable else 1)


def _pages(found: int) -> int:
    return max(1, -(-found // PAGE))


def _link(people: Slice, places: Slice, **changes: int) -> str:
    """This page with another number, the searches kept."""
    wanted = {"q": people.text, "page": people.page, "d": places.text, "dpage": places.page, **changes}
    kept = {name: value for name, value in wanted.items() if value not in {"", 1}}
    return "/administration" + (f"?{urlencode(kept)}" if kept else "")
