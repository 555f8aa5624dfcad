"""Pages of links instead of attachments: for whoever got one, and for whoever sent it.

The key stands behind the # of the address, which browsers do not send: this server never sees it. The page's script
derives a proof from it, begins a download with that, fetches the sealed leaves and opens them in the browser.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import aclosing
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.base import metrics
from node.base.address import parse_address
from node.ipfs import link_keys
from node.ipfs.cid import Cid
from node.ipfs.seal import FILE_ID, Header
from node.ipfs.unixfs import CLASSIC, read
from node.servers.http.body import Body, read_form, read_json
from node.servers.http.house import answer_json, house, peer, visitor
from node.servers.http.link_desk import LinkDesk
from node.servers.http.meter import Meter
from node.servers.http.problem import LOGIN_FIRST, NOT_FOUND, Problem, answer_problem
from node.store import links
from node.store.links import Link

TICKET_SECONDS = 12 * 3600  # for a download over a slow line
MAX_LEAF = 1 << 32

OVER = Problem(410, "over", "This link does not work any more", "It has ended. Ask the sender for the file.")
EXHAUSTED = Problem(
    410, "exhausted", "All downloads of this link are used up", "Ask the sender for the file, or for a new link."
)
WRONG_KEY = Problem(
    403, "wrong-key", "The key in this link is not the right one", "Copy the whole address again, up to its end."
)
NO_TICKET = Problem(403, "no-ticket", "This download has ended", "Begin it again on the link's page.")
TOO_FAST = Problem(429, "too-fast", "You are asking too fast", "Wait a little, and try again.")
WAYS = {"domain": None, "always": True, "never": False}


class Begin(Body):
    """What begins a download."""

    proof: str


async def page(request: Request) -> Response:
    """GET /link/{id}: what waits here. Looking uses no download up: programs that preview links only look."""
    found = await _found(request)
    if isinstance(found, Response):
        return found
    desk, link = found
    if not link.works(desk.clock()):
        return answer_problem(request, OVER)
    if not link.left:
        return answer_problem(request, EXHAUSTED)
    return house(request).templates.page("link.html", link=link, id=link_keys.text(link.id))


async def begin(request: Request) -> Response:
    """POST /link/{id}/download: count one download, give it a ticket."""
    found = await _found(request)
    if isinstance(found, Response):
        return found
    desk, link = found
    body = await read_json(request, Begin)
    shown = link_keys.octets(body.proof, hashlib.sha256().digest_size)
    if shown is None or not link_keys.proves(shown, link.proof):
        metrics.link_downloads.labels("wrong-key").inc()
        return answer_problem(request, WRONG_KEY)
    now = desk.clock()
    if not await house(request).database.write(partial(links.count, id=link.id, now=now)):
        metrics.link_downloads.labels("exhausted" if link.works(now) else "over").inc()
        return answer_problem(request, EXHAUSTED if link.works(now) else OVER)
    metrics.link_downloads.labels("begun").inc()
    made = link_keys.ticket(link.ticket_key, link.id, int(now) + TICKET_SECONDS)
    return answer_json({"ticket": link_keys.text(made), "size": link.size})


async def leaf(request: Request) -> Response:
    """GET /link/{id}/leaf/{number}: one sealed leaf, for who has a ticket."""
    found = await _found(request, of_leaves=True)
    if isinstance(found, Response):
        return found
    desk, link = found
    if not link.works(desk.clock()):
        return answer_problem(request, OVER)
    shown = link_keys.octets(request.headers.get("x-link-ticket", "")[:200], link_keys.TICKET)
    if shown is None or not link_keys.admits(shown, link.ticket_key, link.id, desk.clock()):
        return answer_problem(request, NO_TICKET)
    header, number = Header(bytes(FILE_ID), link.size, CLASSIC.chunk), request.path_params["number"]
    if number >= min(header.leaves, MAX_LEAF):
        return answer_problem(request, NOT_FOUND)
    start, root = number * CLASSIC.chunk, Cid.from_bytes(link.cid)
    length = min(CLASSIC.chunk, header.sealed_size - start)
    async with aclosing(read(desk.blocks.get, root, header.sealed_size, start, length)) as pieces:
        content = b"".join([piece async for piece in pieces])
    return Response(content, media_type="application/octet-stream")


async def mine(request: Request) -> Response:
    """GET /account/links: what one has sent as links, and whether one wants to."""
    person = await visitor(request)
    here, desk = house(request), house(request).links
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    if desk is None:
        return answer_problem(request, NOT_FOUND)
    now = desk.clock()
    listed = await here.database.read(partial(links.of_account, account_id=person.id, now=int(now)))
    chosen = await here.database.read(partial(links.choice, account_id=person.id))
    return here.templates.page(
        "links.html",
        account=person,
        links=[(link_keys.text(link.id), link, link.works(now)) for link in listed],
        way=next(way for way, wanted in WAYS.items() if wanted is chosen),
        usual=parse_address(person.address).domain in desk.domains,
        desk=desk,
    )


async def choose(request: Request) -> Response:
    """POST /account/links: always, never, or as is usual in one's domain."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    way = (await read_form(request)).get("way", [""])[0]
    if way not in WAYS or house(request).links is None:
        return answer_problem(request, NOT_FOUND)
    await house(request).database.write(partial(links.choose, account_id=person.id, wanted=WAYS[way]))
    return RedirectResponse("/account/links", 303)


async def revoke(request: Request) -> Response:
    """POST /account/links/{id}/revoke: end one's own link at once, downloads under way included."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    id, desk = link_keys.octets(request.path_params["id"], link_keys.ID), house(request).links
    if id is None or desk is None:
        return answer_problem(request, NOT_FOUND)
    work = partial(links.revoke, id=id, account_id=person.id, now=int(desk.clock()))
    if not await house(request).database.write(work):
        return answer_problem(request, NOT_FOUND)
    return RedirectResponse("/account/links", 303)


async def _found(request: Request, *, of_leaves: bool = False) -> tuple[LinkDesk, Link] | Response:
    """The link that the address names; else the answer. Guessing is counted like reading."""
    desk = house(request).links
    if desk is None:
        return answer_problem(request, NOT_FOUND)
    meter: Meter = desk.leaves if of_leaves else desk.asks
    if wait := meter.take(peer(request)):
        return answer_problem(request, TOO_FAST, {"retry-after": str(math.ceil(wait))})
    id = link_keys.octets(request.path_params["id"], link_keys.ID)
    link = await house(request).database.read(partial(links.get, id=id)) if id else None
    if link is None or not (link.cid or link.revoked or link.expires < desk.clock()):
        return answer_problem(request, NOT_FOUND)  # one that was begun and not sent is nobody's business
    return desk, link
