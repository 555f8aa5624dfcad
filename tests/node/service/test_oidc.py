"""Two running nodes: people log in to one with what the other, their OpenID provider, says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from node.base.address import parse_address
from node.base.config import Settings
from node.service.node import Running
from node.service.oidc import open_oidc
from node.store import accounts, oidc_subjects
from node.store.transaction import Writing

from .conftest import ANN, OpenNode, Plan
from .test_oauth import KEY, Person, fields_of

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::ResourceWarning")]
BACK = "/auth/oidc/other-house/back"
NETWORKS = count(2)


class _From(HTTPAdapter):
    """Asks from an address of its own on this machine: failures slow a network down."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, source_address=(f"127.0.0.{next(NETWORKS)}", 0))


@dataclass
class Visitor:
    """A browser with its way through both nodes. Everything here blocks."""

    provider: Person
    house: Running
    browser: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.browser.mount("http://", _From())

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.house.ports.http}"

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.browser.get(self.origin + path, headers=headers, allow_redirects=False, timeout=30)

    def out(self) -> str:
        """Press the button; returns where the provider's page is."""
        page = self.get("/login")
        assert "Log in with Other House" in page.text
        answer = self.get("/auth/oidc/other-house")
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def allow(self, url: str) -> str:
        """Say yes at the provider; returns path and query of the way back."""
        page = self.provider.browser.get(url, timeout=30)
        assert page.status_code == 200, page.text
        answer = self.provider.post("/oauth/authorize", {**fields_of(page.text), "decision": "allow"})
        assert answer.status_code == 303, answer.text
        back = urlsplit(answer.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == self.origin + BACK
        return f"{back.path}?{back.query}"

    def is_in(self) -> bool:
        return ANN in self.get("/account").text

    def refused(self, path: str, words: str, status: int = 403) -> None:
        answer = self.get(path)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert not self.is_in()


def registered(provider: Person) -> str:
    said = {"client_name": "Waxseal", "redirect_uris": [f"http://localhost{BACK}"]}
    made = requests.post(provider.facts()["registration_endpoint"], json=said, timeout=30)
    assert made.status_code == 201
    return str(made.json()["client_id"])


def answers(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def changed(path: str, **changes: str | None) -> str:
    values = {name: value for name, value in {**answers(path), **changes}.items() if value is not None}
    return f"{BACK}?{urlencode(values)}"


def both(provider: Person, house: Running) -> None:
    provider.log_in()
    visitor = Visitor(provider, house)
    url = visitor.out()
    asked = answers("?" + urlsplit(url).query)
    assert (asked["response_type"], asked["code_challenge_method"], asked["scope"]) == ("code", "S256", "openid")
    back = visitor.allow(url)

    stranger = Visitor(provider, house)
    stranger.refused(back, "already used, or is too old")  # neither state nor session of this browser
    stranger.out()
    stranger.refused(back, "already used, or is too old")

    visitor.refused(back, "already used")  # somebody else has tried it
    back = visitor.allow(visitor.out())
    again = visitor.get(back, **{"sec-fetch-site": "cross-site"})  # the Strict cookie does not come along
    assert again.status_code == 200
    assert "One moment" in again.text
    assert not visitor.is_in()

    entered = visitor.get(back)
    assert (entered.status_code, entered.headers["location"]) == (303, "/account")
    assert visitor.is_in()
    late = Visitor(provider, house)
    late.browser.cookies = visitor.browser.cookies.copy()
    assert late.get(back).status_code == 403, "an answer is good once"
    bad_answers(provider, house)


def bad_answers(provider: Person, house: Running) -> None:
    for changes, words in (
        ({"iss": "https://evil.example"}, "from another provider"),
        ({"iss": None}, "another provider"),  # this one says that it always names itself (RFC 9207)
        ({"state": "0" * 32}, "already used, or is too old"),
        ({"state": None}, "already used, or is too old"),
        ({"code": None}, "did not say who you are"),
        ({"error": "access_denied"}, "did not say who you are"),
    ):
        visitor = Visitor(provider, house)
        back = visitor.allow(visitor.out())
        visitor.refused(changed(back, **changes), words)
    visitor = Visitor(provider, house)
    visitor.refused(changed(visitor.allow(visitor.out()), code="x"), "cannot be asked", 503)
    visitor.refused(visitor.allow(visitor.out()) + "&state=two", "could not be read", 400)
    visitor.refused(visitor.allow(visitor.out()) + "&more=" + "x" * 3000, "could not be read", 400)
    assert visitor.get("/auth/oidc/unknown").status_code == 404
    assert visitor.get("/auth/oidc/other-house", **{"sec-fetch-site": "cross-site"}).headers["location"] == "/login"


def injected(provider: Person, house: Running) -> None:
    """A code of somebody else's login, brought with one's own state: PKCE and nonce are of another browser."""
    provider.log_in()
    victim, thief = Visitor(provider, house), Visitor(provider, house)
    stolen = answers(victim.allow(victim.out()))["code"]
    thief.refused(changed(thief.allow(thief.out()), code=stolen), "cannot be asked", 503)


def unbound(provider: Person, house: Running) -> None:
    provider.log_in()
    visitor = Visitor(provider, house)
    visitor.refused(
        visitor.allow(visitor.out()),
        "No mailbox here belongs to you at Other House; tell whoever runs this node what you are called there: ",
    )


async def test_logging_in_by_way_of_another_node(
    open_node: OpenNode, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.net.public_https.SECONDS", 120.0)  # for busy machines

    def bind_wallet(tx: Writing) -> int:
        account = accounts.find(tx, parse_address(ANN))
        assert account
        accounts.bind(tx, account.id, f"eip155:{KEY.address.lower()}")
        return account.id

    async with open_node(plan()) as far:
        provider = Person(far.running)
        subject = str(await far.running.rooms.database.write(bind_wallet))
        told = {"name": "Other House", "issuer": provider.origin, "allow_loopback": True}
        told["client_id"] = await far.in_thread(registered, provider)
        settings: Settings = plan(data=tmp_path / "second", oidc={"providers": [told]})
        async with open_node(settings) as near:
            database, person = near.running.rooms.database, parse_address(ANN)
            await near.in_thread(unbound, provider, near.running)

            def bind(tx: Writing) -> int:
                account = accounts.find(tx, person)
                assert account
                oidc_subjects.bind(tx, account.id, provider.origin, subject)
                return account.id

            id = await database.write(bind)
            assert await database.read(lambda tx: oidc_subjects.listing(tx, id)) == [(provider.origin, subject)]
            await near.in_thread(both, provider, near.running)
            await near.in_thread(injected, provider, near.running)
            assert await database.write(lambda tx: oidc_subjects.unbind(tx, id, provider.origin, subject))
            await near.in_thread(unbound, provider, near.running)


async def test_without_providers_nobody_is_asked(open_node: OpenNode, plan: Plan) -> None:
    async with open_node(plan()) as house:
        origin = f"http://localhost:{house.running.ports.http}"
        page = await house.in_thread(lambda: requests.get(origin + "/auth/oidc/any", timeout=30))
        assert page.status_code == 404
        login = await house.in_thread(lambda: requests.get(origin + "/login", timeout=30))
        assert "/auth/oidc" not in login.text


async def test_a_provider_that_cannot_be_used_is_left_out(plan: Plan, tmp_path: Path) -> None:
    told = {"issuer": "https://id.example.org", "client_id": "waxseal"}
    empty, good = tmp_path / "empty", tmp_path / "good"
    empty.write_text("\n")
    good.write_text("s3cret\n")
    providers = [
        {**told, "name": name, "issuer": f"https://{name}.example.org", "client_secret_file": file}
        for name, file in (("away", tmp_path / "away"), ("empty", empty), ("folder", tmp_path), ("good", good))
    ]
    settings = plan(oidc={"providers": [*providers, {**told, "name": "public"}]})
    found = open_oidc(settings, "https://mail.example.test")
    assert [(one.told.slug, one.told.secret) for one in found] == [("good", "s3cret"), ("public", "")]
    assert "s3cret" not in repr([one.told for one in found])
    assert open_oidc(settings, "http://mail.example.test:8080") == ()
