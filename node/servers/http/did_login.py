"""Logging in with a DID over HTTP: a nonce out, a signed proof in, a session cookie back; as JSON, or as forms."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from identity.credentials.linked import is_linked
from identity.did_login import MAX_LENGTH
from node.auth.challenges import NONCE_SECONDS
from node.auth.refusal import Refusal
from node.auth.sessions import is_token
from node.servers.http.body import Body, read_form, read_json
from node.servers.http.house import answer_json, browser_token, cookie, house, let_in, peer, set_cookie, wants_json
from node.servers.http.problem import BAD_REQUEST, answer_problem, answer_refusal


class NonceRequest(Body):
    """POST /auth/did/nonce: an empty object."""


class VerifyRequest(Body):
    """POST /auth/did/verify: a self-issued ID token, or a presentation, as JWT or with an embedded proof."""

    proof: Annotated[str, Field(max_length=MAX_LENGTH)]


async def nonce(request: Request) -> Response:
    """POST /auth/did/nonce: what to sign; bound to this browser, good once, for five minutes. A form gets a page."""
    await (read_json(request, NonceRequest) if wants_json(request) else read_form(request))
    here = house(request)
    browser = browser_token(request)
    challenge = await here.did_login.challenge(browser, peer(request))
    if isinstance(challenge, Refusal):
        return answer_refusal(request, challenge)
    content = {
        "nonce": challenge.nonce,
        "audience": challenge.audience,
        "domain": challenge.domain,
        "expiration_time": challenge.expires.isoformat(),
    }
    page = partial(here.templates.page, "did.html", challenge=challenge, max_proof=MAX_LENGTH)
    response = answer_json(content) if wants_json(request) else page()
    set_cookie(response, here.settings, "browser", browser, NONCE_SECONDS)
    return response


async def verify(request: Request) -> Response:
    """POST /auth/did/verify: open a session for the DID that signed."""
    proof = (await read_json(request, VerifyRequest)).proof if wants_json(request) else await _pasted(request)
    here = house(request)
    browser = cookie(request, "browser")
    if not is_token(browser):
        return answer_problem(request, BAD_REQUEST)
    result = await here.did_login.verify(proof, browser, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result)
    content = {"address": result.account.address, "did": result.did, "location": "/account"}
    return await let_in(request, result.token, content)


async def _pasted(request: Request) -> str:
    """The proof in a form; copying may have broken a token into lines. A presentation as JSON stays as it is."""
    fields = await read_form(request)
    text = fields.get("proof", [""])[0]
    return text.strip() if is_linked(text) else "".join(text.split())
