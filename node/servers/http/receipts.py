"""The page where people get the receipts of their messages: as a file, or by mail to themselves.

A receipt has the leaf's salt in it: whoever has it can prove to anybody that this message was accepted here, and so can
whoever they give it to. So it goes to those alone who hold the message in a mailbox of theirs, is never cached, and is
mailed to nobody but the person who asks. The message itself is not sent here: the page's script hashes it.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.servers.http.house import answer_json, house, visitor, wants_json
from node.servers.http.problem import LOGIN_FIRST, NOT_FOUND, Problem, answer_problem

_DIGEST = re.compile(r"[0-9a-fA-F]{64}\Z")
_NOT_A_HASH = Problem(
    400, "no-digest", "That is no SHA-256", "It has 64 digits, 0 to 9 and a to f, as sha256sum message.eml prints."
)


async def page(request: Request) -> Response:
    """GET /receipts: drop a message, get its receipt; ?sha256=... leads straight there, where scripts are off."""
    account = await visitor(request)
    if account is None:
        return answer_problem(request, LOGIN_FIRST)
    asked = request.query_params.get("sha256", "").strip()
    if asked:
        there = f"/receipts/{asked.lower()}"
        return RedirectResponse(there, 303) if _DIGEST.match(asked) else answer_problem(request, _NOT_A_HASH)
    mailed = request.query_params.get("mailed") == "1"
    return house(request).templates.page("receipts.html", account=account, mailed=mailed)


async def mail(request: Request) -> Response:
    """POST /receipts/{sha256}/mail: puts the receipt into the inbox of whoever is logged in and holds the message."""
    account = await visitor(request)
    if account is None:
        return answer_problem(request, LOGIN_FIRST)
    send, digest = house(request).mail_receipt, request.path_params["sha256"]
    if send is None or not _DIGEST.match(digest) or not await send(account, bytes.fromhex(digest)):
        return answer_problem(request, NOT_FOUND)
    if wants_json(request):
        return answer_json({"mailed": account.address})
    return RedirectResponse("/receipts?mailed=1", 303)
