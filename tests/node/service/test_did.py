"""A whole node that publishes Ann: a stranger with nothing but its domain's name follows the trail, and she logs in."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dns.asyncresolver
import httpx2 as httpx
import pytest

from identity import jose
from identity.credentials.credential import Credential
from identity.credentials.verify import Verifier
from identity.did import document, self_contained, web
from identity.did.document import Document
from identity.did.syntax import Did, parse
from identity.jose import Signer
from identity.refusal import Refusal
from node.base.address import parse_address
from node.net.did_resolver import DOCUMENT_KINDS
from node.net.public_https import PublicHttps
from node.store import accounts

pytestmark = pytest.mark.anyio
ANN = "ann@example.test"
PERSON = "did:web:example.test:people:ann"


def somebody() -> Signer:
    public = jose.ed25519_signer(Did("key", "x"), "x", b"\5" * 32).public
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return jose.ed25519_signer(did, did.id, b"\5" * 32)


class Names(dns.asyncresolver.Resolver):
    """DNS as it would be: example.test is this machine."""

    def __init__(self) -> None:
        super().__init__(configure=False)

    async def resolve(self, qname: Any, rdtype: Any = "A", *arguments: Any, **options: Any) -> Any:
        assert str(qname) == "example.test."
        return [type("A", (), {"address": "127.0.0.1"})] if rdtype == "A" else []


class Stranger:
    """Resolves did:web as anybody would, only that the node's port is not 443 here."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.port = port
        here = ipaddress.ip_address("127.0.0.1")
        self.https = PublicHttps(resolver=Names(), tls=tls, admits=lambda address: address == here)

    async def resolve(self, did: Did) -> Document | Refusal:
        place = web.place(did)
        assert isinstance(place, web.Place)
        found = await self.https.fetch(place.host, self.port, place.path, kinds=DOCUMENT_KINDS, limit=document.MAX_SIZE)
        return document.read(found, did)


async def test_from_login_to_what_a_stranger_believes(open_node: Callable[..., Any], plan: Callable[..., Any]) -> None:
    signer = somebody()
    http = {"listen": ["127.0.0.1:0"], "tls": True, "origin": "https://example.test"}
    async with open_node(plan(hostname="example.test", http=http, did={"publish": True})) as house:
        tls = ssl.create_default_context(cafile=house.running.certificate.ca)
        port, database = house.running.ports.http, house.running.rooms.database
        stranger = Stranger(port, tls)
        ann = await database.read(lambda tx: accounts.find(tx, parse_address(ANN)))
        await database.write(lambda tx: accounts.bind(tx, ann.id, str(signer.did)))
        base = f"https://localhost:{port}"
        async with httpx.AsyncClient(
            verify=tls, base_url=base, headers={"host": "example.test"}, trust_env=False
        ) as client:
            asked = (await client.post("/auth/did/nonce", json={})).json()
            assert asked["audience"] == "https://example.test"
            claims = {"iss": str(signer.did), "sub": str(signer.did), "aud": asked["audience"], "nonce": asked["nonce"]}
            answer = await client.post("/auth/did/verify", json={"proof": signer.sign(claims, "JWT")})
            assert answer.json()["address"] == ANN
            assert (await client.post("/account/did", json={"shown": [str(signer.did)]})).json()["did"] == PERSON
            given = await client.post("/account/did/credential", json={"did": str(signer.did)})
            where = {"resource": f"acct:{ANN}", "rel": "describedby"}
            found = (await client.get("/.well-known/webfinger", params=where)).json()
        assert found["links"][0]["href"] == "https://example.test/people/ann/did.json"
        assert PERSON in found["aliases"]
        published = await stranger.resolve(Did("web", "example.test:people:ann"))
        assert isinstance(published, Document)
        assert [method.key for method in published.methods] == [signer.public]
        believed = await Verifier(stranger).credential(given.json()["credential"], datetime.now(UTC))
        assert isinstance(believed, Credential)
        assert (str(believed.issuer), believed.subjects[0]["email"]) == ("did:web:example.test", ANN)
        assert believed.is_about(signer.did)


async def test_a_node_publishes_nothing_by_itself(open_node: Callable[..., Any], plan: Callable[..., Any]) -> None:
    async with open_node(plan()) as house:
        base = f"http://127.0.0.1:{house.running.ports.http}"
        async with httpx.AsyncClient(base_url=base, headers={"host": "example.test"}, trust_env=False) as client:
            for path in (
                "/.well-known/did.json",
                "/people/ann/did.json",
                f"/.well-known/webfinger?resource=acct:{ANN}",
            ):
                assert (await client.get(path)).status_code == 404
        assert not (house.running.rooms.folders.keys / "issuer.key").exists()
