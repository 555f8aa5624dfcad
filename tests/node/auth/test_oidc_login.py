"""Logins with an outside provider that errs in every way: its answers over HTTP, its tokens, its keys; a real store."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from joserfc import jws
from joserfc.jwk import ECKey

import identity.refusal
from identity.oauth import pkce
from node.auth.challenges import LoginDesk
from node.auth.oidc_login import OidcLogin
from node.auth.oidc_provider import OidcProvider, Told
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.auth.wallet import LoggedIn
from node.base.address import parse_address
from node.base.errors import Permanent
from node.net.public_https import PublicHttps, ThisMachine
from node.store import accounts, domains, oidc_subjects
from node.store.accounts import Account
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio

ORIGIN = "https://mail.waxseal.test"
SHUT = Refusal(Reason.GATE_CLOSED, False, "you do not hold what this mailbox asks for")
WRONG = identity.refusal.Reason


class Provider:
    """A server in a thread. Tests change what it says; what it is sent, it keeps."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "k1"})
        self.asked: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, kind, content = outer.answers[self.path]
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                self.send_header("location", "http://127.0.0.1/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                flat = {name: values[0] for name, values in form.items()}
                outer.forms.append((self.headers.get("authorization", ""), flat))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.tell()
        self.publish()

    def says(self, path: str, content: Any, status: int = 200, kind: str = "application/json") -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers[path] = (status, kind, data)

    def tell(self, **changes: Any) -> None:
        told = {"issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize"}
        told |= {"token_endpoint": self.issuer + "/token", "jwks_uri": self.issuer + "/keys", **changes}
        self.says("/.well-known/openid-configuration", told)

    def publish(self) -> None:
        self.says("/keys", {"keys": [self.key.as_dict(private=False)]})

    def token(self, nonce: str, /, **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "wax seal", "sub": "u-7", "nonce": nonce, "iat": now, "exp": now + 60}
        header = {"alg": "ES256", "kid": self.key.kid}
        return jws.serialize_compact(header, json.dumps({**claims, **changes}), self.key, algorithms=["ES256"])


@dataclass
class Scene:
    """A login page's parts, one provider, and Ann who is bound to its u-7."""

    database: Database
    ann: Account
    far: Provider
    login: OidcLogin
    shut: list[Refusal] = field(default_factory=list)
    peers: int = 0

    async def out(self, browser: str, slug: str = "house") -> dict[str, str]:
        """What the provider's page is asked."""
        url = await self.login.begin(slug, browser, self.peer())
        assert isinstance(url, str), url
        assert url.startswith(self.far.issuer + "/authorize?")
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    def peer(self) -> str:
        self.peers += 1
        return f"192.0.2.{self.peers}"

    async def back(self, browser: str, slug: str = "house", **answer: str) -> LoggedIn | Refusal:
        return await self.login.finish(slug, browser, answer, self.peer())

    async def whole(self, **claims: Any) -> LoggedIn | Refusal:
        browser = new_token()
        asked = await self.out(browser)
        self.far.says("/token", {"id_token": self.far.token(asked["nonce"], **claims)})
        return await self.back(browser, state=asked["state"], code="c")


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr("node.net.public_https.SECONDS", 120.0)  # a busy machine is none of the faults here
    far = Provider()

    def people(tx: Writing) -> Account:
        domains.add(tx, "waxseal.test")
        ann = accounts.add(tx, parse_address("ann@waxseal.test"))
        oidc_subjects.bind(tx, ann.id, far.issuer, "u-7")
        return ann

    async with Database.open(tmp_path / "node.sqlite") as database:
        ann, shut = await database.write(people), list[Refusal]()

        async def admit(_account: Account) -> Refusal | None:
            return shut[0] if shut else None

        told = [
            Told("House", "house", far.issuer, "wax seal", "s+cret", near=True),
            Told("Twin", "twin", far.issuer, "wax seal", near=True),
            Told("Strict", "strict", far.issuer, "wax seal"),
        ]
        providers = [OidcProvider(one, PublicHttps()) for one in told]
        sessions = Sessions(database, seconds=3600, admit=admit)
        yield Scene(database, ann, far, OidcLogin(LoginDesk(database, sessions), providers, ORIGIN), shut)
    await trio.to_thread.run_sync(far.server.shutdown)
    far.server.server_close()


def reason(found: object) -> object:
    return found.reason if isinstance(found, Refusal) else found


async def test_whom_the_provider_names_is_let_in(scene: Scene) -> None:
    browser = new_token()
    asked = await scene.out(browser)
    assert asked.keys() == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    scene.far.says("/token", {"id_token": scene.far.token(asked["nonce"])})
    entered = await scene.back(browser, state=asked["state"], code="c&d")
    assert isinstance(entered, LoggedIn)
    assert entered.account == scene.ann
    header, form = scene.far.forms[0]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"wax+seal:s%2Bcret"  # RFC 6749 §2.3.1
    verifier = form.pop("code_verifier")
    assert pkce.challenge_of(verifier) == asked["code_challenge"]
    assert verifier != asked["nonce"]
    assert form == {
        "grant_type": "authorization_code",
        "code": "c&d",
        "redirect_uri": ORIGIN + "/auth/oidc/house/back",
    }
    assert reason(await scene.back(browser, state=asked["state"], code="c&d")) is Reason.USED_NONCE
    other = await scene.out(browser)
    assert not {other["state"], other["nonce"], other["code_challenge"]} & set(asked.values()), "all new each time"


async def test_an_answer_is_of_use_where_it_was_asked_for_alone(scene: Scene) -> None:
    browser = new_token()
    for elsewhere, slug in ((new_token(), "house"), (browser, "twin"), ("", "house"), ("\xff", "house")):
        asked = await scene.out(browser)
        scene.far.says("/token", {"id_token": scene.far.token(asked["nonce"])})
        found = await scene.back(elsewhere, slug, state=asked["state"], code="c")
        assert reason(found) is Reason.USED_NONCE, (elsewhere, slug)
    assert scene.far.forms == [], "nothing is asked for an answer that is not ours"


async def test_the_issuer_is_checked_where_it_is_named(scene: Scene) -> None:
    browser = new_token()
    asked = await scene.out(browser)
    assert reason(await scene.back(browser, state=asked["state"], code="c", iss="https://evil.example")) is (
        Reason.NOT_PROVED
    )
    asked = await scene.out(browser)
    scene.far.says("/token", {"id_token": scene.far.token(asked["nonce"])})
    entered = await scene.back(browser, state=asked["state"], code="c", iss=scene.far.issuer)
    assert isinstance(entered, LoggedIn)


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        ({"nonce": "another"}, WRONG.WRONG_NONCE),
        ({"aud": "another"}, WRONG.WRONG_AUDIENCE),
        ({"iss": "https://evil.example"}, WRONG.WRONG_ISSUER),
        ({"exp": 1_000_000_000}, WRONG.EXPIRED),
        ({"sub": "u-8"}, Reason.UNBOUND_SUBJECT),
    ],
)
async def test_a_token_that_does_not_hold_opens_nothing(scene: Scene, claims: dict[str, Any], wanted: object) -> None:
    assert reason(await scene.whole(**claims)) is wanted


async def test_a_token_gate_holds(scene: Scene) -> None:
    scene.shut.append(SHUT)
    assert await scene.whole() == SHUT


async def test_a_subject_that_is_unbound_logs_in_no_more(scene: Scene) -> None:
    assert isinstance(await scene.whole(), LoggedIn)
    await scene.database.write(lambda tx: oidc_subjects.unbind(tx, scene.ann.id, scene.far.issuer, "u-7"))
    assert reason(await scene.whole()) is Reason.UNBOUND_SUBJECT


async def test_new_keys_are_fetched_once(scene: Scene) -> None:
    assert isinstance(await scene.whole(), LoggedIn)
    scene.far.key = ECKey.generate_key("P-256", {"kid": "k2"})
    scene.far.publish()
    assert isinstance(await scene.whole(), LoggedIn)
    assert scene.far.asked.count("/keys") == 2
    scene.far.key = ECKey.generate_key("P-256", {"kid": "k3"})  # published nowhere
    for _ in range(3):
        assert reason(await scene.whole()) is WRONG.WRONG_KEY
    assert scene.far.asked.count("/keys") == 2, "whoever makes key ids up cannot make us ask again and again"


@pytest.mark.parametrize(
    ("status", "kind", "content"),
    [
        (400, "application/json", b'{"error": "invalid_grant"}'),
        (500, "application/json", b"{}"),
        (302, "application/json", b"{}"),
        (200, "text/html", b"{}"),
        (200, "application/json", b"{}"),
        (200, "application/json", b'{"id_token": 7}'),
        (200, "application/json", b"{" * 1000),
        (200, "application/json", b'{"id_token": "' + b"x" * 70_000 + b'"}'),
    ],
)
async def test_what_is_no_token_is_no_login(scene: Scene, status: int, kind: str, content: bytes) -> None:
    browser = new_token()
    asked = await scene.out(browser)
    scene.far.says("/token", content, status, kind)
    found = await scene.back(browser, state=asked["state"], code="c")
    assert isinstance(found, Refusal)
    assert (found.reason, found.temporary) == (Reason.PROVIDER_AWAY, True)
    assert "House cannot be asked" in found.words


@pytest.mark.parametrize("changes", [{"issuer": "https://evil.example"}, {"token_endpoint": "http://10.0.0.1/token"}])
async def test_a_provider_that_tells_nonsense_is_not_asked(scene: Scene, changes: dict[str, str]) -> None:
    scene.far.tell(**changes)
    assert reason(await scene.login.begin("house", new_token(), "192.0.2.1")) is Reason.PROVIDER_AWAY
    scene.far.tell()
    assert reason(await scene.login.begin("house", new_token(), "192.0.2.1")) is Reason.PROVIDER_AWAY
    assert len(scene.far.asked) == 1, "nor is it asked again at once"


async def test_this_machine_is_asked_only_where_the_settings_say_so(scene: Scene) -> None:
    assert reason(await scene.login.begin("strict", new_token(), "192.0.2.1")) is Reason.PROVIDER_AWAY
    assert scene.far.asked == []
    with pytest.raises(Permanent, match="not this machine"):
        await ThisMachine().fetch("example.org", 8080, "/", kinds=frozenset({"text/html"}), limit=10)
