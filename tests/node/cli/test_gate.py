"""waxseal gate: set, shown, explained, removed; mistakes are told with their remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

WALLET = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
TICKET = {"chain": "eip155:31337", "standard": "erc721", "contract": WALLET}


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """A command on a node that serves example.test, where Ann has an account."""

    def call(*arguments: object) -> Any:
        return waxseal(*arguments, "-c", place.config)

    assert call("domain", "add", "example.test").code == 0
    assert call("account", "add", "ann@example.test", "--wallet", WALLET).code == 0
    return call


def test_a_gates_life(run: Call, tmp_path: Path) -> None:
    file = tmp_path / "rule.toml"
    file.write_text('[[any]]\ngroup = "staff"\n[[any]]\ndid = "did:web:ann.example"\n')
    rule = '{"any":[{"group":"staff"},{"did":"did:web:ann.example"}]}'
    assert run("gate", "set", "Ann@EXAMPLE.test", file, "--revoke", "latest").code == 0
    assert run("gate", "set", "example.test", rule, "--for", "signup").code == 0
    assert run("gate", "show").out.splitlines() == [
        f"login\tann@example.test\tlatest\t{rule}",
        f"signup\texample.test\tfinalized\t{rule}",
    ]
    assert run("gate", "show", "ann@example.test").out.count("\n") == 1
    said = run("gate", "test", "ann@example.test", "ann@example.test")
    assert said.code == 1
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert [(line[0], line[2]) for line in lines[:3]] == [
        ("finalized", "unknown"),
        ("finalized", "no"),
        ("finalized", "unknown"),
    ]
    assert lines[-1] == ["ann@example.test: unknown"]
    assert run("gate", "test", file, "did:web:ann.example").code == 0
    assert run("gate", "remove", "ann@example.test").code == 0
    assert run("gate", "remove", "ann@example.test").code == 1
    assert run("gate", "remove", "example.test", "--for", "signup").code == 0
    assert run("gate", "show").out == ""


def test_a_chain_that_nobody_can_read_is_told_at_once(run: Call) -> None:
    said = run("gate", "set", "example.test", json.dumps(TICKET))
    assert said.code == 0
    assert "name no server for eip155:31337" in said.err
    said = run("gate", "test", "example.test", WALLET)
    assert (said.code, "no server for eip155:31337" in said.out) == (1, True)


def test_a_wallet_is_asked_about_on_a_real_chain(run: Call, place: Any, token_chain: Any) -> None:
    place.write(chains={"rpc": {token_chain.chain: token_chain.url}})
    contract = token_chain.deploy("Coin", 2)
    token_chain.send(contract, "mint(address,uint256)", token_chain.people[1], 150)
    token_chain.finalize()
    rule = json.dumps({"chain": token_chain.chain, "standard": "erc20", "contract": contract, "min": "1.5"})
    said = run("gate", "test", rule, token_chain.people[1], "--revoke", "latest")
    assert said.code == 0
    assert said.out.count("\tyes\terc20 ") == 2
    assert "holds 1.5, needs 1.5" in said.out
    assert run("gate", "test", rule, token_chain.people[2]).code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set", "ann@example.test", "{}"), "write one of any, all"),
        (("set", "ann@example.test", '{"grup":"x"}'), "write one of any, all"),
        (("set", "ann@example.test", "no-such-file.toml"), "cannot read the rule"),
        (("set", "bob@example.test", '{"group":"x"}'), "has no account"),
        (("set", "other.test", '{"group":"x"}'), "waxseal domain add other.test"),
        (("set", "ann@example.test", '{"group":"x"}', "--for", "signup"), "stands before a domain"),
        (("test", "example.test", "ann@example.test"), "has no gate"),
        (("test", '{"group":"x"}', "bob@example.test"), "has no account"),
        (("test", '{"group":"x"}', "0x12"), "no Ethereum address"),
        (("set", "two words", '{"group":"x"}'), "bad"),
    ],
)
def test_mistakes(run: Call, arguments: tuple[str, ...], words: str) -> None:
    said = run("gate", *arguments)
    assert said.code == 1
    assert words in said.words
