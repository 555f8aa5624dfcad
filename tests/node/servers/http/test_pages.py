"""Pages, app passwords, receipts, health, metrics, and the guard before them."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from eth_account import Account as Wallet
from hypothesis import given
from hypothesis import strategies as st

from node.auth.gate import Gate
from node.base.errors import Temporary
from node.servers.http.guard import MAX_BODY
from node.servers.http.records import _basic

pytestmark = pytest.mark.anyio
BOB = Wallet.from_key(b"\x02" * 32)
JSON = {"accept": "application/json"}


async def test_every_page_carries_the_security_headers_and_nothing_inline(web: Any) -> None:
    async with web.client() as client:
        await web.log_in(client)
        await client.post("/app-passwords", data={"name": "phone", "scope": ["imap"]})
        pages = [await client.get(path) for path in ("/", "/account", "/nowhere")]
        client.cookies.clear()
        pages.append(await client.get("/login"))
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]+src=)|\sstyle=|\son\w+=|javascript:", page.text)
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)


async def test_files_of_the_pages_are_kept_by_the_browser(web: Any) -> None:
    async with web.client() as client:
        page = await client.get("/login")
        for path in set(re.findall(r'"(/static/[^"]+)"', page.text)):
            file = await client.get(path)
            assert file.status_code == 200
            assert "immutable" in file.headers["cache-control"]
            again = await client.get(path, headers={"if-none-match": file.headers["etag"]})
            assert again.status_code == 304
        assert (await client.get("/static/..%2fapp.py")).status_code == 404


async def test_the_login_page_under_another_address_says_where_to_go(web: Any) -> None:
    async with web.client() as client:
        answer = await client.get("/login", headers={"host": "evil.test"})
        assert answer.status_code == 421
        assert f"{web.origin}/login" in answer.text


async def test_an_app_password_is_made_shown_once_and_revoked(web: Any) -> None:
    gate = Gate(web.database)
    async with web.client() as client:
        await web.log_in(client)
        page = await client.post("/app-passwords", data={"name": "My <b>phone</b>", "scope": ["imap", "smtp"]})
        password = re.search(r'<code id="secret">([a-z0-9-]{23})</code>', page.text)
        assert password is not None
        assert "My &lt;b&gt;phone" in page.text
        assert await gate.password("alice@waxseal.test", password[1], "smtp", "192.0.2.1") == web.alice
        page = await client.get("/account")
        assert password[1] not in page.text
        revoke = re.search(r'action="(/app-passwords/\d+/revoke)"', page.text)
        assert revoke is not None
        assert (await client.post(revoke[1])).headers["location"] == "/account"
        assert "My &lt;b&gt;phone" not in (await client.get("/account")).text
        assert (await client.post(revoke[1])).status_code == 404
        for absurd in (1 << 63, 10**40):
            assert (await client.delete(f"/app-passwords/{absurd}")).status_code == 404
        refused = await gate.password("alice@waxseal.test", password[1], "smtp", "192.0.2.1")
        assert refused != web.alice


async def test_programs_do_the_same_with_json(web: Any) -> None:
    async with web.client(headers=JSON) as client:
        assert (await client.get("/app-passwords")).status_code == 401
        await web.log_in(client)
        made = await client.post("/app-passwords", json={"name": "script", "scopes": ["imap"]})
        assert made.status_code == 201
        assert made.json()["username"] == "alice@waxseal.test"
        listed = (await client.get("/app-passwords")).json()["app_passwords"]
        assert [(row["name"], row["scopes"], row["last_used"]) for row in listed] == [("script", ["imap"], None)]
        assert "hash" not in listed[0]
        assert (await client.delete(f"/app-passwords/{made.json()['id']}")).status_code == 204
        assert (await client.get("/app-passwords")).json() == {"app_passwords": []}
        bad = await client.post("/app-passwords", json={"name": "", "scopes": ["imap"]})
        assert bad.status_code == 422
        assert "name" in bad.json()["words"]


@pytest.mark.parametrize(
    "form", [{"name": ""}, {"name": "x"}, {"name": "x", "scope": "root"}, {"name": "y" * 100, "scope": "imap"}]
)
async def test_a_form_with_a_mistake_comes_back_with_what_was_typed(web: Any, form: dict[str, str]) -> None:
    async with web.client() as client:
        await web.log_in(client)
        page = await client.post("/app-passwords", data=form)
        assert page.status_code == 422
        assert 'role="alert"' in page.text
        assert f'value="{form["name"]}"' in page.text


async def test_nobody_touches_somebody_elses_app_passwords(web: Any) -> None:
    async with web.client(headers=JSON) as alice, web.client(headers=JSON) as bob:
        await web.log_in(alice)
        made = (await alice.post("/app-passwords", json={"name": "phone", "scopes": ["imap"]})).json()
        bobs = await bob.post("/auth/siwe/nonce", json={})
        assert bobs.status_code == 200
        assert (await bob.delete(f"/app-passwords/{made['id']}")).status_code == 401
        from .conftest import BOB

        await web.log_in(bob, BOB)
        assert (await bob.delete(f"/app-passwords/{made['id']}")).status_code == 404


@pytest.mark.parametrize("path", ["/auth/logout", "/app-passwords", "/app-passwords/1/revoke", "/auth/siwe/nonce"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_other_sites_cannot_post_here(web: Any, path: str, headers: dict[str, str]) -> None:
    async with web.client() as client:
        await web.log_in(client)
        assert (await client.post(path, headers=headers)).status_code == 403
        assert (await client.get("/account")).status_code == 200  # still logged in


async def test_our_own_forms_may_post(web: Any) -> None:
    headers = {"origin": web.origin, "sec-fetch-site": "same-origin"}
    async with web.client(headers=headers) as client:
        assert (await web.log_in(client)).status_code == 200
        assert (await client.post("/auth/logout")).status_code == 303


async def test_large_bodies_are_refused(web: Any) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 4096

    async with web.client() as client:
        headers = {"content-type": "application/json"}
        assert (
            await client.post("/auth/siwe/nonce", content=b"x" * (MAX_BODY + 1), headers=headers)
        ).status_code == 413
        assert (await client.post("/auth/siwe/nonce", content=endless(), headers=headers)).status_code == 413
        form = {"content-type": "application/x-www-form-urlencoded"}
        await web.log_in(client)
        many = "&".join(f"a{n}=1" for n in range(1000))
        assert (await client.post("/app-passwords", content=many, headers=form)).status_code == 400


async def test_a_receipt_is_its_owners_alone(web: Any) -> None:
    digest = bytes(range(32))
    web.receipts[web.alice.id, digest] = {"leaf": 7}
    path = f"/receipts/{digest.hex()}"
    async with web.client(headers=JSON) as client:
        asked = await client.get(path)
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
        assert (await client.get("/receipts/" + "00" * 32)).content == asked.content
        await web.log_in(client)
        assert (await client.get(path)).json() == {"leaf": 7}
        theirs = await client.get("/receipts/" + "00" * 32)
        assert theirs.status_code == 404
        for bad in ("zz" * 32, "00", "0" * 63):
            assert (await client.get(f"/receipts/{bad}")).content == theirs.content
    async with web.client(headers=JSON) as other:
        from .conftest import BOB

        await web.log_in(other, BOB)
        assert (await other.get(path)).content == theirs.content


async def test_a_receipt_by_app_password(web: Any) -> None:
    digest = bytes(range(32))
    web.receipts[web.alice.id, digest] = {"leaf": 7}
    async with web.client(headers=JSON) as client:
        await web.log_in(client)
        good, smtp = [
            (await client.post("/app-passwords", json={"name": scope, "scopes": [scope]})).json()["password"]
            for scope in ("imap", "smtp")
        ]
        client.cookies.clear()
        path = f"/receipts/{digest.hex()}"
        assert (await client.get(path, auth=("Alice@waxseal.test", good))).json() == {"leaf": 7}
        assert (await client.get(path, auth=("alice@waxseal.test", smtp))).status_code == 401
        assert (await client.get(path, auth=("alice@waxseal.test", "wrong"))).status_code == 401
        for guess in range(10):
            answer = await client.get(path, auth=(f"x{guess}@waxseal.test", "guess"))
        assert answer.status_code == 429
        assert "retry-after" in answer.headers


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda b: "Basic " + base64.b64encode(b).decode()))
def test_any_authorization_header_is_read_or_not(header: str) -> None:
    got = _basic(header)
    assert got is None or (isinstance(got[0], str) and isinstance(got[1], str))


async def test_the_checkpoint_is_for_everybody(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/log/checkpoint")).status_code == 404
        web.note = b"log.test/1\n0\nAAAA\n"
        answer = await client.get("/log/checkpoint")
        assert answer.content == web.note
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_health_and_metrics(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/healthz")).text == "ok\n"
        counted = await client.get("/metrics")
        assert "waxseal_logins_total" in counted.text
        for header in ("x-forwarded-for", "forwarded", "via"):
            assert (await client.get("/metrics", headers={header: "for=192.0.2.1"})).status_code == 404


async def test_a_shortage_is_answered_with_503_and_advice(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_args: object) -> None:
        raise Temporary("the disk is full")

    async with web.client() as client:
        await web.log_in(client)
        monkeypatch.setattr(web.database, "read", full)
        answer = await client.get("/account")
        assert answer.status_code == 503
        assert "Try again in a minute" in answer.text
        assert (await client.get("/healthz")).status_code == 503


async def test_a_crash_shows_a_page_and_no_trace(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret inner life")

    async with web.client() as client:
        await web.log_in(client)
        monkeypatch.setattr(web.database, "read", broken)
        answer = await client.get("/account")
        assert answer.status_code == 500
        assert "secret inner life" not in answer.text
        assert "tell the operator" in answer.text


async def test_the_wrong_method_is_told_so(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/auth/logout")).status_code == 405
        assert (await client.post("/login")).status_code == 405
        assert (await client.head("/")).status_code == 200
