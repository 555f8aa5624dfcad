"""The recorded run: a wallet opens a mailbox through an ERC-721 gate, mail clients read it, the token goes, so do they.

Chromium with an injected wallet (EIP-1193, EIP-6963), anvil with OpenZeppelin's token, imaplib (with an app password,
and XOAUTH2 with a token of OAuth's code flow), mbsync, smtplib. With
WAXSEAL_SCREENSHOTS naming a folder, a picture of every page is kept there.
"""

from __future__ import annotations

import base64
import hashlib
import imaplib
import json
import shutil
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from eth_account import Account as Wallet

from . import chromium
from .chromium import MARKS, info, inject, opened

pytestmark = [pytest.mark.slow, *MARKS]
WITHIN = 3  # gates.ends_within_seconds
SLACK = 60  # for two busy cores
NORA = Wallet.from_key(b"\x21" * 32)
DOMAIN = "waxseal.test"
ADDRESS = f"nora.n@{DOMAIN}"


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    with opened(browser, request.param) as page:
        inject(page, NORA, info("Seal Wallet"))
        page.scheme = request.param
        yield page


def shoot(page: Any, name: str) -> None:
    chromium.shoot(page, f"{name}-{page.scheme}")


def waxseal(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "node", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def gated(start_node: Any, chain: Any, folder: Path) -> Any:
    """A node that reads the chain and takes newcomers; its settings are written by a first start, then completed."""
    node = start_node("--no-classifier", folder=folder)
    assert node.stop() == 0
    config = folder / "waxseal.toml"
    text = config.read_text()
    for section, line in (
        ("chains", f'rpc = {{ "{chain.chain}" = "{chain.url}" }}'),
        ("gates", f"ends_within_seconds = {WITHIN}"),
        ("signup", "enabled = true"),
    ):
        assert f"[{section}]\n" in text
        text = text.replace(f"[{section}]\n", f"[{section}]\n{line}\n")
    config.write_text(text)
    return start_node("--no-classifier", folder=folder)


class Mbsync:
    """Isync's mbsync with one account."""

    def __init__(self, node: Any, password: str, folder: Path) -> None:
        self.inbox = folder / "mail" / "INBOX"
        self.inbox.parent.mkdir()
        self.config = folder / "mbsyncrc"
        self.config.write_text(
            f"IMAPAccount node\nHost localhost\nPort {node.ports['imaps']}\nUser {ADDRESS}\nPass {password}\n"
            f"SSLType IMAPS\nSystemCertificates no\nCertificateFile {node.facts['ca']}\n\n"
            f"IMAPStore far\nAccount node\n\nMaildirStore near\nPath {self.inbox.parent}/\nInbox {self.inbox}\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n"
        )

    def sync(self) -> subprocess.CompletedProcess[str]:
        command = ["mbsync", "-c", str(self.config), "-a"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def contents(self) -> bytes:
        return b"".join(path.read_bytes() for kind in ("cur", "new") for path in (self.inbox / kind).iterdir())


def imap(node: Any, password: str) -> imaplib.IMAP4_SSL:
    client = imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=120)
    client.login(ADDRESS, password)
    return client


def access_token(page: Any, origin: str) -> str:
    """What a mail client gets that the person logged in to the pages lets in: code flow with PKCE (RFC 7636)."""
    facts = requests.get(f"{origin}/.well-known/openid-configuration", timeout=60).json()
    back = "http://127.0.0.1:59999/back"  # nobody is there: the browser is seen on its way
    said = {"client_name": "Kittiwake Mail", "redirect_uris": [back]}
    client_id = requests.post(facts["registration_endpoint"], json=said, timeout=60).json()["client_id"]
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": back, "scope": "imap", "state": "s"}
    asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    page.goto(f"{facts['authorization_endpoint']}?{urlencode(asked)}")
    shoot(page, "authorize-gated")
    with page.expect_request(lambda request: request.url.startswith(back)) as seen:
        page.get_by_role("button", name="Allow", exact=True).click()
    code = parse_qs(urlsplit(seen.value.url).query)["code"][0]
    brought = {"grant_type": "authorization_code", "client_id": client_id, "redirect_uri": back, "code": code}
    answer = requests.post(facts["token_endpoint"], data={**brought, "code_verifier": verifier}, timeout=60)
    return str(answer.json()["access_token"])


def xoauth2(node: Any, token: str) -> imaplib.IMAP4_SSL:
    client = imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=120)
    messages = iter([f"user={ADDRESS}\x01auth=Bearer {token}\x01\x01".encode(), b""])  # empty: the error was read
    client.authenticate("XOAUTH2", lambda _challenge: next(messages))
    return client


def idle(client: imaplib.IMAP4_SSL) -> None:
    assert client.select("INBOX") == ("OK", [b"1"])
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")


def sign_up(page: Any, origin: str, chain: Any, ticket: str) -> str:
    """Wallet, gate shut, token, gate open, address, app password: which is returned."""
    page.goto(f"{origin}/")
    page.get_by_role("link", name="Open a mailbox").click()
    page.get_by_role("button", name="Seal Wallet").wait_for()
    shoot(page, "signup")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Choose your address").wait_for()
    assert page.get_by_text("holds 0, needs 1").count() >= 1
    page.get_by_label("Before the @").fill("nora.n")
    page.get_by_role("button", name="Open mailbox").click()
    page.get_by_role("alert").get_by_text("You do not hold what").wait_for()
    shoot(page, "signup-shut")

    chain.send(ticket, "mint(address,uint256)", NORA.address, 7)
    chain.finalize()
    time_limit = time.monotonic() + WITHIN + SLACK
    while page.get_by_text("holds 1, needs 1").count() == 0:  # a block counts as the newest for a moment
        assert time.monotonic() < time_limit
        page.goto(f"{origin}/signup/address")
    shoot(page, "signup-open")
    page.get_by_label("Before the @").fill("nora.n")
    page.get_by_role("button", name="Open mailbox").press("Enter")
    page.get_by_role("heading", name=ADDRESS).wait_for()
    assert page.get_by_role("heading", name="What your mailbox asks for").count() == 1

    page.get_by_label("For which device or client?").fill("mbsync")
    page.get_by_role("button", name="Make app password").click()
    password = str(page.locator("#secret").inner_text())
    shoot(page, "account-gated")
    return password


def give(chain: Any, contract: str, taker: str) -> None:
    chain.ask("anvil_impersonateAccount", NORA.address)
    chain.ask("anvil_setBalance", NORA.address, hex(10**18))
    chain.send(contract, "transferFrom(address,address,uint256)", NORA.address, taker, 7, sender=NORA.address)


def write_to(node: Any, subject: str) -> None:
    with node.smtp() as sender:
        sender.sendmail("someone@elsewhere.test", [ADDRESS], f"Subject: {subject}\r\n\r\nhello\r\n".encode())


def ends(client: imaplib.IMAP4_SSL) -> bytes:
    """What an IDLE session is told at its end."""
    client.sock.settimeout(WITHIN + SLACK)
    lines = [b""]
    while not lines[-1].startswith(b"* BYE"):
        lines.append(client.readline())
        assert lines[-1], lines
    assert client.readline() == b""
    client.shutdown()
    return lines[-1]


def test_from_wallet_to_mailbox_and_out_again(page: Any, start_node: Any, token_chain: Any, tmp_path: Path) -> None:
    if not shutil.which("mbsync"):
        pytest.skip("mbsync is not installed (apt-get install isync)")
    ticket = token_chain.deploy("Ticket")
    token_chain.finalize()
    node = gated(start_node, token_chain, tmp_path / "node")
    config, origin = tmp_path / "node" / "waxseal.toml", f"http://localhost:{node.ports['http']}"
    rule = json.dumps({"chain": token_chain.chain, "standard": "erc721", "contract": ticket})
    waxseal(config, "gate", "set", DOMAIN, rule, "--for", "signup", "--revoke", "latest")
    waxseal(config, "gate", "set", DOMAIN, rule, "--revoke", "latest")

    password = sign_up(page, origin, token_chain, ticket)
    write_to(node, "while it was hers")
    mbsync = Mbsync(node, password, tmp_path)
    done = mbsync.sync()
    assert done.returncode == 0, done.stderr
    assert b"while it was hers" in mbsync.contents()
    token = access_token(page, origin)
    sessions = imap(node, password), xoauth2(node, token)
    for each in sessions:
        idle(each)

    give(token_chain, ticket, token_chain.people[5])
    began = time.monotonic()
    for each in sessions:
        assert b"no longer holds" in ends(each)
    assert time.monotonic() - began < WITHIN + SLACK
    for knock in (lambda: imap(node, password), lambda: xoauth2(node, token)):
        with pytest.raises(imaplib.IMAP4.error, match=r"AUTHORIZATIONFAILED.*hold"):
            knock()
    assert mbsync.sync().returncode != 0
    with smtplib.SMTP("localhost", node.ports["submission"], timeout=120) as sender:
        sender.starttls(context=node.tls())
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.1.*hold"):
            sender.login(ADDRESS, password)
    page.goto(f"{origin}/account")
    page.get_by_text("holds 0, needs 1").first.wait_for()
    shoot(page, "account-shut")

    write_to(node, "kept all the same")
    listed = waxseal(config, "account", "list")
    assert ADDRESS in listed
    give_back = (token_chain.people[5], NORA.address, 7)
    token_chain.send(ticket, "transferFrom(address,address,uint256)", *give_back, sender=token_chain.people[5])
    token_chain.finalize()
    time_limit = time.monotonic() + WITHIN + SLACK
    while mbsync.sync().returncode != 0:
        assert time.monotonic() < time_limit
    assert b"kept all the same" in mbsync.contents()
    again = xoauth2(node, token)
    assert again.select("INBOX") == ("OK", [b"2"])
    again.logout()
    assert node.stop() == 0
