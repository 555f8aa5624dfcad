"""account passkeys, remove-passkey: what an administrator sees and takes away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from node.base.address import parse_address
from node.cli.settings import load_settings, with_database
from node.store import accounts, passkeys, web_sessions
from node.store.database import Database, Writing

Call = Callable[..., Any]
ANN = "ann@example.test"
WALLET = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"


def in_store(place: Any, work: Callable[[Database], Awaitable[Any]]) -> Any:
    return with_database(load_settings(place.config), work)


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """`account ...` on a node where Ann lives, logged in somewhere, with two passkeys."""

    def call(command: str, *arguments: object) -> Any:
        return waxseal("account", command, *arguments, "-c", place.config)

    def fill(tx: Writing) -> None:
        ann = accounts.find(tx, parse_address(ANN))
        assert ann
        for number, name in enumerate(("Phone", "Key ring")):
            passkeys.add(tx, ann.id, name, credential_id=bytes([number]), public_key=b"k", sign_count=0,
                         transports=(), is_synced=name == "Phone", is_backed_up=False, now=1_800_000_000)  # fmt: skip
        passkeys.mark_used(tx, 2, 1, False, 1_800_000_100)
        web_sessions.add(tx, b"t" * 32, ann.id, 1 << 40)

    assert waxseal("domain", "add", "example.test", "-c", place.config).code == 0
    assert call("add", ANN).code == 0
    in_store(place, lambda database: database.write(fill))
    return call


def test_the_list(run: Call) -> None:
    said = run("passkeys", ANN)
    assert said.code == 0
    assert said.out.splitlines() == [
        "1\tPhone\tsynced\t2027-01-15\tnever",
        "2\tKey ring\tone device\t2027-01-15\t2027-01-15T08:01:40Z",
    ]


def test_a_removed_one_is_gone_and_so_are_the_sessions(run: Call, place: Any) -> None:
    said = run("remove-passkey", ANN, 1)
    assert said.code == 0
    assert "Phone: may log in as ann@example.test no longer" in said.out
    assert "Nothing is left" not in said.out
    assert in_store(place, lambda database: database.read(lambda tx: web_sessions.get(tx, b"t" * 32, 1))) is None
    assert [line.split("\t")[1] for line in run("passkeys", ANN).out.splitlines()] == ["Key ring"]
    assert "Nothing is left" in run("remove-passkey", ANN, 2).out


def test_a_wallet_that_is_left_counts(run: Call) -> None:
    assert run("wallet", ANN, WALLET).code == 0
    assert "Nothing is left" not in run("remove-passkey", ANN, 1, 2).out
    assert "No wallet is left" in run("remove-wallet", ANN, WALLET).out


def test_a_passkey_that_is_left_counts(run: Call) -> None:
    assert run("wallet", ANN, WALLET).code == 0
    assert "No wallet is left" not in run("remove-wallet", ANN, WALLET).out


def test_mistakes_say_what_to_do(run: Call) -> None:
    said = run("remove-passkey", ANN, 1, 7)
    assert said.code == 1
    assert "no passkey 7" in said.words
    assert "waxseal account passkeys" in said.words
    assert len(run("passkeys", ANN).out.splitlines()) == 2  # all or nothing
    for command in (("passkeys",), ("remove-passkey", 1)):
        said = run(command[0], "nobody@example.test", *command[1:])
        assert said.code == 1
        assert "waxseal account list" in said.words
