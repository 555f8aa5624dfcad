"""The Administration page in Chromium: by keyboard alone, on a desk and on a telephone, light and dark."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.auth.gate import Gate
from node.auth.sessions import Sessions
from node.base.address import parse_address
from node.directory import admin, admin_reach, staff
from node.directory.admin import OPERATOR
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import blobs, blocked_networks, held, mailboxes, messages, security_events
from node.store.blocked_networks import BlockedNetwork
from node.store.database import Database
from node.store.directory.quotas import Amount
from node.store.held import Held
from node.store.message import Summary
from node.store.roles import Role
from node.store.security_events import SecurityEvent
from node.store.transaction import Writing

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM} (apt-get install chromium)"),
    # Playwright's driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
NAMES = (
    "Ada Bell",
    "Ben Castle",
    "Cleo Dane",
    "Dov Ember",
    "Eva Frost",
    "Finn Gale",
    "Gus Hale",
    "Ida Iris",
    "Jon Jett",
)
SUMMARY = Summary(b"", b"", b"", b"")


def furnish(tx: Writing) -> None:
    """Two tenants, a few domains, people with mail, a held message, events, networks that are shut out."""
    now = int(time.time())
    for tenant in ("acme", "harbour"):
        admin.add_tenant(tx, OPERATOR, tenant)
    for domain, tenant in (("waxseal.test", ""), ("acme.example", "acme"), ("post.harbour.example", "harbour")):
        admin.add_domain(tx, OPERATOR, domain, tenant)
    for number in range(31):
        name = NAMES[number % len(NAMES)]
        domain = ("waxseal.test", "acme.example", "post.harbour.example")[number % 3]
        address = parse_address(f"{name.split()[0].lower()}{number or ''}@{domain}")
        person = admin.add_person(tx, OPERATOR, address, name)
        inbox = mailboxes.find(tx, person.id, "INBOX")
        assert inbox is not None
        content = os.urandom(200) * (number * 7 % 40 + 1)
        blob = blobs.add(tx, blobs.prepare_inline(content))
        messages.add(tx, inbox.id, blob, len(content), SUMMARY, internaldate=now)
        if number % 3 == 0:
            admin_reach.set_quota(tx, OPERATOR, str(address), Amount(9000, 0))
        if number == 0:
            staff.grant(tx, OPERATOR, address, Role.OWNER)
            held.add(tx, Held(0, blob, 8, "", "", "", "", "x", now, now + 9, {person.id: str(address)}), SUMMARY)
        if number % 9 == 1:
            security_events.add(tx, person.id, SecurityEvent(now - number * 3600, "recovered", "203.0.113.9"))
    for network in ("192.0.2.7", "2001:db8:7::/64"):
        blocked_networks.put(tx, BlockedNetwork(network, now - 60, now + 900, 1, 31, 12))


class Site:
    """The web server in a thread of its own, since the browser's driver wants this one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self.origin = self.token = ""

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_exc: object) -> None:
        trio.from_thread.run_sync(self._stop.request, trio_token=self._token)
        self._thread.join(20)

    async def _main(self) -> None:
        self._token, self._stop = trio.lowlevel.current_trio_token(), Stop()
        async with Database.open(self._directory / "node.sqlite") as database:
            await database.write(furnish)
            owner = await database.read(lambda tx: staff.list_staff(tx, OPERATOR)[0][0])
            self.token = await database.write(lambda tx: Sessions(database, seconds=900).begin(tx, owner, "wallet"))
            door = await open_listener("127.0.0.1", 0, "http")
            self.origin = f"http://localhost:{door.address[1]}"
            app = WebApp(database, Gate(database), WebSettings("waxseal.test", self.origin))
            guests = partial(serve, limits=Limits(grace_seconds=2), busy=BUSY, farewell=FAREWELL, stop=self._stop)
            self._ready.set()
            await guests([door], WebServer(app).handle)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


def shoot(page: Any, name: str) -> None:
    folder = os.environ.get("WAXSEAL_SHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def press_until(page: Any, wanted: str) -> None:
    """Tab on until this element has the focus, as somebody without a mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches(arguments_)".replace("arguments_", repr(wanted))):
            return
    raise AssertionError(f"the keyboard never reaches {wanted}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1000), ("dark", 1000), ("dark", 380)])
def test_by_keyboard(site: Site, scheme: str, width: int) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "waxseal-session", "value": site.token, "url": site.origin}])
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{site.origin}/account")
        press_until(page, "a[href='/administration']")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Administration").wait_for()
        shoot(page, f"administration-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
        page.get_by_text("1 message is held").wait_for()
        press_until(page, "a[rel='next']")
        page.keyboard.press("Enter")
        page.get_by_text("Page 2 of 2").wait_for()
        press_until(page, "#q")
        page.keyboard.type("harbour")
        page.keyboard.press("Enter")
        page.wait_for_url("**/administration?q=harbour*")
        assert page.get_by_role("row").filter(has_text="post.harbour.example").count() == 10 + 1
        assert complaints == []
        browser.close()


def test_a_network_is_let_in_by_keyboard(site: Site) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(java_script_enabled=True, viewport={"width": 1000, "height": 900})
        context.add_cookies([{"name": "waxseal-session", "value": site.token, "url": site.origin}])
        page = context.new_page()
        page.goto(f"{site.origin}/administration")
        press_until(page, "summary[aria-label='Let 192.0.2.7 in again']")
        page.keyboard.press("Enter")
        press_until(page, "button[aria-label='Yes, let 192.0.2.7 in again']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/administration#blocks")
        page.get_by_text("2001:db8:7::/64").first.wait_for()
        assert page.get_by_text("192.0.2.7").count() == 0
        browser.close()
