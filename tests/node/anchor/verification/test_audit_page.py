"""The audit page in Chromium: a stranger drops a message and its receipt, and the chain is asked by the browser."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor import proof
from node.auth.gate import Gate
from node.net.chain.embedded import CHAIN_ID
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import leaves

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM} (apt-get install chromium)"),
    # Playwright's driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

Case = tuple[str, bytes, str]  # what goes into the page: name, message, receipt


@asynccontextmanager
async def site(world: Any) -> AsyncIterator[str]:
    """The web server over the world's log; its origin."""
    door = await open_listener("127.0.0.1", 0, "http")
    origin = f"http://localhost:{door.address[1]}"
    keys = (str(world.keys.log_key),)
    settings = WebSettings(
        "waxseal.test", origin, log_origin=world.keys.origin, log_keys=keys, embedded_chain=f"eip155:{CHAIN_ID}"
    )

    async def checkpoint() -> bytes | None:
        row = await world.database.read(leaves.latest_checkpoint)
        return None if row is None else row.note

    app = WebApp(world.database, Gate(world.database), settings, checkpoint=checkpoint)
    stop = Stop()
    async with trio.open_nursery() as nursery:
        limits = Limits(grace_seconds=2)
        await nursery.start(
            partial(serve, [door], WebServer(app).handle, limits=limits, busy=BUSY, farewell=FAREWELL, stop=stop)
        )
        yield origin
        stop.request()


@contextmanager
def browsing(origin: str, scheme: str = "light") -> Iterator[Any]:
    """A page at /audit; nothing may be uploaded, no script error, no request but to the node and where we say."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(base_url=origin, color_scheme=scheme, viewport={"width": 1000, "height": 900})
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
        page.goto("/audit")
        yield page
        browser.close()


@contextmanager
def lying(ask: Callable[..., Any]) -> Iterator[str]:
    """A chain's server, as browsers may ask it, that gives another root than the chain's."""

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = ask(asked["method"], *asked["params"])
            if asked["method"] == "eth_call":
                result = result[:66] + "12" * 32 + result[130:]
            self._answer(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode())

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            for name in ("Origin", "Headers", "Methods"):
                self.send_header(f"Access-Control-Allow-{name}", "*")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def give(page: Any, message: bytes, receipt: str) -> None:
    page.get_by_label("Message (.eml)").set_input_files(
        [{"name": "m.eml", "mimeType": "message/rfc822", "buffer": message}]
    )
    files = [{"name": "r.json", "mimeType": "application/json", "buffer": receipt.encode()}]
    page.get_by_label("Receipt (.json)").set_input_files(files)


def found(page: Any) -> dict[str, str]:
    """The five steps, once the page has come to an end."""
    page.locator("#audit-verdict:not([hidden]), #audit-status.bad").first.wait_for()
    items = page.locator("#audit-results li")
    return {item.get_attribute("data-step"): item.get_attribute("data-holds") for item in items.all()}


def offer(page: Any, *urls: str) -> None:
    page.get_by_text("Whom to believe").click()
    page.get_by_label("Servers of the chain").fill("\n".join(urls))


def shoot(page: Any, name: str) -> None:
    """Keep a picture when a folder for them is named."""
    if folder := os.environ.get("WAXSEAL_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def visit(world: Any, act: Callable[[Any], None], scheme: str = "light") -> None:
    async with site(world) as origin:

        def go() -> None:
            with browsing(origin, scheme) as page:
                act(page)

        await trio.to_thread.run_sync(go)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_holds_and_nothing_is_uploaded(public: Any, scheme: str) -> None:
    def act(page: Any) -> None:
        asked: list[Any] = []
        page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright writes into what it is given
        shoot(page, f"audit-empty-{scheme}")
        offer(page, public.url)
        give(page, public.message, public.receipt.to_json())
        assert found(page) == dict.fromkeys(("message", "leaf", "inclusion", "checkpoint", "chain"), "true")
        assert "Everything holds" in page.locator("#audit-verdict").inner_text()
        shoot(page, f"audit-holds-{scheme}")
        sent = [request for request in asked if request.method != "GET"]
        assert {request.url.rstrip("/") for request in sent} == {public.url}
        assert all(
            request.url.startswith(f"{page.url.removesuffix('audit')}static/")
            for request in asked
            if request.method == "GET"
        )
        said = "".join(request.post_data or "" for request in sent)
        assert "eth_call" in said
        for secret in (public.receipt.salt, public.receipt.sha256, "Tuesday"):
            assert secret not in said

    await visit(public, act, scheme)


async def test_what_does_not_hold_is_told_step_by_step(public: Any) -> None:
    good = public.receipt
    path = proof.parse(good.proof)
    cases: tuple[tuple[str, bytes, str], ...] = (
        ("message", public.message.replace(b"Tuesday", b"Monday"), good.to_json()),
        ("leaf", public.message, good.model_copy(update={"policy": "00" * 32}).to_json()),
        ("inclusion", public.message, good.model_copy(update={"time": good.time + 1}).to_json()),
        (
            "inclusion",
            public.message,
            good.model_copy(update={"proof": replace(path, hashes=path.hashes[:-1]).text}).to_json(),
        ),
        ("checkpoint", public.message, good.model_copy(update={"origin": "other.test/log"}).to_json()),
        ("chain", public.message, _elsewhere(good)),
    )

    def act(page: Any) -> None:
        offer(page, public.url)
        for step, message, receipt in cases:
            give(page, message, receipt)
            assert found(page)[step] == "false", (step, found(page))
            assert "does not prove anything" in page.locator("#audit-verdict").inner_text()
            page.reload()
            page.get_by_text("Whom to believe").wait_for()
            offer(page, public.url)
        shoot(page, "audit-refused")

    await visit(public, act)


def _elsewhere(receipt: Any) -> str:
    (place,) = receipt.anchors
    return str(receipt.model_copy(update={"anchors": (place.model_copy(update={"block": place.block + 1}),)}).to_json())


async def test_a_receipt_that_is_none_and_servers_that_lie_or_are_gone(public: Any, ask_chain: Any) -> None:
    def act(page: Any) -> None:
        give(page, public.message, '{"version": "waxseal.receipt/2"}')
        found(page)
        assert re.search("no good origin", page.locator("#audit-status").inner_text())
        page.reload()
        give(page, public.message, public.receipt.to_json())
        assert found(page)["chain"] == "null"
        assert "not everything could be" in page.locator("#audit-verdict").inner_text()
        page.reload()
        offer(page, "http://127.0.0.1:9/")
        give(page, public.message, public.receipt.to_json())
        assert found(page)["chain"] == "null"

    await visit(public, act)

    with lying(partial(ask_chain, public.url)) as liar:

        def ask_both(page: Any) -> None:
            offer(page, public.url, liar)
            give(page, public.message, public.receipt.to_json())
            steps = found(page)
            words = page.locator('[data-step="chain"]').inner_text()
            assert steps["chain"] == "false", words
            assert "another root" in words
            assert "holds the same root" in words

        await visit(public, ask_both)


async def test_the_embedded_chain_is_said_to_prove_nothing_and_the_chart_shows_the_anchors(world: Any) -> None:
    def act(page: Any) -> None:
        give(page, world.message, world.receipt.to_json())
        assert found(page)["chain"] == "null"
        assert "private chain" in page.locator('[data-step="chain"]').inner_text()
        assert page.locator(".chart circle").count() == 2
        assert "700" in page.locator("section[aria-labelledby=log]").inner_text()
        assert page.locator(".chart polyline").get_attribute("points")
        shoot(page, "audit-embedded")

    await visit(world, act)


async def test_it_can_be_used_without_a_mouse_and_with_a_wallet(public: Any, ask_chain: Any) -> None:
    def act(page: Any) -> None:
        def request(_source: Any, method: str, params: list[Any]) -> Any:
            return ask_chain(public.url, method, *params)

        page.expose_binding("walletRequest", request)
        page.add_init_script(
            "window.ethereum = { request: ({ method, params }) => window.walletRequest(method, params ?? []) };"
        )
        page.reload()
        give(page, public.message, public.receipt.to_json())
        assert found(page)["chain"] == "null"
        page.get_by_text("Whom to believe").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Ask the wallet").focus()
        page.keyboard.press("Space")
        page.get_by_role("button", name="Check").focus()
        page.keyboard.press("Enter")
        page.locator('[data-step="chain"][data-holds="true"]').wait_for()
        assert "your wallet" in page.locator('[data-step="chain"]').inner_text()

    await visit(public, act)
