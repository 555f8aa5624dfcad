"""waxseal invitation make|list|remove; and gates for sending and writing by command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]
RULE = json.dumps({"did": "did:web:press.example"})


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    def call(*arguments: object) -> Any:
        return waxseal(*arguments, "-c", place.config)

    assert call("domain", "add", "example.test").code == 0
    assert call("account", "add", "ann@example.test").code == 0
    return call


def test_invitations(run: Call) -> None:
    made = run("invitation", "make", "Example.TEST", "--days", "3", "--note", "Zoe")
    assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{5}-){3}[0-9a-hjkmnp-tv-z]{5}\n", made.out)
    assert "sign-up is off" in made.err
    assert re.fullmatch(r"example\.test\t\d{4}-\d\d-\d\d\tZoe\n", run("invitation", "list").out)
    assert "no domain" in run("invitation", "make", "nowhere.test").err
    assert run("invitation", "remove", made.out.strip().upper().replace("-", "")).code == 0
    assert "no such invitation" in run("invitation", "remove", made.out.strip()).err
    assert run("invitation", "list").out == ""


def test_gates_for_sending_and_writing(run: Call) -> None:
    assert run("alias", "add", "press@example.test", "ann@example.test").code == 0
    assert run("gate", "set", "press@example.test", RULE, "--for", "send").code == 0
    assert run("gate", "set", "ann@example.test", RULE, "--for", "write", "--others", "refuse").code == 0
    assert "has no account" in run("gate", "set", "zoe@example.test", RULE, "--for", "write").err
    lines = run("gate", "show").out.splitlines()
    rule = '{"did":"did:web:press.example"}'
    assert [line.split("\t") for line in lines] == [
        ["write", "ann@example.test", "finalized", rule, "refuse"],
        ["send", "press@example.test", "finalized", rule],
    ]
    asked = run("gate", "test", "press@example.test", "did:web:press.example")
    assert (asked.code, asked.out.splitlines()[-1]) == (0, "did:web:press.example: yes")
    assert run("gate", "remove", "press@example.test", "--for", "send").code == 0
