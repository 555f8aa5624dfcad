"""Opening a mailbox over HTTP: a wallet's signature first, then the address, with the gates explained."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.auth.local_parts import LONGEST, SHORTEST
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import is_token
from node.auth.signup import NEWCOMER_SECONDS, STATEMENT, Mistake, Offer, SignUp, Wish
from node.servers.http.body import read_form, read_json
from node.servers.http.gates_shown import shown
from node.servers.http.house import (
    answer_json,
    browser_token,
    cookie,
    cookie_name,
    house,
    peer,
    set_cookie,
    visitor,
)
from node.servers.http.pages import wallet_words
from node.servers.http.problem import BAD_REQUEST, NOT_FOUND, Problem, answer_problem, answer_refusal
from node.servers.http.siwe import NonceRequest, VerifyRequest, to_sign

NOT_OPENED = "The mailbox was not opened"
CLOSED = Problem(
    404, "signup-closed", "Nobody signs up here", "Ask whoever runs this node for a mailbox, or log in to yours."
)
MAX_FIELD = 128  # characters of a form's field that are looked at


async def page(request: Request) -> Response:
    """GET /signup: choose a wallet."""
    here = house(request)
    if here.signup is None:
        return answer_problem(request, CLOSED)
    if request.headers.get("host", "").lower() != here.settings.authority:
        words = f"Signatures are bound to {here.settings.origin}. Open {here.settings.origin}/signup instead."
        return answer_problem(request, Problem(421, "other-address", "This node has another address", words))
    if await visitor(request) is not None:
        return RedirectResponse("/account", 303)
    return here.templates.page("signup.html", statement=STATEMENT)


async def nonce(request: Request) -> Response:
    """POST /auth/signup/nonce: the message to sign, good once in this browser, for five minutes."""
    here = house(request)
    if here.signup is None:
        return answer_problem(request, CLOSED)
    asked = await read_json(request, NonceRequest)
    browser = browser_token(request)
    challenge = await here.signup.challenge(browser, peer(request))
    if isinstance(challenge, Refusal):
        return answer_refusal(request, challenge, NOT_OPENED)
    return to_sign(request, challenge, asked, {"nonce": challenge.nonce}, browser)


async def verify(request: Request) -> Response:
    """POST /auth/signup/verify: whoever signed may choose an address for a quarter of an hour."""
    here = house(request)
    if here.signup is None:
        return answer_problem(request, CLOSED)
    sent = await read_json(request, VerifyRequest)
    browser = cookie(request, "browser")
    if not is_token(browser):
        return answer_problem(request, BAD_REQUEST)
    result = await here.signup.prove(sent.message, sent.signature, browser, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result, NOT_OPENED)
    response = answer_json({"location": "/signup/address"})
    set_cookie(response, here.settings, "newcomer", result, NEWCOMER_SECONDS)
    return response


async def address(request: Request) -> Response:
    """GET /signup/address: the form, and what each domain asks for."""
    here = house(request)
    if here.signup is None:
        return answer_problem(request, CLOSED)
    return await _form(request, here.signup, Wish("", here.settings.domain))


async def create(request: Request) -> Response:
    """POST /signup/address: open the mailbox, and log in."""
    here = house(request)
    if here.signup is None:
        return answer_problem(request, CLOSED)
    form = await read_form(request)
    local, domain, invitation = (form.get(name, [""])[0][:MAX_FIELD] for name in ("local", "domain", "invitation"))
    wish = Wish(local, domain, invitation)
    result = await here.signup.open(cookie(request, "newcomer"), wish, peer(request))
    if isinstance(result, Mistake):
        return await _form(request, here.signup, wish, 422, result.words)
    if isinstance(result, Refusal):
        if result.reason in (Reason.GATE_CLOSED, Reason.GATE_UNKNOWN):  # the page says why, part by part
            return await _form(request, here.signup, wish, 403, result.words)
        return answer_refusal(request, result, NOT_OPENED)
    if isinstance(result.token, Refusal):
        return answer_refusal(request, result.token, f"{result.account.address} is yours, but you are not let in yet")
    response = RedirectResponse("/account", 303)
    set_cookie(response, here.settings, "session", result.token, here.settings.session_seconds)
    for name in ("browser", "newcomer"):
        response.delete_cookie(cookie_name(here.settings, name), path="/", secure=here.settings.is_secure)
    return response


async def _form(request: Request, signup: SignUp, wish: Wish, status: int = 200, mistake: str = "") -> Response:
    subjects = await signup.newcomer(cookie(request, "newcomer"))
    if subjects is None:
        return RedirectResponse("/signup", 303)
    offers = await signup.offers(subjects)
    if not offers:
        return answer_problem(request, NOT_FOUND)
    return house(request).templates.page(
        "signup_address.html",
        status,
        wallet=wallet_words(subjects[0]),
        offers=[_shown(offer) for offer in offers],
        wish=wish,
        mistake=mistake[:1].upper() + mistake[1:] + "." if mistake else "",
        shortest=SHORTEST,
        longest=LONGEST,
    )


def _shown(offer: Offer) -> dict[str, object]:
    return {
        "domain": offer.domain,
        "gate": offer.gate is not None,
        "truth": offer.truth.value,
        "shown": shown(offer.gate, offer.judgement) if offer.gate else None,
    }
