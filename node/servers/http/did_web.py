"""Public names: did:web documents of domains and people, WebFinger (RFC 7033), and what people decide about theirs.

Everything here is "not found" unless the settings open it; a person's document, unless that person wants it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from identity.did import syntax
from identity.did.syntax import Did
from node.anchor import audit
from node.base.address import Address, AddressError, normalize_domain, parse_address
from node.directory import person_did
from node.directory.issuer import Issuer
from node.directory.person_did import Published
from node.servers.http.body import Body, read_json
from node.servers.http.house import answer_json, house, visitor
from node.servers.http.problem import BAD_REQUEST, LOGIN_FIRST, NOT_FOUND, Problem, answer_problem
from node.store import accounts, domains, publications
from node.store.accounts import Account
from node.store.transaction import Writing

# RFC 7033 §5: any site's script may ask; there is nothing here but what is meant to be seen.
_PUBLIC = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "public, max-age=300",
}
MAX_RESOURCE = 2048
_NOT_YOURS = Problem(422, "not-yours", "That identity is not bound to this account", "Choose one of the account's own.")


class PublishRequest(Body):
    """POST /account/did: the identities to show, as the account page lists them."""

    shown: Annotated[list[Annotated[str, Field(max_length=MAX_RESOURCE)]], Field(max_length=50)]


class CredentialRequest(Body):
    """POST /account/did/credential: a DID of the account."""

    did: Annotated[str, Field(max_length=MAX_RESOURCE)]


async def domain_document(request: Request) -> Response:
    """GET /.well-known/did.json: the document of the mail domain that the request's Host header names."""
    here, domain = house(request), _host(request)
    if here.issuer is None or not await here.database.read(lambda tx: domains.exists(tx, domain)):
        return answer_problem(request, NOT_FOUND)
    return _public(here.issuer.document(domain).write(), "application/did+json")


async def person_document(request: Request) -> Response:
    """GET /people/{local}/did.json: the document of somebody of that domain who wants one."""
    here, local = house(request), request.path_params["local"]
    address = Address(local, _host(request))
    person = await here.database.read(lambda tx: person_did.find(tx, address)) if here.issuer else None
    if person is None or local != local.casefold():  # the DID has one spelling
        return answer_problem(request, NOT_FOUND)
    return _public(person.document().write(), "application/did+json")


async def webfinger(request: Request) -> Response:
    """GET /.well-known/webfinger?resource=...: from an address to its DIDs, and from a DID to its address."""
    resources = request.query_params.getlist("resource")
    if len(resources) != 1 or ":" not in resources[0] or len(resources[0]) > MAX_RESOURCE:
        return answer_problem(request, BAD_REQUEST)  # RFC 7033 §4.2
    here = house(request)
    person = await here.database.read(lambda tx: person_did.find_by(tx, resources[0])) if here.issuer else None
    if person is None:
        return answer_problem(request, NOT_FOUND)
    return _public(_descriptor(person, request.query_params.getlist("rel")), "application/jrd+json")


def _descriptor(person: Published, wanted: list[str]) -> Mapping[str, Any]:
    """RFC 7033 §4.4; `wanted` keeps only links of these relations (§4.3)."""
    links = [
        {"rel": "describedby", "type": "application/did+json", "href": _document_url(person)},
        *({"rel": "me", "href": did} for did in (str(person.did), *person.dids)),
    ]
    return {
        "subject": f"acct:{person.address}",
        "aliases": [f"mailto:{person.address}", str(person.did), *person.dids],
        "links": [link for link in links if not wanted or link["rel"] in wanted],
    }


def _document_url(person: Published) -> str:
    return f"https://{person.address.domain}/{person_did.PATH}/{person.did.id.rpartition(':')[2]}/did.json"


async def mine(request: Request) -> Response:
    """GET /account/did: what the account publishes, and what it could."""
    person = await visitor(request)
    here = house(request)
    if person is None or here.issuer is None:
        return answer_problem(request, NOT_FOUND if person else LOGIN_FIRST)
    return await _mine(request, person)


async def publish(request: Request) -> Response:
    """POST /account/did: publish a document with these identities, or change which."""
    asked = await read_json(request, PublishRequest)
    person = await visitor(request)
    here = house(request)
    if person is None or here.issuer is None:
        return answer_problem(request, NOT_FOUND if person else LOGIN_FIRST)
    shown = tuple(asked.shown)
    if not await here.database.write(partial(_publish, person=person, shown=shown)):
        return answer_problem(request, _NOT_YOURS)
    return await _mine(request, person)


def _publish(tx: Writing, *, person: Account, shown: tuple[str, ...]) -> bool:
    if not set(shown) <= set(accounts.identities(tx, person.id)):
        return False
    publications.put(tx, person.id, shown, int(time.time()))
    audit.record(tx, audit.Kind.DID_PUBLISHED, person.address, person.address, {"shown": " ".join(shown)})
    return True


async def withdraw(request: Request) -> Response:
    """DELETE /account/did: publish nothing any more."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)

    def work(tx: Writing) -> None:
        if publications.remove(tx, person.id):
            audit.record(tx, audit.Kind.DID_WITHDRAWN, person.address, person.address)

    await house(request).database.write(work)
    return Response(status_code=204)


async def credential(request: Request) -> Response:
    """POST /account/did/credential: the domain's word that a DID of the account reads mail at its address."""
    asked = await read_json(request, CredentialRequest)
    person = await visitor(request)
    here = house(request)
    if person is None or here.issuer is None:
        return answer_problem(request, NOT_FOUND if person else LOGIN_FIRST)
    did = syntax.parse(asked.did)
    bound = await here.database.read(lambda tx: accounts.identities(tx, person.id))
    if not isinstance(did, Did) or str(did) not in {person_did.as_did(subject) for subject in bound}:
        return answer_problem(request, _NOT_YOURS)
    return answer_json({"credential": _issued(here.issuer, person, did)}, 201)


def _issued(issuer: Issuer, person: Account, did: Did) -> str:
    return issuer.address_credential(parse_address(person.address), did, datetime.now(UTC))


async def _mine(request: Request, person: Account) -> Response:
    def query(tx: Any) -> tuple[publications.Publication | None, list[str]]:
        return publications.get(tx, person.id), accounts.identities(tx, person.id)

    wish, bound = await house(request).database.read(query)
    content = {
        "did": str(person_did.person_did(parse_address(person.address))),
        "published": wish is not None,
        "shown": list(wish.shown) if wish else [],
        "identities": bound,
    }
    return answer_json(content)


def _host(request: Request) -> str:
    """The domain that is asked; "" for what is none."""
    try:
        return normalize_domain(request.headers.get("host", "").partition(":")[0])
    except AddressError:
        return ""


def _public(content: Mapping[str, Any], kind: str) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), headers=_PUBLIC, media_type=kind)
