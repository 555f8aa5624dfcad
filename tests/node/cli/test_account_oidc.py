"""account oidc: people of outside providers who log in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]
ANN, BOB = "ann@example.test", "bob@example.test"
ISSUER = "https://id.example.org"


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """`account oidc` on a node where Ann and Bob live, with one provider."""
    text = place.config.read_text()
    told = f'[[oidc.providers]]\nname = "House"\nissuer = "{ISSUER}"\nclient_id = "waxseal"\n'
    place.config.write_text(f"{text}\n{told}")

    def call(command: str, *arguments: object) -> Any:
        return waxseal("account", "oidc", command, *arguments, "-c", place.config)

    assert waxseal("domain", "add", "example.test", "-c", place.config).code == 0
    for address in (ANN, BOB):
        assert waxseal("account", "add", address, "-c", place.config).code == 0
    return call


def test_binding_listing_and_unbinding(run: Call) -> None:
    for _ in range(2):
        said = run("bind", ANN, ISSUER, "u-7")
        assert said.code == 0
        assert f"u-7 of {ISSUER} may log in as {ANN}" in said.out
    assert run("bind", ANN, ISSUER, "u-8").code == 0
    assert run("list", ANN).out.splitlines() == [f"{ISSUER}\tu-7", f"{ISSUER}\tu-8"]
    assert run("list", BOB).out == ""
    assert run("unbind", ANN, ISSUER, "u-7").code == 0
    assert run("list", ANN).out.splitlines() == [f"{ISSUER}\tu-8"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("bind", BOB, ISSUER, "u-7"), "bound to ann@example.test"),
        (("bind", "nobody@example.test", ISSUER, "u-9"), "has no account"),
        (("bind", ANN, ISSUER + "/", "u-9"), "no issuer of"),
        (("bind", ANN, ISSUER, ""), "1 to 255"),
        (("bind", ANN, ISSUER, "x" * 256), "1 to 255"),
        (("unbind", BOB, ISSUER, "u-7"), "does not log in as"),
        (("list", "nobody@example.test"), "has no account"),
    ],
)
def test_mistakes_are_explained(run: Call, command: tuple[str, ...], words: str) -> None:
    assert run("bind", ANN, ISSUER, "u-7").code == 0
    said = run(*command)
    assert said.code != 0
    assert words in said.err
