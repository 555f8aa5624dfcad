"""What the provider tells: about itself, about a token, about who brings one."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

import identity.refusal
from identity.oauth.fault import Code, Fault
from node.auth.oauth.issue import email_claims, subject_of
from node.auth.throttle import network
from node.servers.http.house import answer_json, peer
from node.servers.http.oauth_answer import answer_fault, form, provider, too_many

_SHORT = {"cache-control": "public, max-age=300"}
_NEEDED = {"www-authenticate": 'Bearer realm="Waxseal"'}


async def configuration(request: Request) -> Response:
    """GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server (RFC 8414 §3)."""
    response = answer_json(provider(request).metadata)
    response.headers.update(_SHORT)
    return response


async def jwks(request: Request) -> Response:
    """GET /oauth/jwks: the keys that verify our tokens."""
    response = answer_json(provider(request).plan.ring.jwks)
    response.headers.update(_SHORT)
    return response


async def userinfo(request: Request) -> Response:
    """GET, POST /oauth/userinfo: who brings this token (OpenID Connect Core §5.3)."""
    token = _bearer(request)
    if not token:
        return answer_fault(Fault(Code.INVALID_TOKEN, "send an access token: Authorization: Bearer"), _NEEDED)
    found = await provider(request).access.read(token)
    if isinstance(found, identity.refusal.Refusal):
        headers = {"www-authenticate": 'Bearer realm="Waxseal", error="invalid_token"'}
        return answer_fault(Fault(Code.INVALID_TOKEN, found.words), headers)
    if "openid" not in found.scopes:
        headers = {"www-authenticate": 'Bearer realm="Waxseal", error="insufficient_scope", scope="openid"'}
        return answer_fault(Fault(Code.INSUFFICIENT_SCOPE, "the token lacks the scope openid"), headers)
    return answer_json({"sub": subject_of(found.account), **email_claims(found.account, found.scopes)})


async def introspect(request: Request) -> Response:
    """POST /oauth/introspect: what a token is good for (RFC 7662).

    For services of the operator's own, which show the secret in `<data>/keys/introspection.key`: without one, anybody
    could try tokens here (§2.1).
    """
    here = provider(request)
    if (fault := too_many(request)) is not None:
        return answer_fault(fault)
    if not hmac.compare_digest(_bearer(request).encode("utf-8", "replace"), here.introspection_secret.encode("ascii")):
        here.failures.fail(network(peer(request)))
        return answer_fault(
            Fault(Code.INVALID_CLIENT, "show the secret of introspection.key as a bearer token"), _NEEDED
        )
    values = await form(request)
    if isinstance(values, Fault):
        return answer_fault(values)
    return answer_json(await here.access.introspect(values.get("token", "")))


def _bearer(request: Request) -> str:
    """The token in the header (RFC 6750 §2.1); those in forms and queries are not read: they end up in logs."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
