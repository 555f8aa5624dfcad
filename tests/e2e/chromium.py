"""Debian's Chromium, and a wallet in it as extensions inject one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
MARKS = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM} (apt-get install chromium)"),
    # Playwright's driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%23{}'/%3E%3C/svg%3E"  # noqa: E501

# EIP-1193 requests, announced over EIP-6963.
WALLET = """(() => {
  const provider = { request: ({ method, params }) => window.walletRequest(method, params ?? []).then((answer) => {
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.result;
  }) };
  const detail = Object.freeze({ info: Object.freeze(INFO), provider });
  const announce = () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();"""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, scheme: str, base_url: str | None = None, *, seconds: int = 60) -> Iterator[Any]:
    """A page of a person's own; no script may fail, and none may break the Content-Security-Policy."""
    context = browser.new_context(base_url=base_url, color_scheme=scheme, viewport={"width": 1100, "height": 900})
    context.set_default_timeout(seconds * 1000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def info(name: str, colour: str = "3b6ea5") -> str:
    """What a wallet tells about itself, in JavaScript."""
    uuid = f"00000000-0000-4000-8000-{abs(hash(name)) % 10**12:012d}"
    return f'{{uuid: "{uuid}", name: "{name}", icon: "{ICON.format(colour)}", rdns: "test.wallet"}}'


def wallet(account: Any) -> Callable[..., dict[str, Any]]:
    """Answers what a page asks of the wallet, in Python, signed by eth-account; without an account, it declines."""

    def request(_source: Any, method: str, params: list[str]) -> dict[str, Any]:
        if account is None:
            return {"error": {"code": 4001, "message": "User rejected the request."}}
        if method == "eth_requestAccounts":
            return {"result": [account.address.lower()]}
        if method == "eth_chainId":
            return {"result": "0x1"}
        assert method == "personal_sign"
        message = bytes.fromhex(params[0][2:])
        return {"result": "0x" + bytes(account.sign_message(encode_defunct(message)).signature).hex()}

    return request


def inject(page: Any, account: Any, *infos: str) -> None:
    """Wallets with the keys of one account."""
    page.expose_binding("walletRequest", wallet(account))
    for one in infos:
        page.add_init_script(WALLET.replace("INFO", one))


def shoot(page: Any, name: str) -> None:
    """Keep a picture when a folder for them is named."""
    if folder := os.environ.get("WAXSEAL_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
