"""Signing in with a wallet over HTTP: a nonce out, a signed message in, a session cookie back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

import identity.refusal
from identity import solana
from identity.caip122 import MAX_LENGTH
from identity.ethereum import MAX_SIGNATURE
from node.auth.challenges import NONCE_SECONDS
from node.auth.refusal import Refusal
from node.auth.sessions import is_token
from node.auth.wallet import Challenge
from node.servers.http.body import Body, read_json
from node.servers.http.house import (
    answer_json,
    browser_token,
    cookie,
    cookie_name,
    house,
    let_in,
    peer,
    set_cookie,
    wants_json,
)
from node.servers.http.problem import BAD_REQUEST, Problem, answer_problem, answer_refusal
from node.servers.http.settings import WebSettings


class NonceRequest(Body):
    """POST /auth/siwe/nonce. With an address, the answer carries the whole message, ready to be signed.

    The address is Ethereum's (0x...) or Solana's (base58); `chain_id` is Ethereum's.
    """

    address: Annotated[str, Field(pattern=r"^(0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44})$")] | None = None
    chain_id: Annotated[int, Field(ge=0, lt=2**53)] | None = None


class VerifyRequest(Body):
    """POST /auth/siwe/verify."""

    message: Annotated[str, Field(max_length=MAX_LENGTH)]
    signature: Annotated[str, Field(max_length=2 + 2 * MAX_SIGNATURE)]


NO_SUCH_WALLET = Problem(
    400, "no-such-wallet", "This wallet cannot log in here", "Copy its address again, or choose another wallet."
)


def message_for(challenge: Challenge, asked: NonceRequest, settings: WebSettings) -> str | None:
    """The message for the wallet that asks; None when there is no such address, or none of its kind logs in here."""
    address = asked.address or ""
    if address.startswith("0x"):
        chain = asked.chain_id if asked.chain_id in settings.chain_ids else settings.chain_ids[0]
        return challenge.message(bytes.fromhex(address[2:]), chain)
    if not settings.solana_chains or isinstance(solana.parse_address(address), identity.refusal.Refusal):
        return None
    return challenge.solana_message(address, settings.solana_chains[0])


def to_sign(
    request: Request, challenge: Challenge, asked: NonceRequest, content: dict[str, Any], browser: str = ""
) -> Response:
    """What is to be signed, with the message for a wallet that named itself; `browser` goes into the cookie."""
    settings = house(request).settings
    if asked.address is not None:
        message = message_for(challenge, asked, settings)
        if message is None:
            return answer_problem(request, NO_SUCH_WALLET)
        content["message"] = message
    response = answer_json(content)
    if browser:
        set_cookie(response, settings, "browser", browser, NONCE_SECONDS)
    return response


async def nonce(request: Request) -> Response:
    """POST /auth/siwe/nonce: a nonce bound to this browser, good once, for five minutes."""
    asked = await read_json(request, NonceRequest)
    here = house(request)
    browser = browser_token(request)
    challenge = await here.wallet.challenge(browser, peer(request))
    if isinstance(challenge, Refusal):
        return answer_refusal(request, challenge)
    content = {
        "nonce": challenge.nonce,
        "domain": challenge.domain,
        "uri": challenge.uri,
        "statement": challenge.statement,
        "chain_ids": list(here.settings.chain_ids),
        "issued_at": challenge.issued_at.isoformat(),
        "expiration_time": challenge.expires.isoformat(),
    }
    return to_sign(request, challenge, asked, content, browser)


async def verify(request: Request) -> Response:
    """POST /auth/siwe/verify: open a session for the signer."""
    sent = await read_json(request, VerifyRequest)
    here = house(request)
    browser = cookie(request, "browser")
    if not is_token(browser):
        return answer_problem(request, BAD_REQUEST)
    result = await here.wallet.verify(sent.message, sent.signature, browser, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result)
    return await let_in(request, result.token, {"address": result.account.address, "location": "/account"})


async def logout(request: Request) -> Response:
    """POST /auth/logout: end the session, not only its cookie."""
    here = house(request)
    await here.sessions.end(cookie(request, "session"))
    response = answer_json({"location": "/"}) if wants_json(request) else RedirectResponse("/", 303)
    response.delete_cookie(cookie_name(here.settings, "session"), path="/", secure=here.settings.is_secure)
    return response
