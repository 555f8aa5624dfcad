"""The addresses that mail clients themselves call: tokens, devices, revocation, registration."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from identity.oauth import scope
from identity.oauth.fault import Code, Fault
from identity.oauth.registration import DEVICE_GRANT
from node.auth.oauth.codes import Brought
from node.auth.throttle import network
from node.servers.http.house import answer_json, peer
from node.servers.http.oauth_answer import answer_fault, counted, form, provider, too_many

_KINDS = {"authorization_code": "code", "refresh_token": "refresh", DEVICE_GRANT: "device"}
_NO_CLIENT = Fault(Code.INVALID_CLIENT, "client_id is missing, or not registered here; public clients send no secret")


async def token(request: Request) -> Response:
    """POST /oauth/token: a code, a refresh token or a device's code in, tokens out (RFC 6749 §3.2)."""
    values = await form(request)
    if isinstance(values, Fault):
        return answer_fault(values)
    kind = _KINDS.get(values.get("grant_type", ""))
    if kind is None:
        return answer_fault(Fault(Code.UNSUPPORTED_GRANT_TYPE, f"grant_type is one of {', '.join(_KINDS)}"))
    if (fault := too_many(request)) is not None:
        return answer_fault(fault)
    result = await _tokens(request, kind, values)
    counted(request, kind, result)
    return answer_fault(result) if isinstance(result, Fault) else answer_json(result)


async def _tokens(request: Request, kind: str, values: dict[str, str]) -> dict[str, Any] | Fault:
    here, asker = provider(request), network(peer(request))
    client_id = values.get("client_id", "")
    if await here.clients.find(client_id) is None:
        return _NO_CLIENT
    if kind == "code":
        brought = Brought(
            *(values.get("code", ""), client_id, values.get("redirect_uri", ""), values.get("code_verifier", ""))
        )
        return await here.codes.exchange(brought, asker)
    if kind == "refresh":
        return await here.refreshes.refresh(values.get("refresh_token", ""), client_id, values.get("scope", ""), asker)
    return await here.devices.poll(values.get("device_code", ""), client_id)


async def device_authorization(request: Request) -> Response:
    """POST /oauth/device_authorization: a device begins (RFC 8628 §3.1)."""
    values = await form(request)
    if isinstance(values, Fault):
        return answer_fault(values)
    here = provider(request)
    client = await here.clients.find(values.get("client_id", ""))
    if client is None:
        return answer_fault(_NO_CLIENT)
    scopes = scope.read(values.get("scope", ""))
    if isinstance(scopes, Fault):
        return answer_fault(scopes)
    started = await here.devices.start(client, scopes, peer(request))
    return answer_fault(started) if isinstance(started, Fault) else answer_json(started)


async def revoke(request: Request) -> Response:
    """POST /oauth/revoke: end a token's grant; the answer does not tell whether there was one (RFC 7009 §2.2)."""
    values = await form(request)
    if isinstance(values, Fault):
        return answer_fault(values)
    here = provider(request)
    if (fault := too_many(request)) is not None:
        return answer_fault(fault)
    client_id = values.get("client_id", "")
    if await here.clients.find(client_id) is None:
        return answer_fault(_NO_CLIENT)
    if "token" not in values:
        return answer_fault(Fault(Code.INVALID_REQUEST, "token is missing"))
    fault = await here.access.revoke(values["token"], client_id)
    return answer_fault(fault) if fault is not None else Response(status_code=200)


async def register(request: Request) -> Response:
    """POST /oauth/register: a client registers itself (RFC 7591 §3)."""
    result = await provider(request).clients.register(await request.body(), peer(request))
    return answer_fault(result) if isinstance(result, Fault) else answer_json(result, 201)
