"""Settings of anchoring: what is taken, and what is refused with a word on what to write."""

from __future__ import annotations

from typing import Any

import pytest

from node.base.config import parse_settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError

RPC = ["https://rpc.example.org/v2/secret-key", "https://other.example.net"]


def settings(name: str = "eip155:1", **chain: Any) -> str:
    return commented_settings({"hostname": "a.example", "anchor": {"chains": {name: {"rpc": RPC, **chain}}}})


def test_the_embedded_chain_alone_is_the_default() -> None:
    anchor = parse_settings('hostname = "a.example"').anchor
    assert (anchor.enabled, anchor.chain, anchor.chains) == (True, "embedded", {})


def test_a_table_for_each_chain() -> None:
    anchor = parse_settings("""
        hostname = "a.example"
        [anchor]
        chain = "none"
        [anchor.chains."eip155:1"]
        rpc = ["https://one.example", "https://two.example"]
        contract = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
        confirmations = 12
        [anchor.chains."eip155:11155111"]
        rpc = ["http://127.0.0.1:8545"]
        signer = ["/usr/bin/sign", "--now"]
        account = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    """).anchor
    main, test = anchor.chains.values()
    assert (main.needed, test.needed) == (12, None)
    assert (main.contract, test.contract) == ("0x5FbDB2315678afecb367f032d93F642f64180aa3", "deploy")
    assert test.signer == ["/usr/bin/sign", "--now"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (settings("solana:1"), "eip155:1"),
        (settings("eip155:0"), "no CAIP-2 name of an EVM chain"),
        (settings("mainnet"), "no CAIP-2 name of an EVM chain"),
        (settings(rpc=[]), "at least 1 item"),
        (settings(rpc=["http://rpc.example.org/secret-key"]), "over https:// only"),
        (settings(rpc=["ftp://rpc.example.org/secret-key"]), "https://host/path"),
        (settings(contract="0x12"), "no address"),
        (settings(contract=""), '"deploy"'),
        (settings(confirmations=0), "finalized"),
        (settings(confirmations="safe"), "finalized"),
        (settings(max_fee_gwei=0), "greater than 0"),
        (settings(every_minutes=0), "greater than 0"),
        (settings(every_minutes=1440), "alert_hours is no longer than every_minutes"),
        (settings(key_file="/k", key_variable="K"), "name one of"),
        (settings(key_variable="ac0974bec39a17e36ba4a6b4d238ff94-secret-key"), "no name of an environment variable"),
        (settings(signer=["/bin/sign"]), "go together"),
        (settings(account="0x" + "12" * 20), "go together"),
        (settings(every_message=3), "every_messages"),
    ],
)
def test_bad_settings_are_refused_and_no_key_is_repeated(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_settings(text)
    assert words in str(refusal.value)
    assert "secret-key" not in str(refusal.value)


def test_explain_shows_what_a_chains_table_holds() -> None:
    text = commented_settings()
    assert '#   [anchor.chains."..."]' in text
    assert '#   contract = "deploy"' in text
