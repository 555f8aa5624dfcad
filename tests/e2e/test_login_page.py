"""A person with a browser and a wallet: log in, make an app password, see it once, revoke it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_account import Account as Wallet
from nacl.signing import SigningKey

from identity.solana import format_address
from node.auth.gate import Gate
from node.base.address import parse_address
from node.checks.baseline import Baseline, pack
from node.checks.sending import Step
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import MailServer, WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import accounts, domains, security_events, sending
from node.store.database import Database, Writing
from node.store.security_events import SecurityEvent
from node.store.sending import State

from .chromium import ICON, MARKS, info, inject, opened, shoot, wallet

pytestmark = MARKS
ALICE = Wallet.from_key(b"\x01" * 32)
MALLORY = Wallet.from_key(b"\x03" * 32)

# A Solana wallet as extensions inject it: Wallet Standard, registered before or after the page asks.
SOLANA_WALLET = """(() => {
  const account = { address: ADDRESS, chains: ["solana:mainnet"], features: ["solana:signMessage"] };
  const wallet = { version: "1.0.0", name: "Sun Wallet", icon: ICON, chains: account.chains, accounts: [], features: {
    "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: [account] }) },
    "solana:signMessage": { version: "1.0.0", signMessage: async (...inputs) => Promise.all(inputs.map(
      async ({ message }) => ({ signedMessage: message,
        signature: Uint8Array.from(await window.solanaSign(Array.from(message))) }))) },
  } };
  const announce = ({ register }) => register(wallet);
  window.addEventListener("wallet-standard:app-ready", ({ detail }) => announce(detail));
  window.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: announce }));
})();"""
SUN = SigningKey(b"\x01" * 32)
SUN_ADDRESS = format_address(bytes(SUN.verify_key))


def people(tx: Writing) -> None:
    domains.add(tx, "waxseal.test")
    alice = accounts.add(tx, parse_address("alice@waxseal.test"), "Alice Example")
    accounts.bind(tx, alice.id, f"eip155:{ALICE.address.lower()}")
    accounts.bind(tx, alice.id, f"solana:{SUN_ADDRESS}")


def _lock(tx: Writing) -> None:
    alice = accounts.find(tx, parse_address("alice@waxseal.test"))
    assert alice
    now = int(time.time())
    sending.put(tx, alice.id, State(Step.LOCKED, now, pack(Baseline(anomaly=float(now), told=Step.LOCKED))))
    for step, recipients in (("slowed", 101), ("locked", 200)):
        event = SecurityEvent(now, f"sending-{step}", "203.0.113.9", "Old phone", 100, recipients, 180, "volume-hour")
        security_events.add(tx, alice.id, event)


class Site:
    """The web server in a thread of its own, since the browser's driver wants this one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self.origin = ""

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_exc: object) -> None:
        trio.from_thread.run_sync(self._stop.request, trio_token=self._token)
        self._thread.join(20)

    def logs_in(self, password: str) -> bool:
        """Ask the gate, as a mail client would."""
        answer = trio.from_thread.run(
            self._gate.password, "alice@waxseal.test", password, "imap", "192.0.2.1", trio_token=self._token
        )
        return not hasattr(answer, "reason")

    def lock(self) -> None:
        """Lock Alice's sending, as the lookout does after a burst."""
        trio.from_thread.run(self._database.write, _lock, trio_token=self._token)

    async def _main(self) -> None:
        self._token, self._stop = trio.lowlevel.current_trio_token(), Stop()
        async with Database.open(self._directory / "node.sqlite") as database:
            self._database = database
            await database.write(people)
            door = await open_listener("127.0.0.1", 0, "http")
            self.origin = f"http://localhost:{door.address[1]}"
            servers = (
                MailServer("Incoming (IMAP)", "mail.waxseal.test", 993, "TLS"),
                MailServer("Outgoing (SMTP)", "mail.waxseal.test", 465, "TLS"),
            )
            settings = WebSettings("waxseal.test", self.origin, mail_servers=servers, log_origin="waxseal.test/log")
            self._gate = Gate(database)
            app = WebApp(database, self._gate, settings)
            guests = partial(serve, limits=Limits(grace_seconds=2), busy=BUSY, farewell=FAREWELL, stop=self._stop)
            self._ready.set()
            await guests([door], WebServer(app).handle)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(params=["light"])
def page(request: pytest.FixtureRequest, browser: Any, site: Site) -> Iterator[Any]:
    with opened(browser, request.param, site.origin, seconds=10) as page:
        yield page


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_a_person_logs_in_and_manages_app_passwords(page: Any, site: Site, request: pytest.FixtureRequest) -> None:
    scheme = request.node.callspec.params["page"]
    inject(page, ALICE, info("Seal Wallet", "94202e"), info("Harbour", "3b6ea5"))
    page.goto("/")
    shoot(page, f"landing-{scheme}")
    page.get_by_role("link", name="Log in with your wallet").click()
    page.get_by_role("button", name="Harbour").wait_for()
    shoot(page, f"login-{scheme}")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    assert page.url == f"{site.origin}/account"

    page.get_by_label("For which device or client?").fill("Thunderbird on the laptop")
    page.get_by_role("button", name="Make app password").click()
    password = page.locator("#secret").inner_text()
    assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{5}-){3}[0-9a-hjkmnp-tv-z]{5}", password)
    shoot(page, f"account-{scheme}")
    assert site.logs_in(password)

    page.goto("/account")
    assert password not in page.content()
    page.locator("summary", has_text="Revoke").click()
    page.get_by_role("button", name="Yes, revoke Thunderbird on the laptop now").click()
    page.get_by_text("None yet.").wait_for()
    assert not site.logs_in(password)

    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log in with your wallet").wait_for()
    page.goto("/account")
    assert page.url == f"{site.origin}/login"


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_a_person_sees_that_sending_is_locked_and_unlocks_it(
    page: Any, site: Site, request: pytest.FixtureRequest
) -> None:
    scheme = request.node.callspec.params["page"]
    site.lock()
    inject(page, ALICE, info("Seal Wallet", "94202e"))
    page.goto("/login")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Sending is locked").wait_for()
    page.get_by_text("with the app password Old phone").wait_for()
    shoot(page, f"locked-{scheme}")
    page.get_by_role("link", name="Unlock sending").click()
    page.get_by_role("button", name="Seal Wallet").wait_for()
    shoot(page, f"unlock-{scheme}")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_text("Sending unlocked").first.wait_for()
    assert page.url == f"{site.origin}/account"
    assert page.get_by_role("heading", name="Sending is locked").count() == 0


def test_it_all_works_from_the_keyboard(page: Any) -> None:
    inject(page, ALICE, info("Seal Wallet"))
    page.goto("/login")
    button = page.get_by_role("button", name="Seal Wallet")
    button.wait_for()
    for _ in range(6):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Alice Example").wait_for()


def test_a_wallet_that_only_sets_window_ethereum_is_found(page: Any) -> None:
    page.expose_binding("walletRequest", wallet(ALICE))
    page.add_init_script(
        "window.ethereum = { request: ({ method, params }) =>"
        " window.walletRequest(method, params ?? []).then((answer) => answer.result) }"
    )
    page.goto("/login")
    page.get_by_role("button", name="Wallet in this browser").click()
    page.get_by_role("heading", name="Alice Example").wait_for()


def test_a_solana_wallet_logs_in(page: Any) -> None:
    page.expose_binding("solanaSign", lambda _source, octets: list(SUN.sign(bytes(octets)).signature))
    page.add_init_script(
        SOLANA_WALLET.replace("ADDRESS", f'"{SUN_ADDRESS}"').replace("ICON", f'"{ICON.format("d19a1a")}"')
    )
    page.goto("/login")
    page.get_by_role("button", name="Sun Wallet (Solana)").click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    page.get_by_text(f"solana:{SUN_ADDRESS}").wait_for()


def test_without_a_wallet_the_page_says_what_to_do(page: Any) -> None:
    page.goto("/login")
    page.get_by_role("heading", name="No wallet found in this browser").wait_for()
    shoot(page, "login-none")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("heading", name="No wallet found in this browser").wait_for()


def test_who_declines_may_try_again(page: Any) -> None:
    inject(page, None, info("Shy Wallet"))
    page.goto("/login")
    page.get_by_role("button", name="Shy Wallet").click()
    page.get_by_text("You declined in Shy Wallet.").wait_for()
    assert page.get_by_role("button", name="Shy Wallet").is_enabled()


def test_a_wallet_without_a_mailbox_is_told_so(page: Any) -> None:
    inject(page, MALLORY, info("Seal Wallet"))
    page.goto("/login")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_text("No mailbox here belongs to this wallet").wait_for()


def test_a_wallets_name_is_never_markup(page: Any) -> None:
    inject(page, ALICE, info("<img src=x onerror=alert(1)>"))
    page.goto("/login")
    page.get_by_text("<img src=x onerror=alert(1)>").wait_for()
