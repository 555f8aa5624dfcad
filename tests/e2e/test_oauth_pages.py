"""A person with a browser connects mail clients: from another site, by keyboard, with the wallet; and by a code."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from .conftest import NodeProcess

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM} (apt-get install chromium)"),
    # Playwright's driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

WALLET = """(() => {
  const provider = { request: ({ method, params }) => window.walletRequest(method, params ?? []) };
  const detail = Object.freeze({ info: Object.freeze({ uuid: "00000000-0000-4000-8000-000000000001",
    name: "Seal Wallet", icon: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E",
    rdns: "test.wallet" }), provider });
  const announce = () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();"""


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
def page(request: pytest.FixtureRequest, node: NodeProcess) -> Iterator[Any]:
    account = Wallet.from_key(node.person()["private_key"])

    def asked(_source: Any, method: str, params: list[str]) -> Any:
        if method == "eth_requestAccounts":
            return [account.address.lower()]
        if method == "eth_chainId":
            return "0x1"
        signed = account.sign_message(encode_defunct(bytes.fromhex(params[0][2:])))
        return "0x" + bytes(signed.signature).hex()

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(color_scheme=request.param, viewport={"width": 1000, "height": 800})
        context.set_default_timeout(30_000)
        opened = context.new_page()
        opened.expose_binding("walletRequest", asked)
        opened.add_init_script(WALLET)
        complaints: list[str] = []
        opened.on(
            "console", lambda message: complaints.append(message.text) if "Content Secu" in message.text else None
        )
        yield opened
        browser.close()
        assert complaints == []


def shoot(page: Any, name: str) -> None:
    """Keep a picture when a folder for them is named."""
    if folder := os.environ.get("WAXSEAL_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_connecting_and_disconnecting(
    page: Any, node: NodeProcess, client: Client, request: pytest.FixtureRequest
) -> None:
    scheme = request.node.callspec.params["page"]
    origin = f"http://localhost:{node.ports['http']}"
    facts = requests.get(origin + "/.well-known/openid-configuration", timeout=30).json()
    said = {"client_name": "Kittiwake Mail", "redirect_uris": ["http://127.0.0.1/back"]}
    client_id = requests.post(facts["registration_endpoint"], json=said, timeout=30).json()["client_id"]
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": client.origin + "/back",
        "scope": "imap smtp offline_access",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    client.link = facts["authorization_endpoint"] + "?" + urlencode(query)

    page.goto(client.origin + "/")  # another site to the browser
    page.get_by_role("link", name="Connect").click()
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Connect Kittiwake Mail?").wait_for()
    shoot(page, f"authorize-{scheme}")
    page.get_by_role("button", name="Allow", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_text("Back here").wait_for()
    assert (client.answers[0]["iss"], client.answers[0]["state"]) == ([origin], ["s"])
    brought = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": client.answers[0]["code"][0],
        "code_verifier": VERIFIER,
    }
    tokens = requests.post(facts["token_endpoint"], data=brought, timeout=30).json()
    _reads_mail(node, tokens["access_token"])

    page.goto(client.origin + "/")  # logged in by now: no second login, though the browser comes from another site
    page.get_by_role("link", name="Connect").click()
    page.get_by_role("button", name="No, do not allow").click()
    page.get_by_text("Back here").wait_for()
    assert client.answers[1]["error"] == ["access_denied"]

    asked = requests.post(
        facts["device_authorization_endpoint"], data={"client_id": client_id, "scope": "imap"}, timeout=30
    ).json()
    page.goto(asked["verification_uri"])
    page.get_by_label("Code").fill(asked["user_code"].lower())
    shoot(page, f"device-{scheme}")
    page.keyboard.press("Enter")
    page.get_by_text(asked["user_code"]).wait_for()
    shoot(page, f"device-confirm-{scheme}")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="Kittiwake Mail is connected").wait_for()

    page.goto(origin + "/account")
    page.get_by_role("heading", name="Connected mail clients").wait_for()
    shoot(page, f"clients-{scheme}")
    page.locator("summary", has_text="Disconnect").click()
    page.get_by_role("button", name="Yes, disconnect Kittiwake Mail now").click()
    page.get_by_role("heading", name="App passwords").wait_for()
    assert page.get_by_role("heading", name="Connected mail clients").count() == 0
    with pytest.raises(imaplib.IMAP4.error):
        _reads_mail(node, tokens["access_token"])


def _reads_mail(node: NodeProcess, token: str) -> None:
    reader = imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=60)
    message = f"user={node.person()['address']}\x01auth=Bearer {token}\x01\x01"
    try:
        reader.authenticate("XOAUTH2", lambda challenge: b"" if challenge else message.encode())
        assert reader.select("INBOX")[0] == "OK"
    finally:
        reader.shutdown()
