"""A person with a browser and a passkey: Chromium's virtual authenticator registers, logs in, is removed, is copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
from joserfc.jwk import OKPKey

from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.jose import Signer
from node.base.address import parse_address
from node.store import accounts
from node.store.database import Writing
from node.store.schema import web_session
from node.store.statement import Statement

from .chromium import MARKS, info, inject, opened, shoot
from .test_login_page import ALICE, Site

pytestmark = MARKS

_AGE = Statement(web_session.update().values(began=1))


class Device:
    """Chromium's virtual authenticator: a phone or laptop that knows its owner."""

    def __init__(self, page: Any, **options: Any) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        wanted = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            **options,
        }
        self.id = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": wanted})["authenticatorId"]

    def ask(self, method: str, **values: Any) -> Any:
        return self._cdp.send(f"WebAuthn.{method}", {"authenticatorId": self.id, **values})

    @property
    def credentials(self) -> list[dict[str, Any]]:
        return list(self.ask("getCredentials")["credentials"])


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(params=["light"])
def page(request: pytest.FixtureRequest, browser: Any, site: Site) -> Iterator[Any]:
    with opened(browser, request.param, site.origin) as page:
        yield page


def write(site: Site, work: Any) -> None:
    trio.from_thread.run(site._database.write, work, trio_token=site._token)


def log_in_by_wallet(page: Any) -> None:
    inject(page, ALICE, info("Seal Wallet", "94202e"))
    page.goto("/login")
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Alice Example").wait_for()


def add(page: Any, name: str = "Phone") -> None:
    page.get_by_label("Where will it be kept?").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("rowheader", name=name, exact=True).wait_for()


def log_out(page: Any) -> None:
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log in with your wallet").wait_for()


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_a_person_adds_a_passkey_logs_in_with_it_and_removes_it(
    page: Any, site: Site, request: pytest.FixtureRequest
) -> None:
    scheme = request.node.callspec.params["page"]
    device = Device(page)
    log_in_by_wallet(page)
    add(page, "Phone")
    (made,) = device.credentials
    assert made["isResidentCredential"]
    assert made["rpId"] == "localhost"
    log_out(page)

    page.goto("/login")
    page.get_by_role("button", name="Use a passkey").wait_for()
    shoot(page, f"passkey-login-{scheme}")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    assert page.url == f"{site.origin}/account"
    page.get_by_text("Passkey added").wait_for()
    shoot(page, f"passkey-account-{scheme}")

    page.get_by_role("group").filter(has_text="Remove").locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Yes, remove Phone and log out elsewhere").click()
    page.get_by_text("Passkey removed").wait_for()
    log_out(page)
    page.goto("/login")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("This passkey opens no mailbox here").wait_for()
    shoot(page, f"passkey-removed-{scheme}")


def test_it_works_from_the_keyboard(page: Any) -> None:
    Device(page)
    log_in_by_wallet(page)
    name = page.get_by_label("Where will it be kept?")
    name.wait_for()
    name.focus()
    page.keyboard.type("Laptop")
    page.keyboard.press("Enter")
    page.get_by_role("rowheader", name="Laptop").wait_for()
    log_out(page)
    page.goto("/login")
    button = page.get_by_role("button", name="Use a passkey")
    button.wait_for()
    for _ in range(6):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Alice Example").wait_for()


def test_one_passkey_a_device(page: Any) -> None:
    device = Device(page)
    log_in_by_wallet(page)
    add(page, "Phone")
    page.get_by_label("Where will it be kept?").fill("Phone again")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("This device has a passkey for your account already.").wait_for()
    assert len(device.credentials) == 1


def test_who_is_not_recognised_may_try_again(page: Any) -> None:
    device = Device(page)
    log_in_by_wallet(page)
    add(page)
    log_out(page)
    device.ask("setUserVerified", isUserVerified=False)
    page.goto("/login")
    button = page.get_by_role("button", name="Use a passkey")
    button.click()
    page.get_by_text("Nothing was done: you declined, or it took too long.").wait_for()
    device.ask("setUserVerified", isUserVerified=True)
    button.click()
    page.get_by_role("heading", name="Alice Example").wait_for()


def test_a_copy_is_refused_and_its_owner_told(page: Any) -> None:
    device = Device(page)
    log_in_by_wallet(page)
    add(page)
    (first,) = device.credentials
    log_out(page)
    page.goto("/login")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    log_out(page)
    device.ask("clearCredentials")
    device.ask("addCredential", credential={**first, "signCount": 0})
    page.goto("/login")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("there may be a copy of it").wait_for()
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_text("Login refused: there may be a copy of the passkey").wait_for()


def test_after_a_while_one_logs_in_again_to_add_one(page: Any, site: Site) -> None:
    Device(page)
    log_in_by_wallet(page)
    write(site, lambda tx: tx.execute(_AGE))
    page.get_by_label("Where will it be kept?").fill("Phone")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("Your login is too long ago").wait_for()
    page.get_by_role("link", name="Log in again").click()
    page.get_by_role("button", name="Seal Wallet").click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    add(page)


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_a_did_logs_in_by_pasting_a_proof(page: Any, site: Site, request: pytest.FixtureRequest) -> None:
    scheme = request.node.callspec.params["page"]
    key = OKPKey.generate_key("Ed25519")
    public = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    did = parse(self_contained.key_did(keys.from_jwk(public)))
    assert isinstance(did, Did)

    def bind(tx: Writing) -> None:
        alice = accounts.find(tx, parse_address("alice@waxseal.test"))
        assert alice
        accounts.bind(tx, alice.id, str(did))

    write(site, bind)
    page.goto("/login")
    page.get_by_role("button", name="Log in with a DID").click()
    page.get_by_role("heading", name="Log in with a DID").wait_for()
    shoot(page, f"did-{scheme}")
    shown = page.locator(".claims").inner_text()
    nonce = shown.split('"nonce": "')[1].split('"')[0]
    assert f'"aud": "{site.origin}"' in shown
    claims = {"iss": str(did), "sub": str(did), "aud": site.origin, "nonce": nonce}
    proof = Signer(did, did.id, key).sign(claims, "JWT")
    page.get_by_label("The signed token").fill(f"{proof[:80]}\n{proof[80:]}")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("heading", name="Alice Example").wait_for()
    page.get_by_text(str(did)).wait_for()
    page.goto("/login?again")
    page.get_by_role("button", name="Log in with a DID").click()
    page.get_by_label("The signed token").fill(proof)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_text("You were not logged in").wait_for()
