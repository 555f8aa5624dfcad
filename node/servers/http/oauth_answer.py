"""What all addresses of the OAuth provider share: forms read strictly, errors as the standards have them."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.oauth import authorization
from identity.oauth.fault import Code, Fault
from identity.oauth.tokens import MAX_TOKEN
from node.auth.oauth.provider import Provider
from node.auth.throttle import network
from node.base import metrics
from node.servers.http import return_to
from node.servers.http.body import read_form
from node.servers.http.house import answer_json, house, peer, set_cookie

SCOPE_WORDS = {
    "imap": "Read, move and delete your mail",
    "smtp": "Send mail in your name",
    "email": "See your address",
    "openid": "Know that it is you",
    "offline_access": "Stay connected until you disconnect it",
}
_STATUS = {Code.INVALID_CLIENT: 401, Code.INVALID_TOKEN: 401, Code.INSUFFICIENT_SCOPE: 403}


def provider(request: Request) -> Provider:
    """The provider.

    Raises:
        HTTPException: 404 where this node has none.
    """
    found = house(request).oauth
    if found is None:
        raise HTTPException(404)
    return found


async def form(request: Request) -> dict[str, str] | Fault:
    """The body's parameters, each once (RFC 6749 §3.2)."""
    try:
        return authorization.single(await read_form(request), MAX_TOKEN)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        return Fault(Code.INVALID_REQUEST, "send the parameters as application/x-www-form-urlencoded")


def answer_fault(fault: Fault, headers: dict[str, str] | None = None) -> Response:
    """An error answer (RFC 6749 §5.2)."""
    status = 429 if fault.retry_after else _STATUS.get(fault.code, 400)
    response = answer_json({"error": fault.code.value, "error_description": fault.words}, status)
    response.headers.update(headers or {})
    if fault.retry_after:
        response.headers["retry-after"] = str(math.ceil(fault.retry_after))
    return response


def counted(request: Request, kind: str, result: object) -> None:
    """Count an answer of the token endpoint; wrong codes and tokens slow their network down."""
    outcome = result.code.value if isinstance(result, Fault) else "ok"
    metrics.oauth_answers.labels(kind, outcome).inc()
    if isinstance(result, Fault) and result.code is Code.INVALID_GRANT:
        provider(request).failures.fail(network(peer(request)))


def too_many(request: Request) -> Fault | None:
    """Why this network has to wait; None to go on."""
    if (wait := provider(request).failures.wait(network(peer(request)))) <= 0:
        return None
    return Fault(Code.TEMPORARILY_UNAVAILABLE, "too many wrong codes and tokens from your network", wait)


def login_first(request: Request, *, again: bool = False) -> Response:
    """Send whoever is not logged in (or not lately) to the login page, which leads back here.

    Our cookie is `SameSite=Strict`: a browser that another site sends here does not show it. So such a request is
    made once more by a page of ours before anybody is taken for a stranger.
    """
    query = request.url.query
    path = return_to.local_path(request.url.path + (f"?{query}" if query else "")) or request.url.path
    if not again and request.headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}:
        return house(request).templates.page("again.html", path=path)
    response = RedirectResponse("/login?again=1" if again else "/login", 303)
    set_cookie(response, house(request).settings, return_to.NAME, return_to.pack(path), return_to.SECONDS)
    return response
