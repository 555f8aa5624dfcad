"""A person with a browser and a wallet logs in to one node by way of another, which is its OpenID provider."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from .chromium import shoot
from .conftest import NodeProcess, StartNode
from .test_oauth_pages import page, pytestmark  # noqa: F401 - the browser


def waxseal(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_by_way_of_another_node(
    page: Any,  # noqa: F811
    node: NodeProcess,
    start_node: StartNode,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    scheme = request.node.callspec.params["page"]
    issuer = f"http://localhost:{node.ports['http']}"
    said = {"client_name": "House", "redirect_uris": ["http://localhost/auth/oidc/far-house/back"]}
    client_id = requests.post(f"{issuer}/oauth/register", json=said, timeout=60).json()["client_id"]
    folder = tmp_path / "second"
    first = start_node("--no-classifier", folder=folder)
    address = first.person()["address"]
    assert first.stop() == 0
    config = folder / "waxseal.toml"
    told = f'name = "Far House"\nissuer = "{issuer}"\nclient_id = "{client_id}"\nallow_loopback = true\n'
    config.write_text(f"{config.read_text()}\n[[oidc.providers]]\n{told}")
    waxseal("account", "oidc", "bind", address, issuer, "1", "--config", str(config))
    house = start_node("--no-classifier", folder=folder)

    page.goto(f"{issuer}/login")  # to begin with: browsers share the cookies of one host's ports
    page.get_by_role("button", name="Seal Wallet").click()
    page.wait_for_url("**/account")
    page.goto(f"http://localhost:{house.ports['http']}/login")
    shoot(page, f"oidc-login-{scheme}")
    page.get_by_role("link", name="Log in with Far House").press("Enter")
    page.get_by_role("heading", name="Connect House?").wait_for()
    page.get_by_role("button", name="Allow", exact=True).press("Enter")
    page.wait_for_url(f"http://localhost:{house.ports['http']}/account")
    page.get_by_text(address).first.wait_for()
