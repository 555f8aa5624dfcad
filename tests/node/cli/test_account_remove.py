"""account remove, reserved, release; role: who leaves, and who runs the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]
ANN = "ann@example.test"


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """A command on a node that serves example.test, where Ann lives."""

    def call(*arguments: object) -> Any:
        return waxseal(*arguments, "-c", place.config)

    for command in (
        ("domain", "add", "example.test"),
        ("account", "add", ANN),
        ("alias", "add", "a@example.test", ANN),
    ):
        assert call(*command).code == 0
    return call


def test_it_first_says_what_would_go(run: Call) -> None:
    said = run("account", "remove", ANN)
    assert said.code == 1
    assert f"{ANN}: 0 messages, 0 octets; 0 held\naliases: a@example.test" in said.out
    assert "say --yes" in said.err
    assert ANN in run("account", "list").out


def test_who_is_removed_is_gone_and_the_address_kept_back(run: Call) -> None:
    assert run("account", "remove", "Ann@Example.test", "--yes", "--reserve-days", "-1").out.endswith(
        f"{ANN} is gone\n"
    )
    assert run("account", "list").out == run("alias", "list").out == ""
    assert run("account", "reserved").out == "a@example.test\tfor ever\nann@example.test\tfor ever\n"
    said = run("account", "add", ANN)
    assert said.code == 1
    assert f"waxseal account release {ANN}" in said.err
    assert run("account", "release", ANN).code == 0
    assert run("account", "release", ANN).code == 1
    assert run("account", "add", ANN).code == 0


@pytest.mark.parametrize(
    "wrong", [("bob@example.test", "--yes"), ("no address", "--yes"), (ANN, "--reserve-days", "-2")]
)
def test_what_cannot_be_removed(run: Call, wrong: tuple[str, ...]) -> None:
    assert run("account", "remove", *wrong).code in {1, 2}
    assert ANN in run("account", "list").out


def test_roles(run: Call) -> None:
    assert run("role", "list").out == ""
    assert "second factor" in run("role", "grant", ANN, "owner").out
    assert run("role", "grant", ANN, "admin").code == 0
    assert run("role", "list").out == f"{ANN}\tadmin\n"
    assert run("role", "grant", ANN, "king").code == 2
    assert run("role", "grant", "bob@example.test", "admin").code == 1
    assert run("role", "revoke", ANN).code == 0
    said = run("role", "revoke", ANN)
    assert said.code == 1
    assert "has no role" in said.err
