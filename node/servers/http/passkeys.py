"""Passkeys over HTTP: options out, answers in, in the JSON forms of Web Authentication Level 3 (§5.1.8 to §5.1.10)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.authenticator_data import MAX_CREDENTIAL_ID
from identity.did.multibase import decode_base64url
from identity.passkey import (
    MAX_ATTESTATION_OBJECT,
    MAX_AUTHENTICATOR_DATA,
    MAX_CLIENT_DATA,
    MAX_SIGNATURE,
    MAX_USER_HANDLE,
    Assertion,
    Registration,
)
from node.auth.challenges import NONCE_SECONDS
from node.auth.passkeys import Asker, Passkeys
from node.auth.refusal import Refusal
from node.auth.sessions import is_token
from node.servers.http.body import Body, read_json
from node.servers.http.house import (
    answer_json,
    browser_token,
    cookie,
    house,
    let_in,
    peer,
    set_cookie,
    visitor,
    wants_json,
)
from node.servers.http.pages import account_page
from node.servers.http.problem import BAD_REQUEST, LOGIN_FIRST, NOT_FOUND, answer_problem, answer_refusal
from node.store.accounts import Account
from node.store.passkeys import Passkey

NOT_ADDED = "The passkey was not added"
STAYS = "The passkey was not removed"


def _octets(value: object, limit: int) -> bytes:
    """Base64url of 1 to `limit` octets."""
    if not isinstance(value, str) or not 0 < len(value) <= (4 * limit + 2) // 3:
        raise ValueError("missing, or too long")
    return decode_base64url(value)


CredentialId = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_CREDENTIAL_ID))]
ClientData = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_CLIENT_DATA))]
AuthenticatorOctets = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_AUTHENTICATOR_DATA))]
Signature = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_SIGNATURE))]
UserHandle = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_USER_HANDLE))]
AttestationObject = Annotated[bytes, BeforeValidator(partial(_octets, limit=MAX_ATTESTATION_OBJECT))]


class Foreign(Body):
    """A form that others write, and add to as the years go by: what is not used here is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class AssertionParts(Foreign):
    """`AuthenticatorAssertionResponseJSON`."""

    client_data: Annotated[ClientData, Field(alias="clientDataJSON")]
    authenticator_data: Annotated[AuthenticatorOctets, Field(alias="authenticatorData")]
    signature: Signature
    user_handle: Annotated[UserHandle, Field(alias="userHandle")]


class AssertionBody(Foreign):
    """POST /auth/passkey/verify: `AuthenticationResponseJSON`."""

    id: CredentialId
    type: Literal["public-key"]
    response: AssertionParts


class AttestationParts(Foreign):
    """`AuthenticatorAttestationResponseJSON`."""

    client_data: Annotated[ClientData, Field(alias="clientDataJSON")]
    attestation_object: Annotated[AttestationObject, Field(alias="attestationObject")]
    transports: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=16)] = []  # noqa: RUF012


class CredentialBody(Foreign):
    """`RegistrationResponseJSON`."""

    id: CredentialId
    type: Literal["public-key"]
    response: AttestationParts


class AddRequest(Body):
    """POST /account/passkeys."""

    name: Annotated[str, Field(max_length=1000)]
    credential: CredentialBody


class OptionsRequest(Body):
    """POST /auth/passkey/options and /account/passkeys/options: an empty object."""


def _desk(request: Request) -> Passkeys:
    """The passkeys' part of the node; its addresses are empty where browsers offer no passkeys."""
    desk = house(request).passkeys
    if desk is None:
        raise HTTPException(404)
    return desk


def _asker(request: Request, person: Account) -> Asker:
    return Asker(person, cookie(request, "session"), peer(request))


async def login_options(request: Request) -> Response:
    """POST /auth/passkey/options: what to ask the authenticator; bound to this browser, good once, for five minutes."""
    desk = _desk(request)
    await read_json(request, OptionsRequest)
    browser = browser_token(request)
    options = await desk.login_options(browser, peer(request))
    if isinstance(options, Refusal):
        return answer_refusal(request, options)
    response = answer_json(options)
    set_cookie(response, house(request).settings, "browser", browser, NONCE_SECONDS)
    return response


async def verify(request: Request) -> Response:
    """POST /auth/passkey/verify: open a session for whoever holds the passkey."""
    desk = _desk(request)
    sent = await read_json(request, AssertionBody)
    browser = cookie(request, "browser")
    if not is_token(browser):
        return answer_problem(request, BAD_REQUEST)
    parts = sent.response
    said = Assertion(sent.id, parts.client_data, parts.authenticator_data, parts.signature, parts.user_handle)
    result = await desk.log_in(said, browser, peer(request))
    if isinstance(result, Refusal):
        return answer_refusal(request, result)
    return await let_in(request, result.token, {"address": result.account.address, "location": "/account"})


async def listing(request: Request) -> Response:
    """GET /account/passkeys: the account's."""
    desk = _desk(request)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    return answer_json({"passkeys": [_described(row) for row in await desk.listing(person)]})


async def add_options(request: Request) -> Response:
    """POST /account/passkeys/options: what to ask the authenticator for a new passkey; soon after a login only."""
    desk = _desk(request)
    await read_json(request, OptionsRequest)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    options = await desk.add_options(_asker(request, person))
    return answer_refusal(request, options, NOT_ADDED) if isinstance(options, Refusal) else answer_json(options)


async def add(request: Request) -> Response:
    """POST /account/passkeys: keep the new passkey."""
    desk = _desk(request)
    sent = await read_json(request, AddRequest)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    parts = sent.credential.response
    made = Registration(sent.credential.id, parts.client_data, parts.attestation_object)
    kept = await desk.add(_asker(request, person), sent.name, made, parts.transports)
    if isinstance(kept, Refusal):
        return answer_refusal(request, kept, NOT_ADDED)
    return answer_json({**_described(kept), "location": "/account#passkeys"}, 201)


async def remove(request: Request) -> Response:
    """POST /account/passkeys/{id}/remove: end one at once, and the account's sessions in other browsers."""
    desk = _desk(request)
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    id = request.path_params["id"]
    gone = None if id >= 1 << 63 else await desk.remove(_asker(request, person), id)  # no row number is that large
    if gone is None:
        return answer_problem(request, NOT_FOUND)
    if isinstance(gone, Refusal):
        if wants_json(request):
            return answer_refusal(request, gone, STAYS)
        return await account_page(house(request), person, 409, passkey_mistake=f"{STAYS}: {gone.words}.")
    return Response(status_code=204) if wants_json(request) else RedirectResponse("/account#passkeys", 303)


def _described(row: Passkey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "synced": row.is_synced,
        "created": row.created,
        "last_used": row.last_used,
    }
