"""domain and account: who lives here, and how they log in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]

WALLET = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
OTHER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """A command on a node that serves example.test."""

    def call(*arguments: object) -> Any:
        return waxseal(*arguments, "-c", place.config)

    assert call("domain", "add", "example.test").code == 0
    return call


def test_a_new_database_leaves_standard_output_to_results(waxseal: Call, place: Any) -> None:
    said = waxseal("domain", "list", "-c", place.config)
    assert (said.code, said.out, said.err) == (0, "", "")


def test_domains(run: Call) -> None:
    said = run("domain", "add", "B\u00dcCHER.example")
    assert said.code == 0
    assert "its MX record should name this host" in said.out
    assert run("domain", "add", "example.test").code == 0, "adding it again changes nothing"
    assert sorted(run("domain", "list").out.split()) == ["example.test", "xn--bcher-kva.example"]


@pytest.mark.parametrize("name", ["", "two words", "a..example", "x" * 64 + ".example", "a@b.example"])
def test_a_domain_that_is_none(run: Call, name: str) -> None:
    said = run("domain", "add", name)
    assert said.code == 1
    assert said.err.startswith("waxseal: ")


def test_an_account_with_a_wallet(run: Call) -> None:
    said = run("account", "add", "Ann@Example.test", "--wallet", WALLET, "--wallet", WALLET.lower(), "--name", "Ann")
    assert (said.code, said.out) == (0, "Ann@example.test has an account\n")
    assert run("account", "list").out == f"Ann@example.test\tAnn\teip155:{WALLET.lower()}\n"


def test_an_account_without_a_wallet_says_what_to_do_next(run: Call) -> None:
    said = run("account", "add", "ann@example.test")
    assert "Nobody can log in to it yet" in said.out
    assert "waxseal account wallet" in said.out
    said = run("account", "wallet", "ann@example.test", WALLET, OTHER)
    assert said.code == 0
    assert WALLET.lower() in run("account", "list").out
    assert OTHER.lower() in run("account", "list").out


SOLANA = "7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAaKv"


def test_wallets_of_every_kind_come_and_go(run: Call) -> None:
    run("account", "add", "ann@example.test", "--wallet", WALLET)
    said = run("account", "wallet", "ann@example.test", f"eip155:10:{OTHER}", SOLANA)
    assert said.code == 0
    wallets = [f"eip155:{WALLET.lower()}", f"eip155:10:{OTHER.lower()}", f"solana:{SOLANA}"]
    assert set(run("account", "list").out.strip().split("\t")[2].split(",")) == set(wallets)
    said = run("account", "remove-wallet", "ann@example.test", WALLET, SOLANA)
    assert (said.code, said.out) == (0, f"{wallets[0]}, {wallets[2]} may log in as ann@example.test no longer\n")
    said = run("account", "remove-wallet", "ann@example.test", OTHER)
    assert said.code == 1
    assert "`waxseal account list` shows what can" in said.err
    assert "No wallet is left" in run("account", "remove-wallet", "ann@example.test", f"eip155:10:{OTHER}").out
    assert run("account", "list").out == "ann@example.test\t\t\n"


def test_a_wallet_is_one_persons(run: Call) -> None:
    run("account", "add", "ann@example.test", "--wallet", WALLET)
    run("account", "add", "ben@example.test")
    for typed in (WALLET, f"eip155:10:{WALLET}"):
        assert run("account", "wallet", "ben@example.test", typed).code == 1


@pytest.mark.parametrize(
    ("wallet", "words"),
    [
        (WALLET[:-1] + "8", "does not carry its checksum: copy the address again, some letter is wrong"),
        (WALLET.replace("B", "b"), "does not carry its checksum"),
        ("0x1234", "is no Ethereum address: write 0x and 40 hex digits"),
        ("ann.eth", "is no Ethereum address"),
        ("", "is no Ethereum address"),
    ],
)
def test_a_wallet_that_is_none(run: Call, wallet: str, words: str) -> None:
    said = run("account", "add", "ann@example.test", "--wallet", wallet)
    assert said.code == 1
    assert words in said.err
    assert run("account", "list").out == ""


def test_an_account_in_a_domain_of_others(run: Call) -> None:
    said = run("account", "add", "ann@elsewhere.test")
    assert said.code == 1
    assert said.err == ("waxseal: elsewhere.test is no domain of this node; first: waxseal domain add elsewhere.test\n")


@pytest.mark.parametrize("address", ["ann", "@example.test", "ann@", "ann@example.test@x", "a b@example.test"])
def test_an_address_that_is_none(run: Call, address: str) -> None:
    said = run("account", "add", address)
    assert said.code == 1
    assert said.err.startswith("waxseal: ")


def test_an_address_that_is_taken(run: Call) -> None:
    run("account", "add", "ann@example.test")
    for again in ("ann@example.test", "ANN@EXAMPLE.TEST"):
        said = run("account", "add", again)
        assert said.code == 1
        assert "has an account already" in said.err
    assert len(run("account", "list").out.splitlines()) == 1


def test_a_wallet_that_is_somebody_elses_opens_no_account(run: Call) -> None:
    run("account", "add", "ann@example.test", "--wallet", WALLET)
    said = run("account", "add", "bob@example.test", "--wallet", OTHER, "--wallet", WALLET)
    assert said.code == 1
    assert f"eip155:{WALLET.lower()} belongs to ann@example.test already" in said.err
    assert "bob" not in run("account", "list").out
    run("account", "add", "bob@example.test")
    assert run("account", "wallet", "bob@example.test", WALLET).code == 1
    assert run("account", "wallet", "bob@example.test", OTHER).code == 0, "the failed attempt bound nothing"


def test_app_passwords(run: Call) -> None:
    run("account", "add", "ann@example.test")
    first = run("account", "password", "ann@example.test", "--scopes", "imap, smtp")
    second = run("account", "password", "ann@example.test", "--name", "laptop", "--scopes", "imap")
    assert (first.code, second.code) == (0, 0)
    assert len({first.out, second.out}) == 2
    assert len(first.out.strip()) > 20
    assert first.err == ""


def test_an_app_password_for_nobody(run: Call) -> None:
    said = run("account", "password", "bob@example.test")
    assert said.code == 1
    assert said.err == "waxseal: bob@example.test has no account; `waxseal account list` shows who has\n"
    assert run("account", "wallet", "bob@example.test", WALLET).err == said.err


@pytest.mark.parametrize("scopes", ["pop", "", "imap,", "imap;smtp"])
def test_a_scope_that_is_none(run: Call, scopes: str) -> None:
    run("account", "add", "ann@example.test")
    said = run("account", "password", "ann@example.test", "--scopes", scopes)
    assert said.code == 2
    assert "choose of: imap, smtp" in said.words


def test_a_database_that_is_none(waxseal: Call, place: Any) -> None:
    place.data.mkdir()
    (place.data / "waxseal.db").write_bytes(b"no database\n" * 100)
    said = waxseal("account", "list", "-c", place.config)
    assert said.code == 1
    assert "is no database: restore it from a snapshot, or move it away to start anew" in said.err


def test_a_data_directory_that_cannot_be_made(waxseal: Call, place: Any) -> None:
    place.data.write_bytes(b"")
    said = waxseal("account", "list", "-c", place.config)
    assert said.code == 1
    assert "cannot open" in said.err


def test_unlocking_and_events_of_an_account_that_never_sent(run: Call) -> None:
    run("account", "add", "ann@example.test")
    assert run("account", "unlock", "ann@example.test").out == "ann@example.test was not restricted\n"
    said = run("account", "events", "ann@example.test")
    assert (said.code, said.out) == (0, "")
    for command in ("unlock", "events"):
        assert "bob@example.test has no account" in run("account", command, "bob@example.test").err
