"""DID login, did:web documents and WebFinger over HTTP, with a real store behind them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import trio
from joserfc.jwk import OKPKey

from identity import jose
from identity.credentials.credential import Credential
from identity.credentials.verify import Verifier
from identity.did import document, self_contained
from identity.did.document import Document, Purpose
from identity.did.syntax import Did, parse
from identity.jose import Signer
from identity.refusal import Refusal
from node.auth.gate import Gate
from node.base.address import parse_address
from node.directory.issuer import Issuer
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import accounts, domains, publications
from node.store.accounts import Account
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
WALLET = "eip155:0x1a642f0e3c3af545e7acbd38b07251b3990914f1"
SOLANA = "solana:CKg5d12Jhpej1JqtmxLJgaFqqeYjxgPqToJ4LBdvG9Ev"
X25519 = "did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW"
PERSON = "did:web:waxseal.test:people:alice"
HOST = {"host": "waxseal.test"}


def somebody(seed: bytes) -> Signer:
    public = jose.ed25519_signer(Did("key", "x"), "x", seed).public
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return jose.ed25519_signer(did, did.id, seed)


ALICE = somebody(b"\1" * 32)
BOB = somebody(b"\2" * 32)


@dataclass
class Web:
    """A running web server, and what lies behind it."""

    origin: str
    database: Database
    alice: Account

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.origin, timeout=10, trust_env=False, **options)

    async def log_in(self, client: httpx.AsyncClient, signer: Signer = ALICE) -> httpx.Response:
        asked = (await client.post("/auth/did/nonce", json={})).json()
        did = str(signer.did)
        claims = {"iss": did, "sub": did, "aud": asked["audience"], "nonce": asked["nonce"]}
        return await client.post("/auth/did/verify", json={"proof": signer.sign(claims, "JWT")})

    async def publish(self, *shown: str) -> None:
        await self.database.write(lambda tx: publications.put(tx, self.alice.id, shown, 1))


def people(tx: Writing) -> Account:
    domains.add(tx, "waxseal.test")
    domains.add(tx, "other.test")
    alice = accounts.add(tx, parse_address("Alice@waxseal.test"))
    for subject in (str(ALICE.did), X25519, WALLET, SOLANA, "did:web:alice.example"):
        accounts.bind(tx, alice.id, subject)
    accounts.bind(tx, accounts.add(tx, parse_address("bob@waxseal.test")).id, str(BOB.did))
    return alice


async def _running(folder: Path, issuer: Issuer | None) -> AsyncIterator[Web]:
    async with Database.open(folder / "node.sqlite") as database, trio.open_nursery() as nursery:
        alice = await database.write(people)
        door = await open_listener("127.0.0.1", 0, "http")
        origin = f"http://127.0.0.1:{door.address[1]}"
        app = WebApp(database, Gate(database), WebSettings("waxseal.test", origin), issuer=issuer)
        stop = Stop()
        limits = Limits(grace_seconds=2)
        await nursery.start(
            partial(serve, [door], WebServer(app).handle, limits=limits, busy=BUSY, farewell=FAREWELL, stop=stop)
        )
        yield Web(origin, database, alice)
        stop.request()


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    async for running in _running(tmp_path, Issuer(b"\7" * 32)):
        yield running


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[Web]:
    """A node that publishes nothing, as nodes do until they are told."""
    async for running in _running(tmp_path, None):
        yield running


# --- login ------------------------------------------------------------------------------------------------------------


async def test_a_did_logs_in_and_out(silent: Web) -> None:
    async with silent.client() as client:
        answer = await silent.log_in(client)
        assert answer.json() == {"address": "Alice@waxseal.test", "did": str(ALICE.did), "location": "/account"}
        assert "HttpOnly" in answer.headers["set-cookie"]
        page = await client.get("/account")
        assert page.status_code == 200
        assert str(ALICE.did) in page.text
        await client.post("/auth/logout")
        assert (await client.get("/account")).status_code == 303


async def test_a_replayed_proof_and_another_browser_open_nothing(silent: Web) -> None:
    async with silent.client() as client, silent.client() as other:
        asked = (await client.post("/auth/did/nonce", json={})).json()
        claims = {"iss": str(ALICE.did), "sub": str(ALICE.did), "aud": asked["audience"], "nonce": asked["nonce"]}
        proof = ALICE.sign(claims, "JWT")
        assert (await other.post("/auth/did/verify", json={"proof": proof})).status_code == 400
        browser = client.cookies["waxseal-browser"]
        assert (await client.post("/auth/did/verify", json={"proof": proof})).status_code == 200
        again = await client.post(
            "/auth/did/verify", json={"proof": proof}, headers={"cookie": f"waxseal-browser={browser}"}
        )
        assert (again.status_code, again.json()["error"]) == (403, "used-nonce")


LONG = b'{"proof": "' + b"x" * 50_000 + b'"}'


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"proof": 1}', b'{"proof": "a", "b": 1}', LONG])
async def test_a_broken_body_is_refused(silent: Web, body: bytes) -> None:
    async with silent.client() as client:
        await client.post("/auth/did/nonce", json={})
        answer = await client.post("/auth/did/verify", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (400, "bad-request")
        assert (await client.post("/auth/did/nonce", json={"address": "x"})).status_code == 400


async def test_what_a_did_cannot_prove_is_refused_with_a_reason(silent: Web) -> None:
    async with silent.client() as client:
        answer = await silent.log_in(client, somebody(b"\3" * 32))
        assert (answer.status_code, answer.json()["error"]) == (403, "unbound-did")
        answer = await silent.log_in(client, Signer(ALICE.did, ALICE.fragment, OKPKey.generate_key("Ed25519")))
        assert (answer.status_code, answer.json()["error"]) == (403, "not-proved")
        proof = ALICE.sign({"iss": str(ALICE.did), "aud": "https://evil.test", "nonce": "0" * 32}, "JWT")
        answer = await client.post("/auth/did/verify", json={"proof": proof})
        assert answer.status_code == 403


async def test_another_sites_page_begins_no_login(silent: Web) -> None:
    async with silent.client() as client:
        answer = await client.post("/auth/did/nonce", json={}, headers={"origin": "https://evil.test"})
        assert answer.status_code == 403


# --- documents --------------------------------------------------------------------------------------------------------

PLACES = (
    "/.well-known/did.json",
    "/people/alice/did.json",
    "/.well-known/webfinger?resource=acct:alice@waxseal.test",
)


async def test_nothing_is_published_until_the_settings_say_so(silent: Web) -> None:
    await silent.publish(str(ALICE.did))
    async with silent.client(headers=HOST) as client:
        for place in PLACES:
            assert (await client.get(place)).status_code == 404


async def test_nobody_is_published_until_they_want_it(web: Web) -> None:
    async with web.client(headers=HOST) as client:
        for place in PLACES[1:]:
            assert (await client.get(place)).status_code == 404
        unknown = await client.get("/people/nobody/did.json")
        assert unknown.text == (await client.get("/people/bob/did.json")).text


async def test_a_domains_document_is_read_by_a_stranger(web: Web) -> None:
    async with web.client() as client:
        for domain in ("waxseal.test", "other.test", "WAXSEAL.test:8443"):
            answer = await client.get("/.well-known/did.json", headers={"host": domain})
            assert answer.headers["content-type"] == "application/did+json"
            assert answer.headers["access-control-allow-origin"] == "*"
            did = Did("web", domain.lower().partition(":")[0])
            found = document.read(answer.content, did)
            assert isinstance(found, Document)
            (method,) = found.methods_for(Purpose.ASSERTION)
            assert found.methods_for(Purpose.AUTHENTICATION) == ()
            assert method.key == Issuer(b"\7" * 32).signer("x.test").public
        for host in ("foreign.test", "127.0.0.1", "[::1]:80", "a b", "x" * 300):
            assert (await client.get("/.well-known/did.json", headers={"host": host})).status_code == 404


async def test_a_persons_document_shows_what_they_chose(web: Web) -> None:
    await web.publish(str(ALICE.did), X25519, WALLET, SOLANA, "did:web:alice.example")
    async with web.client(headers=HOST) as client:
        answer = await client.get("/people/alice/did.json")
        found = document.read(answer.content, Did("web", "waxseal.test:people:alice"))
        assert isinstance(found, Document)
        kinds = [
            method.key.kind.value if method.key else method.account
            for method in found.methods_for(Purpose.AUTHENTICATION)
        ]
        assert sorted(kinds) == ["Ed25519", "Ed25519", "eip155:1:0x1a642f0e3c3af545e7acbd38b07251b3990914f1"]
        assert [method.key.kind.value for method in found.methods_for(Purpose.AGREEMENT) if method.key] == ["X25519"]
        assert set(found.also_known_as) >= {
            "acct:Alice@waxseal.test",
            "mailto:Alice@waxseal.test",
            "did:web:alice.example",
        }
        assert found.services[0].endpoint == "mailto:Alice@waxseal.test"
        assert (await client.get("/people/Alice/did.json")).status_code == 404
        assert (await client.get("/people/alice/did.json", headers={"host": "other.test"})).status_code == 404
    await web.publish()
    async with web.client(headers=HOST) as client:
        shown = (await client.get("/people/alice/did.json")).json()
        assert shown["verificationMethod"] == []
        assert "1a642f" not in json.dumps(shown)


async def test_what_is_unbound_is_shown_no_longer(web: Web) -> None:
    await web.publish(str(ALICE.did), WALLET)
    await web.database.write(lambda tx: accounts.unbind(tx, web.alice.id, WALLET))
    async with web.client(headers=HOST) as client:
        shown = (await client.get("/people/alice/did.json")).json()
        assert [method["publicKeyJwk"] for method in shown["verificationMethod"]] == [ALICE.public.jwk]


# --- WebFinger --------------------------------------------------------------------------------------------------------


async def finger(client: httpx.AsyncClient, resource: str, **more: Any) -> httpx.Response:
    return await client.get("/.well-known/webfinger", params={"resource": resource, **more})


async def test_webfinger_goes_both_ways(web: Web) -> None:
    await web.publish(str(ALICE.did), WALLET, SOLANA)
    wallet = "did:pkh:eip155:1:0x1a642f0e3c3af545e7acbd38b07251b3990914f1"
    solana = "did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:" + SOLANA.removeprefix("solana:")
    async with web.client() as client:
        names = ("acct:alice@waxseal.test", "mailto:ALICE@Waxseal.test", PERSON, str(ALICE.did), wallet, solana)
        for resource in names:
            answer = await finger(client, resource)
            assert answer.status_code == 200, resource
            assert answer.headers["content-type"] == "application/jrd+json"
            assert answer.headers["access-control-allow-origin"] == "*"
            found = answer.json()
            assert found["subject"] == "acct:Alice@waxseal.test"
            assert {PERSON, str(ALICE.did), wallet, solana} <= set(found["aliases"])
            assert found["links"][0]["href"] == "https://waxseal.test/people/alice/did.json"
        only = (await finger(client, PERSON, rel="me")).json()
        assert {link["rel"] for link in only["links"]} == {"me"}


async def test_what_webfinger_does_not_tell(web: Web) -> None:
    await web.publish(str(ALICE.did))
    hidden = (
        "acct:bob@waxseal.test",
        str(BOB.did),
        X25519,
        "did:pkh:eip155:1:0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
        "acct:alice@other.test",
        "acct:alice",
        "acct:",
        "https://waxseal.test/alice",
        "did:web:waxseal.test",
        PERSON.upper(),
        "did:web:waxseal.test:people:ALICE",
        "did:web:waxseal.test%3A8443:people:alice",
        "did:web:alice.example",
        "did:nothing",
    )
    async with web.client() as client:
        for resource in hidden:
            assert (await finger(client, resource)).status_code == 404, resource
        for bad in ("", "alice", "x:" + "y" * 3000):
            assert (await finger(client, bad)).status_code == 400
        assert (await client.get("/.well-known/webfinger")).status_code == 400
        twice = await client.get("/.well-known/webfinger?resource=acct:a@b&resource=acct:c@d")
        assert twice.status_code == 400


# --- the person's own choice ------------------------------------------------------------------------------------------


async def test_people_publish_and_withdraw_by_themselves(web: Web) -> None:
    async with web.client() as client:
        assert (await client.get("/account/did", headers={"accept": "application/json"})).status_code == 401
        assert (await client.post("/account/did", json={"shown": []})).status_code == 401
        assert (await client.delete("/account/did")).status_code == 401
        await web.log_in(client)
        before = (await client.get("/account/did")).json()
        assert (before["did"], before["published"], before["shown"]) == (PERSON, False, [])
        assert (await client.post("/account/did", json={"shown": [str(BOB.did)]})).json()["error"] == "not-yours"
        after = (await client.post("/account/did", json={"shown": [WALLET]})).json()
        assert (after["published"], after["shown"]) == (True, [WALLET])
        assert (await client.get("/people/alice/did.json", headers=HOST)).status_code == 200
        assert (await client.delete("/account/did")).status_code == 204
        assert (await client.get("/people/alice/did.json", headers=HOST)).status_code == 404


async def test_a_node_that_publishes_nothing_offers_nothing(silent: Web) -> None:
    async with silent.client(headers={"accept": "application/json"}) as client:
        await silent.log_in(client)
        assert (await client.get("/account/did")).status_code == 404
        assert (await client.post("/account/did", json={"shown": []})).status_code == 404
        answer = await client.post("/account/did/credential", json={"did": str(ALICE.did)})
        assert answer.status_code == 404


async def test_a_domains_credential_is_believed_by_a_stranger(web: Web) -> None:
    """From the page to another party that knows nothing but the domain's published document."""
    async with web.client() as client:
        await web.log_in(client)
        assert (await client.post("/account/did/credential", json={"did": str(BOB.did)})).json()["error"] == "not-yours"
        answer = await client.post("/account/did/credential", json={"did": str(ALICE.did)})
        assert answer.status_code == 201

        class ByHttp:
            async def resolve(self, did: Did) -> Document | Refusal:
                fetched = await client.get("/.well-known/did.json", headers={"host": did.id})
                return document.read(fetched.content, did)

        found = await Verifier(ByHttp()).credential(answer.json()["credential"], datetime.now(UTC))
        assert isinstance(found, Credential)
        assert str(found.issuer) == "did:web:waxseal.test"
        assert found.is_about(ALICE.did)
        assert found.subjects[0]["email"] == "Alice@waxseal.test"
        assert "MailAddressCredential" in found.types
