"""A person with a browser connects mail clients: from another site, by keyboard, with the wallet; and by a code."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from eth_account import Account as Wallet

from .chromium import MARKS, info, inject, opened, shoot
from .conftest import NodeProcess

pytestmark = MARKS
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Client:
    """A mail client's own little server: shows a link, and is where the browser comes back to."""

    def __init__(self) -> None:
        self.link = ""
        self.answers: list[dict[str, list[str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/back":
                    outer.answers.append(parse_qs(parts.query))
                text = f'<a href="{outer.link}">Connect</a>'.replace("&", "&amp;") if parts.path == "/" else "Back here"
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, node: NodeProcess) -> Iterator[Any]:
    with opened(browser, request.param) as page:
        inject(page, Wallet.from_key(node.person()["private_key"]), info("Seal Wallet"))
        yield page


class Provider:
    """The node's provider as a registered client sees it."""

    def __init__(self, node: NodeProcess) -> None:
        self.origin = f"http://localhost:{node.ports['http']}"
        self.facts = requests.get(self.origin + "/.well-known/openid-configuration", timeout=30).json()
        said = {"client_name": "Kittiwake Mail", "redirect_uris": ["http://127.0.0.1/back"]}
        self.client_id = self.post("registration_endpoint", json=said)["client_id"]

    def post(self, endpoint: str, **sent: Any) -> dict[str, Any]:
        return dict(requests.post(self.facts[endpoint], timeout=30, **sent).json())

    def link(self, back: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": back,
            "scope": "imap smtp offline_access",
            "state": "s",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return str(self.facts["authorization_endpoint"]) + "?" + urlencode(query)

    def redeemed(self, code: str) -> str:
        """The access token."""
        brought = {"grant_type": "authorization_code", "client_id": self.client_id, "code": code}
        return str(self.post("token_endpoint", data={**brought, "code_verifier": VERIFIER})["access_token"])


def test_connecting_and_disconnecting(
    page: Any, node: NodeProcess, client: Client, request: pytest.FixtureRequest
) -> None:
    scheme = request.node.callspec.params["page"]
    provider = Provider(node)
    client.link = provider.link(client.origin + "/back")

    page.goto(client.origin + "/")  # another site to the browser
    page.get_by_role("link", name="Connect").click()
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Connect Kittiwake Mail?").wait_for()
    shoot(page, f"authorize-{scheme}")
    page.get_by_role("button", name="Allow", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_text("Back here").wait_for()
    assert (client.answers[0]["iss"], client.answers[0]["state"]) == ([provider.origin], ["s"])
    token = provider.redeemed(client.answers[0]["code"][0])
    _reads_mail(node, token)

    page.goto(client.origin + "/")  # logged in by now: no second login, though the browser comes from another site
    page.get_by_role("link", name="Connect").click()
    page.get_by_role("button", name="No, do not allow").click()
    page.get_by_text("Back here").wait_for()
    assert client.answers[1]["error"] == ["access_denied"]

    _by_code(page, provider, scheme)
    page.goto(provider.origin + "/account")
    page.get_by_role("heading", name="Connected mail clients").wait_for()
    shoot(page, f"clients-{scheme}")
    page.locator("summary", has_text="Disconnect").click()
    page.get_by_role("button", name="Yes, disconnect Kittiwake Mail now").click()
    page.get_by_role("heading", name="App passwords").wait_for()
    assert page.get_by_role("heading", name="Connected mail clients").count() == 0
    with pytest.raises(imaplib.IMAP4.error):
        _reads_mail(node, token)


def _by_code(page: Any, provider: Provider, scheme: str) -> None:
    """A device without a browser shows a code; its owner types it here."""
    asked = provider.post("device_authorization_endpoint", data={"client_id": provider.client_id, "scope": "imap"})
    page.goto(asked["verification_uri"])
    page.get_by_label("Code").fill(asked["user_code"].lower())
    shoot(page, f"device-{scheme}")
    page.keyboard.press("Enter")
    page.get_by_text(asked["user_code"]).wait_for()
    shoot(page, f"device-confirm-{scheme}")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="Kittiwake Mail is connected").wait_for()


def _reads_mail(node: NodeProcess, token: str) -> None:
    reader = imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=60)
    message = f"user={node.person()['address']}\x01auth=Bearer {token}\x01\x01"
    try:
        reader.authenticate("XOAUTH2", lambda challenge: b"" if challenge else message.encode())
        assert reader.select("INBOX")[0] == "OK"
    finally:
        reader.shutdown()
