"""Servers of chains: named by CAIP-2, reached safely, and never quoted with the key that their address may carry."""

from __future__ import annotations

import pytest

from node.base.config import parse_settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError

HEAD = 'hostname = "a.example"\n'


def test_no_chain_is_read_unless_one_is_named() -> None:
    assert parse_settings(HEAD).chains.rpc == {}


def test_servers_are_named_by_chain() -> None:
    text = HEAD + '[chains.rpc]\n"eip155:1" = "https://rpc.example/v1/key"\n"eip155:31337" = "http://127.0.0.1:8545"\n'
    assert parse_settings(text).chains.rpc["eip155:31337"] == "http://127.0.0.1:8545"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"1" = "https://rpc.example"', "no CAIP-2 name"),
        ('"eip155:1" = "http://rpc.example/SECRET"', "another network"),
        ('"eip155:1" = "https://user:SECRET@rpc.example"', "without a name, password"),
        ('"eip155:1" = "https://rpc.example/#SECRET"', "without a name, password"),
        ('"eip155:1" = "ftp://rpc.example/SECRET"', "is https://host/path"),
        ('"eip155:1" = "https://[SECRET"', "is https://host/path"),
        ('"eip155:1" = ""', "is https://host/path"),
    ],
)
def test_bad_servers_are_refused_without_telling_their_secret(line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(HEAD + f"[chains.rpc]\n{line}\n")
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_written_settings_are_read_again() -> None:
    servers = {"eip155:1": "https://rpc.example/v1"}
    text = commented_settings({"hostname": "a.example", "chains": {"rpc": servers}})
    assert parse_settings(text).chains.rpc == servers
