"""The optional password on the pages: forms as a browser without scripts sends them, and JSON."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import pyotp
import pytest

pytestmark = pytest.mark.anyio
GOOD = "tulip anchor mosaic gravel"
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def set_up(web: Any, client: Any) -> None:
    await web.log_in(client)
    done = await client.post("/account/password", data={"password": GOOD})
    assert (done.status_code, done.headers["location"]) == (303, "/account/security")


async def test_a_person_without_scripts_sets_a_password_and_logs_in_with_it(web: Any) -> None:
    async with web.client() as client, web.client() as other:
        await set_up(web, client)
        assert (await client.get("/account/security")).status_code == 200  # the new session is at hand
        login = await other.get("/login")
        assert 'action="/auth/password"' in login.text
        done = await other.post("/auth/password", data={"address": "alice@waxseal.test", "password": GOOD})
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        assert "Password set" in (await other.get("/account")).text
        wrong = await other.post("/auth/password", data={"address": "alice@waxseal.test", "password": "wrong"})
        unknown = await other.post("/auth/password", data={"address": "carol@waxseal.test", "password": "wrong"})
        assert wrong.status_code == unknown.status_code == 403
        assert wrong.text == unknown.text


async def test_the_code_can_be_scanned_and_then_it_is_asked_for(web: Any, tmp_path: Path) -> None:
    async with web.client() as client, web.client() as other:
        await set_up(web, client)
        begun = await client.post("/account/totp", data={"action": "begin"})
        drawn = re.search(r"<svg.*?</svg>", begun.text, re.DOTALL)
        assert drawn
        assert "style=" not in drawn[0]
        shown = re.search(r'<code class="wrap">([A-Z2-7]{32})</code>', begun.text)
        assert shown
        app = pyotp.TOTP(shown[1])
        wrong = await client.post("/account/totp", data={"action": "confirm", "code": "no"})
        assert wrong.status_code == 422
        assert "does not fit" in wrong.text
        confirmed = await client.post("/account/totp", data={"action": "confirm", "code": app.now()})
        codes = re.findall(r"<li><code>([0-9a-z-]{23})</code></li>", confirmed.text)
        assert len(set(codes)) == 10
        assert codes[0] not in (await client.get("/account/security")).text
        typed = {"address": "alice@waxseal.test", "password": GOOD}
        assert (await other.post("/auth/password", data=typed)).status_code == 403
        assert (await other.post("/auth/password", data={**typed, "recovery": codes[0]})).status_code == 303
        assert "Logged in with a recovery code" in (await other.get("/account")).text
        scan(
            drawn[0],
            tmp_path,
            pyotp.TOTP(shown[1], name="alice@waxseal.test", issuer="waxseal.test").provisioning_uri(),
        )


def scan(svg: str, folder: Path, wanted: str) -> None:
    """Read the QR code as a camera does, where a reader and a renderer are installed."""
    convert, read = which("rsvg-convert"), which("zbarimg")
    if convert and read:
        (folder / "qr.svg").write_text(svg)
        subprocess.run([convert, "-o", folder / "qr.png", folder / "qr.svg"], check=True)
        found = subprocess.run([read, "-q", "--raw", folder / "qr.png"], capture_output=True, text=True, check=True)
        assert pyotp.parse_uri(found.stdout.strip()).provisioning_uri() == pyotp.parse_uri(wanted).provisioning_uri()


async def test_as_json(web: Any) -> None:
    async with web.client() as client:
        await web.log_in(client)
        weak = await client.post("/account/password", json={"password": "short"})
        assert (weak.status_code, weak.json()["error"]) == (422, "unusable")
        assert (await client.post("/account/password", json={"password": GOOD})).json()["password"] is True
        begun = (await client.post("/account/totp", json={"action": "begin"})).json()
        code = pyotp.parse_uri(begun["uri"]).now()
        made = (await client.post("/account/totp", json={"action": "confirm", "code": code})).json()
        assert len(made["recovery_codes"]) == 10
        again = (await client.post("/account/recovery-codes", json={})).json()["recovery_codes"]
        assert not set(again) & set(made["recovery_codes"])
        said = {"address": "alice@waxseal.test", "password": GOOD, "recovery": again[0]}
        assert (await client.post("/auth/password", json=said)).json()["location"] == "/account"
        assert (await client.post("/account/totp", json={"action": "remove"})).status_code == 200
        assert (await client.post("/account/password", json={"password": ""})).json()["password"] is False


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/password", {"address": 1}),
        ("/auth/password", {"address": "a@b", "passwort": "x"}),
        ("/account/totp", {"action": ["begin"]}),
        ("/account/password", {}),
    ],
)
async def test_malformed_requests(web: Any, path: str, body: dict[str, Any]) -> None:
    async with web.client() as client:
        await web.log_in(client)
        assert (await client.post(path, json=body)).status_code == 400
        assert (await client.post(path, content=b"password=\xff", headers=FORM)).status_code in (400, 403, 422)


@pytest.mark.parametrize("path", ["/account/password", "/account/totp", "/account/recovery-codes"])
async def test_strangers_and_other_sites_change_nothing(web: Any, path: str) -> None:
    async with web.client() as client:
        assert (await client.post(path, data={"password": GOOD})).status_code == 401
        await web.log_in(client)
        foreign = await client.post(path, data={"password": GOOD}, headers={"origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert (await client.post("/account/totp", data={"action": "explode"})).status_code == 422
    async with web.client() as client:
        assert (await client.get("/account/security")).status_code == 303
