"""What the keeper publishes beside heads: its key once, policies in order, after crashes and restored backups, too."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest

from node.anchor import governance, publisher, registry
from node.anchor.keys import LogKeys, open_keys, rotate
from node.anchor.publisher import Publisher
from node.base.errors import Permanent
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from node.store import policies
from node.store.database import Database
from tests.node.anchor.contract_chains import ANN

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return open_keys(tmp_path / "keys", "waxseal.test")


@pytest.fixture
async def chain(tmp_path: Path, keys: LogKeys) -> AsyncIterator[EmbeddedChain]:
    async with EmbeddedChain.open(tmp_path / "chain", keys.chain_key) as opened:
        yield opened


async def enforce(database: Database, *documents: bytes) -> list[bytes]:
    hashes = [hashlib.sha256(document).digest() for document in documents]
    for hash, document in zip(hashes, documents, strict=True):
        await database.write(lambda tx, hash=hash, document=document: policies.add(tx, hash, document, 5))
    return hashes


async def published(chain: Chain, keys: LogKeys) -> list[bytes]:
    return [one.policy for one in await governance.published(chain, governance.ADDRESS, keys.sender)]


async def test_key_and_policies_are_published_once(database: Database, keys: LogKeys, chain: EmbeddedChain) -> None:
    one = Publisher(database, keys)
    await one.publish(chain)  # no policy yet
    found = await registry.lookup(chain, registry.ADDRESS, keys.origin, account=keys.sender)
    assert found is not None
    assert (found.key, found.account) == (keys.log_key.public, keys.sender)
    first = await enforce(database, b"one")
    await one.publish(chain)
    assert await published(chain, keys) == first
    head = await chain.head()
    for again in (one, Publisher(database, keys)):  # the second one is the next run's
        await again.publish(chain)
    assert await chain.head() == head
    later = await enforce(database, b"two", b"three")
    await one.publish(chain)
    assert await published(chain, keys) == first + later


async def test_of_many_changes_the_newest_are_published(
    database: Database, keys: LogKeys, chain: EmbeddedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MAX_AT_ONCE", 3)
    hashes = await enforce(database, *(b"%d" % number for number in range(7)))
    await Publisher(database, keys).publish(chain)
    assert await published(chain, keys) == hashes[-3:]


async def test_a_policy_that_only_the_chain_knows(database: Database, keys: LogKeys, chain: EmbeddedChain) -> None:
    """An old backup was restored: what is in force now is published after it, and nothing is forgotten."""
    await governance.CONTRACT.deploy(chain)
    await governance.publish(chain, governance.ADDRESS, b"\7" * 32)
    (now,) = await enforce(database, b"now")
    await Publisher(database, keys).publish(chain)
    assert await published(chain, keys) == [b"\7" * 32, now]


async def test_a_revoked_or_other_key_is_left_to_people(
    database: Database, keys: LogKeys, chain: EmbeddedChain, capsys: pytest.CaptureFixture[str]
) -> None:
    await Publisher(database, keys).publish(chain)
    await registry.revoke(chain, registry.ADDRESS, keys.origin, keys.log_key.public)
    head = await chain.head()
    await Publisher(database, keys).publish(chain)
    assert await chain.head() == head
    found = await registry.lookup(chain, registry.ADDRESS, keys.origin, account=keys.sender)
    assert found is not None
    assert found.key == b""
    assert "keeper.other_key_registered" in capsys.readouterr().out


async def test_a_rotated_key_is_told_to_the_registry(
    database: Database, keys: LogKeys, chain: EmbeddedChain, tmp_path: Path
) -> None:
    await Publisher(database, keys).publish(chain)
    second = rotate(tmp_path / "keys", "waxseal.test", 3600)
    await Publisher(database, second).publish(chain)
    await registry.revoke(chain, registry.ADDRESS, keys.origin, second.log_key.public)  # it leaked
    third = rotate(tmp_path / "keys", "waxseal.test", 0)
    for _ in range(2):
        await Publisher(database, third).publish(chain)
    found = await registry.lookup(chain, registry.ADDRESS, keys.origin, account=keys.sender)
    assert found is not None
    assert [one.key for one in found.periods] == [one.log_key.public for one in (third, second, keys)]
    assert [one.revoked for one in found.periods] == [False, True, False]
    await Publisher(database, keys).publish(chain)  # an old backup of the keys takes nothing back
    assert await registry.lookup(chain, registry.ADDRESS, keys.origin, account=keys.sender) == found


async def test_a_chain_opened_for_reading(database: Database, keys: LogKeys, tmp_path: Path) -> None:
    async with EmbeddedChain.open(tmp_path / "chain", keys.chain_key) as writing:
        await Publisher(database, keys).publish(writing)
    async with EmbeddedChain.open(tmp_path / "chain", None) as reading:
        with pytest.raises(Permanent, match="for reading only"):
            await Publisher(database, keys).publish(reading)


async def test_a_reorganisation_that_takes_it_all_back(database: Database, keys: LogKeys, anvil: str) -> None:
    """Key and policies are published once more, in the chain as it then is, contracts included."""
    policy = await enforce(database, b"one")
    async with JsonRpcChain.open(anvil, ANN, 31337) as remote, httpx.AsyncClient(trust_env=False) as client:
        ours = Publisher(database, keys)
        before = (await remote.head()).number
        await ours.publish(remote)
        depth = (await remote.head()).number - before
        body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_reorg", "params": [depth, []]}
        assert "error" not in (await client.post(anvil, json=body)).json()
        assert not await registry.CONTRACT.is_at(remote, registry.ADDRESS)
        await ours.publish(remote)
        sender = str(remote.sender)
        found = await registry.lookup(remote, registry.ADDRESS, keys.origin, account=sender)
        assert found is not None
        assert found.key == keys.log_key.public
        assert [one.policy for one in await governance.published(remote, governance.ADDRESS, sender)] == policy
