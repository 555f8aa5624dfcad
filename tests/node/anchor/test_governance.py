"""Policies on a chain, embedded and anvil: what was in force when, and a server that lies about it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from node.anchor import governance, registry
from node.anchor.artifact import NoContract
from node.anchor.governance import ADDRESS, GovernanceError, Publication
from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from tests.node.anchor.contract_chains import ANN, KINDS, lying, two_accounts

pytestmark = pytest.mark.anyio

A, B = b"\xaa" * 32, b"\xbb" * 32
NOWHERE = "0x" + "12" * 20
Two = tuple[Chain, Chain]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module", params=KINDS)
async def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    async with two_accounts(request, tmp_path_factory) as chains:
        await governance.CONTRACT.deploy(chains[0])
        yield chains


async def test_nothing_published(two: Two) -> None:
    assert await governance.published(two[0], ADDRESS, NOWHERE) == ()
    assert await governance.in_force(two[0], ADDRESS, NOWHERE) is None


async def test_what_was_in_force_in_each_block(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = two
    sender, before = str(ann.sender), (await ann.head()).number
    hashes = [secrets.token_bytes(32) for _ in range(5)]
    hashes.append(hashes[0])  # the first one comes back
    blocks = [(await governance.publish(ann, ADDRESS, policy)).block for policy in hashes]
    await governance.publish(bob, ADDRESS, B)  # another's list is another's
    monkeypatch.setattr(governance, "PAGE", 4)
    found = await governance.published(ann, ADDRESS, sender)
    assert [(one.policy, one.block, one.until) for one in found] == list(
        zip(hashes, blocks, [*blocks[1:], None], strict=True)
    )
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert await governance.in_force(ann, ADDRESS, sender, before) is None
    for one in found:
        wanted = Publication(one.policy, one.block, one.time)
        for block in range(one.block, one.until or one.block + 3):
            assert await governance.in_force(ann, ADDRESS, sender, block) == wanted
    assert (await governance.published(ann, ADDRESS, str(bob.sender)))[-1].policy == B


async def test_what_is_in_force_already(two: Two) -> None:
    ann, _ = two
    policy = secrets.token_bytes(32)
    await governance.publish(ann, ADDRESS, policy)
    with pytest.raises(GovernanceError, match="in force already"):
        await governance.publish(ann, ADDRESS, policy)


@pytest.mark.parametrize("policy", [bytes(32), b"", b"\1" * 31, b"\1" * 33])
async def test_no_hash(two: Two, policy: bytes) -> None:
    with pytest.raises(GovernanceError, match="a policy's hash"):
        await governance.publish(two[0], ADDRESS, policy)


async def test_another_contract_or_none_at_the_address(two: Two) -> None:
    ann, _ = two
    await registry.CONTRACT.deploy(ann)
    for contract, words in ((NOWHERE, "no Governance contract"), (registry.ADDRESS, "another contract")):
        for ask in (governance.published, governance.in_force):
            with pytest.raises(NoContract, match=words):
                await ask(ann, contract, str(ann.sender))
        with pytest.raises(NoContract, match=words):
            await governance.publish(ann, contract, A)


def _words(*values: int) -> str:
    return "0x" + "".join(f"{value:064x}" for value in values)


LIST, COUNT, NOW = ("0x" + selector.hex() for selector in (governance.PUBLISHED, governance.COUNT, governance.IN_FORCE))


@pytest.mark.parametrize(
    ("asked", "lie"),
    [
        (LIST, "0x"),
        (LIST, _words(32, 0)),  # counts more than it shows
        (LIST, _words(32, 2, 7, 5, 5, 8, 4, 6)),  # out of order
        (LIST, _words(32, 2, 7, 5, 5, 8, 6, 4)),  # back in time
        (LIST, _words(32, 2, 7, 5, 5, 7, 6, 6)),  # the same again
        (LIST, _words(32, 2, 7, 0, 5, 8, 6, 6)),  # in no block
        (LIST, _words(32, 2, 0, 5, 5, 8, 6, 6)),  # no policy
        (LIST, _words(32, 1, 7, 1 << 64, 5)),
        (COUNT, _words(1, 1)),
        (COUNT, _words(1 << 64)),
        (NOW, _words(7, 5)),
        (NOW, _words(7, 1 << 64, 5)),
    ],
)
async def test_a_server_that_lies(anvil: str, asked: str, lie: str) -> None:
    def tamper(method: str, params: list[Any], result: Any) -> Any:
        return lie if method == "eth_call" and params[0]["data"].startswith(asked) else result

    sender = await _published(anvil)
    async with lying(anvil, tamper) as chain:
        with pytest.raises(Temporary, match="cannot be believed"):
            await (governance.in_force if asked == NOW else governance.published)(chain, ADDRESS, sender)


async def test_a_server_that_tells_of_a_later_block_or_of_too_many(anvil: str) -> None:
    sender = await _published(anvil)
    async with lying(anvil, lambda method, _, result: _words(7, 50, 5) if method == "eth_call" else result) as chain:
        with pytest.raises(Temporary, match="a later block"):
            await governance.in_force(chain, ADDRESS, sender, 49)
    async with lying(anvil, lambda method, _, result: _words(10**6) if method == "eth_call" else result) as chain:
        with pytest.raises(Permanent, match="nobody can follow"):
            await governance.published(chain, ADDRESS, sender)


async def _published(url: str) -> str:
    async with JsonRpcChain.open(url, ANN, 31337) as chain:
        await governance.CONTRACT.deploy(chain)
        for _ in range(2):
            await governance.publish(chain, ADDRESS, secrets.token_bytes(32))
        return str(chain.sender)
