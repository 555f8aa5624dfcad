"""From the settings to chains: whose key signs, and what cannot be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from node.anchor.keys import LogKeys, open_keys
from node.base.config import Settings, parse_settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError
from node.net.chain.embedded import CHAIN_ID
from node.net.chain.signer import CommandSigner, KeySigner
from node.net.chain.transaction import address_of
from node.service.chains import EMBEDDED, chain_plans, open_for_reading, open_for_sending, signer_of
from node.service.folders import Folders
from node.store.database import Database

pytestmark = pytest.mark.anyio

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # every anvil's first
ANVIL = "eip155:31337"


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return open_keys(tmp_path / "keys", "waxseal.test")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "mail.sqlite") as opened:
        yield opened


def settings(data: Path, chain: str = "embedded", **values: Any) -> Settings:
    chains = {ANVIL: {"rpc": ["http://127.0.0.1:9"], **values}}
    return parse_settings(
        commented_settings({"hostname": "a.example", "data": data, "anchor": {"chain": chain, "chains": chains}})
    )


def signer(data: Path, keys: LogKeys, **values: Any) -> object:
    return signer_of(ANVIL, settings(data, **values).anchor.chains[ANVIL], keys)


async def test_plans_for_the_embedded_chain_and_all_others(tmp_path: Path, database: Database, keys: LogKeys) -> None:
    folders = Folders(tmp_path)
    own, other = chain_plans(settings(tmp_path, every_minutes=5, confirmations=3), folders, database, keys)
    assert (own.chain_id, own.own, own.every_seconds, own.every_leaves) == (CHAIN_ID, True, 0, 1)
    assert (other.name, other.own, other.every_seconds, other.confirmations) == (ANVIL, False, 300, 3)
    (only,) = chain_plans(settings(tmp_path, "none"), folders, database, keys)
    assert only.name == ANVIL
    off = parse_settings('hostname = "a.example"\nanchor.enabled = false')
    assert chain_plans(off, folders, database, keys) == []


async def test_a_chain_without_its_key_is_left_out_and_the_others_go_on(
    tmp_path: Path, database: Database, keys: LogKeys, capsys: pytest.CaptureFixture[str]
) -> None:
    (only,) = chain_plans(settings(tmp_path, key_variable="NOT_SET"), Folders(tmp_path), database, keys)
    assert only.own
    told = capsys.readouterr()
    assert "chain.off" in told.out + told.err


def test_the_keepers_own_key_by_default(tmp_path: Path, keys: LogKeys) -> None:
    assert signer(tmp_path, keys) == KeySigner(keys.chain_key)


def test_a_key_in_a_file(tmp_path: Path, keys: LogKeys) -> None:
    file = tmp_path / "chain.key"
    with pytest.raises(ConfigError, match="cannot read the key file"):
        signer(tmp_path, keys, key_file=file)
    file.write_text(KEY + "\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="open to others"):
        signer(tmp_path, keys, key_file=file)
    file.chmod(0o600)
    assert signer(tmp_path, keys, key_file=file) == KeySigner(bytes.fromhex(KEY))
    file.write_text("0" * 64)
    with pytest.raises(ConfigError, match="no key of secp256k1"):
        signer(tmp_path, keys, key_file=file)


@pytest.mark.parametrize("text", [KEY, "0x" + KEY.upper(), KEY + "\n"])
def test_a_key_in_the_environment(tmp_path: Path, keys: LogKeys, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ANCHOR_KEY", text)
    assert signer(tmp_path, keys, key_variable="ANCHOR_KEY") == KeySigner(bytes.fromhex(KEY))


@pytest.mark.parametrize("text", ["", KEY[:-1], KEY + "00", "f" * 64, "secret words that are no key"])
def test_no_key_in_the_environment(tmp_path: Path, keys: LogKeys, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ANCHOR_KEY", text)
    with pytest.raises(ConfigError) as refusal:
        signer(tmp_path, keys, key_variable="ANCHOR_KEY")
    assert not text or text not in str(refusal.value)


def test_an_outside_signer(tmp_path: Path, keys: LogKeys) -> None:
    account = address_of(bytes.fromhex(KEY))
    found = signer(tmp_path, keys, signer=["/usr/bin/sign"], account=account.lower())
    assert found == CommandSigner(("/usr/bin/sign",), account)
    wrong = account[:-1] + ("a" if account[-1] != "a" else "b")
    with pytest.raises(ConfigError, match="does not match its checksum"):
        signer(tmp_path, keys, signer=["/usr/bin/sign"], account=wrong)


async def test_a_chain_to_send_to_and_to_read_from(
    tmp_path: Path, database: Database, keys: LogKeys, anvil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_KEY", KEY)
    known, folders = settings(tmp_path, rpc=[anvil], key_variable="ANCHOR_KEY"), Folders(tmp_path)
    async with open_for_sending(ANVIL, known, folders, database, keys) as chain:
        sent = await chain.send("0x" + "12" * 20, b"")
    async with open_for_reading(ANVIL, known, folders) as reading:
        assert await reading.result(sent.hash) == sent
    async with open_for_sending(EMBEDDED, known, folders, database, keys) as own:
        await own.send("0x" + "12" * 20, b"")
    with pytest.raises(ConfigError, match="is in no table"):
        async with open_for_reading("eip155:5", known, folders):
            pass
