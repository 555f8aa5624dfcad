"""Proof over HTTP: a message's receipt for its owner, the log's checkpoint for everybody."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from node.auth.refusal import Refusal
from node.servers.http.house import answer_json, house, peer, visitor
from node.servers.http.log_tiles import PUBLIC, too_fast
from node.servers.http.problem import LOGIN_FIRST, NOT_FOUND, Problem, answer_problem, answer_refusal
from node.store.accounts import Account

_DIGEST = re.compile(r"[0-9a-fA-F]{64}\Z")
_NEWEST = {**PUBLIC, "cache-control": "public, max-age=2"}  # C2SP tlog-tiles: not beyond a few seconds
_NO_CHECKPOINT = Problem(404, "no-checkpoint", "The log is still empty", "It grows with the first message.")


async def receipt(request: Request) -> Response:
    """GET /receipts/{sha256}: for the owner alone, by session cookie or by HTTP Basic with an app password for IMAP.

    Somebody else's message is answered exactly like one that does not exist.
    """
    person = await _owner(request)
    if isinstance(person, Response):
        return person
    make = house(request).receipt
    digest = request.path_params["sha256"]
    if make is None or not _DIGEST.match(digest):
        return answer_problem(request, NOT_FOUND)
    content = await make(person, bytes.fromhex(digest))
    if content is None:
        return answer_problem(request, NOT_FOUND)
    response = answer_json(content)
    response.headers["content-disposition"] = f'attachment; filename="{digest[:16].lower()}.receipt.json"'
    return response


async def checkpoint(request: Request) -> Response:
    """GET /log/checkpoint: the latest signed tree head, as a C2SP note."""
    refusal = too_fast(request)
    if refusal is not None:
        return refusal
    read = house(request).checkpoint
    note = None if read is None else await read()
    return answer_problem(request, _NO_CHECKPOINT) if note is None else PlainTextResponse(note, headers=_NEWEST)


async def _owner(request: Request) -> Account | Response:
    credentials = _basic(request.headers.get("authorization", ""))
    if credentials is None:
        person = await visitor(request)
        return person if person is not None else _ask(request)
    result = await house(request).gate.password(*credentials, "imap", peer(request))
    if not isinstance(result, Refusal):
        return result
    return answer_refusal(request, result) if result.temporary else _ask(request)


def _ask(request: Request) -> Response:
    return answer_problem(request, LOGIN_FIRST, {"www-authenticate": 'Basic realm="Waxseal", charset="UTF-8"'})


def _basic(header: str) -> tuple[str, str] | None:
    """User name and password (RFC 7617 §2), or None."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 1024:
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if colon else None
