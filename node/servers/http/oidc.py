"""Logging in with an outside OpenID provider over HTTP: a link out, and the way back."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.oauth import authorization
from identity.oauth.fault import Fault
from node.auth.challenges import NONCE_SECONDS
from node.auth.oidc_login import MAX_CODE, OidcLogin
from node.auth.refusal import Refusal
from node.servers.http import return_to
from node.servers.http.house import browser_token, cookie, house, let_in, peer, set_cookie
from node.servers.http.problem import BAD_REQUEST, answer_problem, answer_refusal

_ELSEWHERE = frozenset({"cross-site", "same-site"})


async def begin(request: Request) -> Response:
    """GET /auth/oidc/{name}: send the browser to the provider. Other sites get people to the login page only."""
    login, slug = _asked(request)
    if request.headers.get("sec-fetch-site", "none") in _ELSEWHERE:
        return RedirectResponse("/login", 303)
    browser = browser_token(request)
    url = await login.begin(slug, browser, peer(request))
    if isinstance(url, Refusal):
        return answer_refusal(request, url)
    response = RedirectResponse(url, 303)
    set_cookie(response, house(request).settings, "browser", browser, NONCE_SECONDS)
    return response


async def back(request: Request) -> Response:
    """GET /auth/oidc/{name}/back: the provider's answer, by way of the browser.

    Our cookie is `SameSite=Strict`: it does not come along from the provider's site. So the request is made once more
    by a page of ours.
    """
    login, slug = _asked(request)
    if request.headers.get("sec-fetch-site", "none") in _ELSEWHERE:
        path = return_to.local_path(f"{request.url.path}?{request.url.query}")
        return house(request).templates.page("again.html", path=path) if path else answer_problem(request, BAD_REQUEST)
    sent: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        sent.setdefault(name, []).append(value)
    answer = authorization.single(sent, MAX_CODE)
    if isinstance(answer, Fault):
        return answer_problem(request, BAD_REQUEST)
    result = await login.finish(slug, cookie(request, "browser"), answer, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result)
    return await let_in(request, result.token, {"address": result.account.address, "location": "/account"})


def _asked(request: Request) -> tuple[OidcLogin, str]:
    login, slug = house(request).oidc, request.path_params["name"]
    if login is None or not login.knows(slug):
        raise HTTPException(404)
    return login, slug
