"""Passkeys over HTTP: what browsers send, and everything that must open nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.auth.gate import Gate
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store.database import Database

from ....identity.authenticator import PRESENT, Authenticator, encoded
from .conftest import Web, people

pytestmark = pytest.mark.anyio


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    """Served under a name: browsers make no passkeys for bare addresses."""
    async with Database.open(tmp_path / "node.sqlite") as database, trio.open_nursery() as nursery:
        alice, bob = await database.write(people)
        door = await open_listener("127.0.0.1", 0, "http")
        origin = f"http://localhost:{door.address[1]}"
        settings = WebSettings("waxseal.test", origin)
        web = Web(origin, door.address[1], database, settings, Stop(), alice, bob)
        handler = WebServer(WebApp(database, Gate(database), settings)).handle
        await nursery.start(
            partial(serve, [door], handler, limits=Limits(grace_seconds=2), busy=BUSY, farewell=FAREWELL, stop=web.stop)
        )
        yield web
        web.stop.request()


def phone(web: Web, **options: Any) -> Authenticator:
    return Authenticator(origin=web.origin, **options)


async def add(client: Any, authenticator: Authenticator, name: str = "Phone") -> Any:
    options = await client.post("/account/passkeys/options", json={})
    assert options.status_code == 200, options.text
    return await client.post(
        "/account/passkeys", json={"name": name, "credential": authenticator.create(options.json())}
    )


async def answer(client: Any, authenticator: Authenticator, **changes: Any) -> dict[str, Any]:
    options = await client.post("/auth/passkey/options", json={})
    assert options.status_code == 200
    return authenticator.get(options.json(), **changes)


async def send(client: Any, answer: dict[str, Any]) -> Any:
    return await client.post("/auth/passkey/verify", json=answer)


async def test_from_adding_one_to_logging_in_with_it_to_removing_it(web: Web) -> None:
    authenticator = phone(web)
    async with web.client() as client:
        await web.log_in(client)
        made = await add(client, authenticator, "My phone")
        assert made.status_code == 201
        assert (made.json()["name"], made.json()["location"]) == ("My phone", "/account#passkeys")
        assert "My phone" in (await client.get("/account")).text
    async with web.client() as client:
        found = await send(client, await answer(client, authenticator))
        assert found.json() == {"address": "alice@waxseal.test", "location": "/account"}
        assert "waxseal-session=" in found.headers["set-cookie"]
        assert "alice@waxseal.test" in (await client.get("/account")).text
        (row,) = (await client.get("/account/passkeys")).json()["passkeys"]
        assert row["name"] == "My phone"
        assert row["last_used"]
        gone = await client.post(f"/account/passkeys/{row['id']}/remove")
        assert (gone.status_code, gone.headers["location"]) == (303, "/account#passkeys")
        assert (await client.get("/account/passkeys")).json() == {"passkeys": []}
        assert (await client.post(f"/account/passkeys/{row['id']}/remove")).status_code == 404
    async with web.client() as client:
        found = await send(client, await answer(client, authenticator))
        assert (found.status_code, found.json()["error"]) == (403, "unknown-passkey")


async def test_an_answer_sent_twice(web: Web) -> None:
    authenticator = phone(web)
    async with web.client() as client:
        await web.log_in(client)
        await add(client, authenticator)
    async with web.client() as client:
        sent = await answer(client, authenticator)
        browser = client.cookies["waxseal-browser"]
        assert (await send(client, sent)).status_code == 200
        again = await client.post("/auth/passkey/verify", json=sent, headers={"cookie": f"waxseal-browser={browser}"})
        assert again.json()["error"] == "used-nonce"


async def test_another_browsers_answer(web: Web) -> None:
    """Login CSRF: a stranger's answer must not log this browser in to the stranger's account."""
    authenticator = phone(web)
    async with web.client() as one, web.client() as other:
        await web.log_in(one)
        await add(one, authenticator)
        sent = await answer(one, authenticator)
        await answer(other, authenticator)
        assert (await send(other, sent)).json()["error"] == "used-nonce"
    async with web.client() as nobody:
        assert (await send(nobody, sent)).status_code == 400


async def test_a_passkey_used_on_another_site(web: Web) -> None:
    authenticator = phone(web)
    async with web.client() as client:
        await web.log_in(client)
        await add(client, authenticator)
        found = await send(client, await answer(client, authenticator, origin="https://evil.test"))
        assert (found.status_code, found.json()["error"]) == (403, "wrong-domain")
        found = await send(client, await answer(client, authenticator, rp_id="evil.test"))
        assert found.json()["error"] == "wrong-domain"
        authenticator.flags = PRESENT
        found = await send(client, await answer(client, authenticator))
        assert found.json()["error"] == "not-verified"
        assert "PIN" in found.json()["words"]


async def test_who_is_not_logged_in_adds_and_removes_nothing(web: Web) -> None:
    async with web.client() as client:
        for path in ("/account/passkeys/options", "/account/passkeys/1/remove"):
            assert (await client.post(path, json={})).json()["error"] == "login-first"
        assert (await client.get("/account/passkeys")).status_code == 401
        made = phone(web).create({"challenge": "", "rp": {"id": "localhost"}, "user": {"id": "aA"}})
        added = await client.post("/account/passkeys", json={"name": "x", "credential": made})
        assert added.json()["error"] == "login-first"


async def test_nobody_removes_somebody_elses(web: Web) -> None:
    from .conftest import BOB

    authenticator = phone(web)
    async with web.client() as alice, web.client() as bob:
        await web.log_in(alice)
        id = (await add(alice, authenticator)).json()["id"]
        await web.log_in(bob, BOB)
        assert (await bob.post(f"/account/passkeys/{id}/remove")).status_code == 404
        assert (await bob.post(f"/account/passkeys/{1 << 80}/remove")).status_code == 404
        assert len((await alice.get("/account/passkeys")).json()["passkeys"]) == 1


async def test_the_last_way_in_stays(web: Web) -> None:
    from node.store import accounts

    async with web.client() as client:
        await web.log_in(client)
        id = (await add(client, phone(web))).json()["id"]
        await web.database.write(
            lambda tx: [accounts.unbind(tx, web.alice.id, each) for each in accounts.identities(tx, web.alice.id)]
        )
        page = await client.post(f"/account/passkeys/{id}/remove")
        assert page.status_code == 409
        assert "only way in" in page.text


async def test_an_old_login_is_told_to_log_in_again(web: Web) -> None:
    from node.auth.sessions import fingerprint, new_token
    from node.store import web_sessions

    token = new_token()
    await web.database.write(lambda tx: web_sessions.add(tx, fingerprint(token), web.alice.id, 1 << 40, 1))
    async with web.client(cookies={"waxseal-session": token}) as client:
        found = await client.post("/account/passkeys/options", json={})
        assert (found.status_code, found.json()["error"]) == (403, "login-again")
        assert (await client.get("/login")).headers["location"] == "/account"
        page = await client.get("/login?again")
        assert page.status_code == 200
        assert "Log in" in page.text


@pytest.mark.parametrize("path", ["/auth/passkey/verify", "/account/passkeys"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"id": 1}', b'{"name": "x", "credential": 7}', b"[" * 60_000,
     b'{"id": "aA", "type": "public-key", "response": {}}', b'{"name": "\\ud800", "credential": {}}'],
)  # fmt: skip
async def test_a_broken_body_is_refused(web: Web, path: str, body: bytes) -> None:
    async with web.client() as client:
        await web.log_in(client)
        await client.post("/auth/passkey/options", json={})
        found = await client.post(path, content=body, headers={"content-type": "application/json"})
        assert (found.status_code, found.json()["error"]) == (400, "bad-request")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("id", ""),
        ("id", "a"),
        ("id", "aA=="),
        ("id", "!!!!"),
        ("id", encoded(bytes(1024))),
        ("type", "password"),
        ("clientDataJSON", encoded(bytes(2049))),
        ("authenticatorData", encoded(bytes(1025))),
        ("signature", encoded(bytes(513))),
        ("userHandle", encoded(bytes(65))),
        ("userHandle", ""),
        ("userHandle", None),
        ("signature", 7),
    ],
)
async def test_a_part_without_measure_is_refused(web: Web, place: str, value: object) -> None:
    authenticator = phone(web, handle=b"h")
    async with web.client() as client:
        sent = await answer(client, authenticator)
        (sent if place in sent else sent["response"])[place] = value
        assert (await send(client, sent)).status_code == 400


async def test_too_much_is_refused(web: Web) -> None:
    authenticator = phone(web)
    async with web.client() as client:
        await web.log_in(client)
        options = (await client.post("/account/passkeys/options", json={})).json()
        made = authenticator.create(options)
        made["response"]["attestationObject"] = encoded(bytes(5000))
        assert (await client.post("/account/passkeys", json={"name": "x", "credential": made})).status_code == 400
        made["response"]["attestationObject"] = encoded(bytes(100_000))
        assert (await client.post("/account/passkeys", json={"name": "x", "credential": made})).status_code == 413


async def test_what_later_standards_add_is_passed_over(web: Web) -> None:
    authenticator = phone(web)
    async with web.client() as client:
        await web.log_in(client)
        options = (await client.post("/account/passkeys/options", json={})).json()
        made = authenticator.create(options)
        made["response"] |= {"publicKeyAlgorithm": -7, "authenticatorData": "AA", "transports": ["smoke-signals"]}
        assert (await client.post("/account/passkeys", json={"name": "x", "credential": made})).status_code == 201


async def test_a_name_that_does_not_fit_is_explained(web: Web) -> None:
    async with web.client() as client:
        await web.log_in(client)
        found = await add(client, phone(web), "x" * 65)
        assert (found.status_code, found.json()["error"]) == (422, "unusable")
        assert "64" in found.json()["words"]


async def test_requests_of_other_sites_do_nothing(web: Web) -> None:
    async with web.client() as client:
        await web.log_in(client)
        headers = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
        for path in ("/account/passkeys/options", "/account/passkeys", "/auth/passkey/verify"):
            assert (await client.post(path, json={}, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("https://mail.waxseal.test", "mail.waxseal.test"),
        ("https://mail.waxseal.test:8443", "mail.waxseal.test"),
        ("http://localhost:8080", "localhost"),
        ("http://mail.waxseal.test", None),
        ("http://127.0.0.1:8080", None),
        ("https://192.0.2.7", None),
        ("https://[2001:db8::1]:8443", None),
        ("http://localhost.evil.test", None),
    ],
)
async def test_where_browsers_make_passkeys(origin: str, name: str | None) -> None:
    site = WebSettings("waxseal.test", origin).passkeys
    assert (site.id if site else None) == name
    assert site is None or site.origin == origin


async def test_where_they_make_none_nothing_is_offered(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "node.sqlite") as database, trio.open_nursery() as nursery:
        alice, bob = await database.write(people)
        door = await open_listener("127.0.0.1", 0, "http")
        origin = f"http://127.0.0.1:{door.address[1]}"
        web = Web(origin, door.address[1], database, WebSettings("waxseal.test", origin), Stop(), alice, bob)
        handler = WebServer(WebApp(database, Gate(database), web.settings)).handle
        await nursery.start(
            partial(serve, [door], handler, limits=Limits(grace_seconds=2), busy=BUSY, farewell=FAREWELL, stop=web.stop)
        )
        async with web.client() as client:
            assert (await client.post("/auth/passkey/options", json={})).status_code == 404
            assert "passkey" not in (await client.get("/login")).text.lower()
            await web.log_in(client)
            assert (await client.post("/account/passkeys/options", json={})).status_code == 404
            assert "passkey" not in (await client.get("/account")).text.lower()
        web.stop.request()
