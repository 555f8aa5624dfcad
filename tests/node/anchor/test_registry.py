"""The registry of log keys, on the embedded chain and on anvil: which key in which block, on whose word, and lies."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import governance, registry
from node.anchor.artifact import NoContract
from node.anchor.registry import ADDRESS, RegistryError
from node.base.errors import Permanent, Temporary
from node.net.chain import abi
from node.net.chain.abi import AbiError
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from tests.node.anchor.contract_chains import ANN, KINDS, lying, two_accounts

pytestmark = pytest.mark.anyio

K1, K2, K3 = (bytes([n]) * 32 for n in (1, 2, 3))
NOWHERE = "0x" + "12" * 20
ZERO = "0x" + "0" * 40
Two = tuple[Chain, Chain]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module", params=KINDS)
async def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    async with two_accounts(request, tmp_path_factory) as chains:
        await registry.CONTRACT.deploy(chains[0])
        yield chains


@pytest.fixture
def origin(request: pytest.FixtureRequest) -> str:
    """A log of each test's own."""
    return f"{request.node.name.partition('[')[0].replace('_', '-')}.test/log"


async def test_it_stands_at_the_address_that_follows_from_its_code(two: Two) -> None:
    assert await registry.CONTRACT.deploy(two[1]) == 0  # another's second deployment finds the first one's
    assert await registry.CONTRACT.is_at(two[0], ADDRESS)


async def test_what_is_not_registered(two: Two, origin: str) -> None:
    ann, bob = two
    assert await registry.lookup(ann, ADDRESS, origin) is None
    assert await registry.lookup(ann, ADDRESS, origin, account=bob.sender) is None
    assert await registry.first(ann, ADDRESS, origin) is None


async def test_a_registration_and_the_key_right_at_each_block(two: Two, origin: str) -> None:
    ann, _ = two
    began = (await registry.register(ann, ADDRESS, origin, K1)).block
    rotated = (await registry.rotate(ann, ADDRESS, origin, K1, K2)).block
    revoked = (await registry.revoke(ann, ADDRESS, origin, K2)).block
    again = (await registry.rotate(ann, ADDRESS, origin, K2, K3)).block
    for block, key in (
        (began - 1, b""),
        (began, K1),
        (rotated - 1, K1),
        (rotated, K2),
        (revoked - 1, K2),
        (revoked, b""),
        (again - 1, b""),
        (again, K3),
        (again + 10**6, K3),
        (None, K3),
    ):
        found = await registry.lookup(ann, ADDRESS, origin, block)
        assert found is not None
        assert (found.key, found.account, found.owner) == (key, ann.sender, ann.sender), block
    assert [(one.key, one.since, one.until, one.revoked) for one in found.periods] == [
        (K3, again, None, False),
        (K2, rotated, revoked, True),
        (K1, began, rotated, False),
    ]
    old = found.find(K1)
    assert old is not None
    assert (old.covers(began), old.covers(rotated), found.find(bytes(32))) == (True, False, None)
    assert old.since_time <= (old.until_time or 0)


async def test_a_revoked_key_is_in_force_no_more_and_never_again(two: Two, origin: str) -> None:
    ann, _ = two
    await registry.register(ann, ADDRESS, origin, K1)
    await registry.revoke(ann, ADDRESS, origin, K1)
    found = await registry.lookup(ann, ADDRESS, origin)
    assert found is not None
    assert (found.key, found.since, found.until, found.newest.revoked) == (b"", 0, None, True)
    with pytest.raises(RegistryError, match="not in force"):
        await registry.revoke(ann, ADDRESS, origin, K1)
    with pytest.raises(RegistryError, match="a key serves once"):
        await registry.rotate(ann, ADDRESS, origin, K1, K1)
    with pytest.raises(RegistryError, match="registered that log before"):
        await registry.register(ann, ADDRESS, origin, K2)


async def test_anothers_origin_is_registered_under_ones_own_account_only(two: Two, origin: str) -> None:
    ann, bob = two
    await registry.register(bob, ADDRESS, origin, K2)  # the squatter is first
    await registry.register(ann, ADDRESS, origin, K1)
    by_name = await registry.lookup(ann, ADDRESS, origin)
    by_account = await registry.lookup(ann, ADDRESS, origin, account=ann.sender)
    assert by_name is not None
    assert by_account is not None
    assert (by_name.account, by_name.key) == (bob.sender, K2)  # why a verifier asks for the domain's account
    assert (by_account.account, by_account.key) == (ann.sender, K1)


async def test_a_strangers_rotation_revocation_and_offer(two: Two, origin: str) -> None:
    ann, bob = two
    await registry.register(ann, ADDRESS, origin, K1)
    for attempt in (
        partial(registry.rotate, bob, ADDRESS, origin, K1, K2, account=ann.sender),
        partial(registry.revoke, bob, ADDRESS, origin, K1, account=ann.sender),
        partial(registry.offer, bob, ADDRESS, origin, str(bob.sender), account=ann.sender),
    ):
        with pytest.raises(RegistryError, match=f"only {ann.sender} may"):
            await attempt()
    with pytest.raises(RegistryError, match="was not offered"):
        await registry.accept(bob, ADDRESS, origin, str(ann.sender))
    with pytest.raises(RegistryError, match="not registered: register it"):
        await registry.rotate(bob, ADDRESS, origin, K1, K2)
    found = await registry.lookup(ann, ADDRESS, origin)
    assert found is not None
    assert found.key == K1


async def test_out_of_order(two: Two, origin: str) -> None:
    ann, _ = two
    await registry.register(ann, ADDRESS, origin, K1)
    await registry.rotate(ann, ADDRESS, origin, K1, K2)
    with pytest.raises(RegistryError, match=f"the newest key there is {K2.hex()}"):
        await registry.rotate(ann, ADDRESS, origin, K1, K3)
    with pytest.raises(RegistryError, match="not in force"):
        await registry.revoke(ann, ADDRESS, origin, K1)
    with pytest.raises(RegistryError, match="a key serves once"):
        await registry.rotate(ann, ADDRESS, origin, K2, K1)


async def test_a_line_is_handed_over_in_two_steps_and_keeps_its_name(two: Two, origin: str) -> None:
    ann, bob = two
    account = str(ann.sender)
    await registry.register(ann, ADDRESS, origin, K1)
    await registry.offer(ann, ADDRESS, origin, str(bob.sender))
    await registry.offer(ann, ADDRESS, origin, ZERO)  # thought better of it
    with pytest.raises(RegistryError, match="was not offered"):
        await registry.accept(bob, ADDRESS, origin, account)
    await registry.offer(ann, ADDRESS, origin, str(bob.sender))
    await registry.accept(bob, ADDRESS, origin, account)
    await registry.rotate(bob, ADDRESS, origin, K1, K2, account=account)
    with pytest.raises(RegistryError, match=f"only {bob.sender} may"):
        await registry.rotate(ann, ADDRESS, origin, K2, K3)
    found = await registry.lookup(ann, ADDRESS, origin, account=account)
    assert found is not None
    assert (found.account, found.owner, found.key) == (ann.sender, bob.sender, K2)


@pytest.mark.parametrize("key", [bytes(32), b"", b"\1" * 31, b"\1" * 33])
async def test_zero_and_misshapen_keys(two: Two, origin: str, key: bytes) -> None:
    with pytest.raises(RegistryError, match="32 octets"):
        await registry.register(two[0], ADDRESS, origin, key)


@pytest.mark.parametrize("name", ["", "x" * 256, "é" * 128, "two words/log", "a+b/log", "a\nb", "\ud800", "a\u2028b"])
async def test_origins_that_no_checkpoint_can_have(two: Two, name: str) -> None:
    with pytest.raises(RegistryError, match="a log's origin"):
        await registry.register(two[0], ADDRESS, name, K1)
    with pytest.raises(RegistryError, match="a log's origin"):
        await registry.lookup(two[0], ADDRESS, name)


@pytest.mark.parametrize("account", ["ann", "0x12", "0x" + "zz" * 20])
async def test_no_account(two: Two, origin: str, account: str) -> None:
    with pytest.raises(RegistryError, match="is no account"):
        await registry.lookup(two[0], ADDRESS, origin, account=account)


async def test_another_contract_or_none_at_the_address(two: Two, origin: str) -> None:
    ann, _ = two
    await governance.CONTRACT.deploy(ann)
    for contract, words in ((NOWHERE, "no Registry contract"), (governance.ADDRESS, "another contract than Registry")):
        with pytest.raises(NoContract, match=words):
            await registry.lookup(ann, contract, origin)
        with pytest.raises(NoContract, match=words):
            await registry.register(ann, contract, origin, K1)


async def test_a_history_of_several_pages(two: Two, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, _ = two
    monkeypatch.setattr(registry, "PAGE", 3)
    keys = [bytes([n]) * 32 for n in range(1, 9)]
    await registry.register(ann, ADDRESS, origin, keys[0])
    for count, (before, key) in enumerate(itertools.pairwise(keys), 2):
        await registry.rotate(ann, ADDRESS, origin, before, key)
        found = await registry.lookup(ann, ADDRESS, origin)
        assert found is not None
        assert [one.key for one in found.periods] == keys[:count][::-1]
    monkeypatch.setattr(registry, "MAX_KEYS", 4)
    with pytest.raises(Permanent, match="more than 4 keys"):
        await registry.lookup(ann, ADDRESS, origin)


async def test_random_lines_against_a_model(two: Two, origin: str) -> None:
    """Whatever an owner does in whatever order: the chain takes what the rules allow, and tells each block's key."""
    ann, _ = two
    dice = random.Random(5)
    await registry.register(ann, ADDRESS, origin, K1)
    start = (await ann.head()).number
    newest, current, used, right = K1, K1, {K1}, {start: K1}
    for _ in range(25):
        key = bytes([dice.randrange(1, 12)]) * 32
        try:
            if dice.random() < 0.3:
                allowed = key == current
                await registry.revoke(ann, ADDRESS, origin, key)
                current = b""
            else:
                before = newest if dice.random() < 0.8 else key
                allowed = before == newest and key not in used
                await registry.rotate(ann, ADDRESS, origin, before, key)
                newest = current = key
                used.add(key)
            assert allowed
            right[(await ann.head()).number] = current
        except RegistryError:
            assert not allowed
    expected = K1
    for block in range(start, (await ann.head()).number + 1):
        expected = right.get(block, expected)
        found = await registry.lookup(ann, ADDRESS, origin, block)
        assert found is not None
        assert found.key == expected
        asked = abi.selector("keyAt(address,bytes32,uint256)") + abi.address(str(ann.sender))
        asked += registry.origin_hash(origin) + abi.number(block)
        assert await ann.call(ADDRESS, asked) == expected.rjust(32, b"\0")


def _words(*values: int) -> str:
    return "0x" + "".join(f"{value:064x}" for value in values)


NEWEST = int.from_bytes(K2, "big")
LIES: dict[str, str] = {
    "nothing": "0x",
    "half a word": "0x" + "00" * 31,
    "no array": _words(64, 0),
    "an endless array": _words(32, 1 << 255),
    "more rows than asked for": _words(32, 101, *([1] * 606)),
    "fewer rows than counted": _words(32, 2, NEWEST, 5, 0, 1, 0, 0),
    "no key at all": _words(32, 0),
    "another newest key": _words(32, 1, 7, 5, 0, 1, 0, 0),
    "a key twice": _words(32, 2, NEWEST, 5, 0, 1, 0, 0, NEWEST, 4, 5, 1, 1, 0),
    "a key of zero": _words(32, 2, NEWEST, 5, 0, 1, 0, 0, 0, 4, 5, 1, 1, 0),
    "a key that ends before it begins": _words(32, 1, NEWEST, 5, 4, 1, 1, 0),
    "a key since no block": _words(32, 1, NEWEST, 0, 0, 1, 0, 0),
    "two keys in force": _words(32, 2, NEWEST, 5, 0, 1, 0, 0, 7, 4, 0, 1, 0, 0),
    "keys that overlap": _words(32, 2, NEWEST, 5, 0, 1, 0, 0, 7, 4, 6, 1, 1, 0),
    "revoked and in force": _words(32, 1, NEWEST, 5, 0, 1, 0, 1),
    "half revoked": _words(32, 1, NEWEST, 5, 0, 1, 0, 2),
    "a block number out of range": _words(32, 1, NEWEST, 1 << 48, 0, 1, 0, 0),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_server_that_lies_about_the_history(anvil: str, lie: str) -> None:
    """What contradicts the contract's own rules is no verdict on the log: the server is not believed."""

    def tamper(method: str, params: list[Any], result: Any) -> Any:
        history = method == "eth_call" and params[0]["data"].startswith("0x" + registry.HISTORY.hex())
        return LIES[lie] if history else result

    origin = await _registered(anvil)
    async with lying(anvil, tamper) as chain:
        with pytest.raises(Temporary, match="cannot be believed"):
            await registry.lookup(chain, ADDRESS, origin)


async def test_a_server_that_lies_about_code_owner_and_first(anvil: str) -> None:
    origin = await _registered(anvil)
    other = "0x" + governance.CONTRACT.deployed.hex()
    async with lying(anvil, lambda method, _, result: other if method == "eth_getCode" else result) as chain:
        with pytest.raises(NoContract, match="another contract"):
            await registry.lookup(chain, ADDRESS, origin)
    for selector, lie in (
        (registry.FIRST, "0x" + "ff" * 32),  # no address
        (registry.LINE, _words(0, 0, NEWEST)[:-2]),
        (registry.LINE, _words((1 << 160) + 1, 0, NEWEST)),
    ):
        asked = "0x" + selector.hex()

        def tamper(method: str, params: list[Any], result: Any, asked: str = asked, lie: str = lie) -> Any:
            return lie if method == "eth_call" and params[0]["data"].startswith(asked) else result

        async with lying(anvil, tamper) as chain:
            with pytest.raises(Temporary, match="cannot be believed"):
                await registry.lookup(chain, ADDRESS, origin)


async def _registered(url: str) -> str:
    """A log of two keys, the second of which is in force."""
    async with JsonRpcChain.open(url, ANN, 31337) as chain:
        await registry.CONTRACT.deploy(chain)
        origin = "believed.test/log"
        if await registry.lookup(chain, ADDRESS, origin) is None:
            await registry.register(chain, ADDRESS, origin, K1)
            await registry.rotate(chain, ADDRESS, origin, K1, K2)
    return origin


@given(st.binary(max_size=700), st.integers(1, 6), st.integers(0, 4))
def test_any_bytes_are_rows_or_refused(answer: bytes, width: int, most: int) -> None:
    try:
        found = abi.rows(answer, width, most)
    except AbiError:
        return
    assert len(found) <= most
    assert abi.number(32) + abi.number(len(found)) + b"".join(word for row in found for word in row) == answer
