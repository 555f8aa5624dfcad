"""ENS on a real chain: registry, resolvers good and bad, names below others, and gateways that lie or hang."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_abi import encode
from eth_account import Account as Wallet

from identity import ens
from identity.ethereum import keccak
from node.base.config_chains import Chains
from node.base.errors import Temporary
from node.net.chain.ens import EnsReader
from node.net.chain.reader import open_readers
from node.net.public_https import PublicHttps

pytestmark = pytest.mark.anyio

CHAIN = "eip155:31337"
KEEPER = Wallet.from_key(b"\x05" * 32)


def _site_of_strangers() -> Any:
    """The name server and web server that `PublicHttps` is tested with."""
    path = Path(__file__).parents[1] / "test_public_https.py"
    spec = importlib.util.spec_from_file_location("_strangers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def octets(address: str) -> bytes:
    return bytes.fromhex(address[2:])


class World:
    """A registry with one resolver, on the chain of this module."""

    def __init__(self, chain: Any) -> None:
        self.chain = chain
        self.registry = chain.deploy("EnsRegistry")
        self.resolver = chain.deploy("EnsResolver")

    def resolve_with(self, name: str, resolver: str) -> None:
        self.chain.send(self.registry, "setResolver(bytes32,address)", ens.namehash(name), resolver)

    def point(self, name: str, address: str) -> None:
        self.resolve_with(name, self.resolver)
        self.chain.send(self.resolver, "setAddr(bytes32,address)", ens.namehash(name), address)

    def offchain(self, url: str, pretended: str = "0x" + "00" * 20) -> str:
        return str(self.chain.deploy("EnsOffchain", KEEPER.address, pretended, url))


@pytest.fixture
def world(token_chain: Any) -> World:
    return World(token_chain)


@asynccontextmanager
async def asking(world: World, gateways: PublicHttps | None = None, url: str = "") -> AsyncIterator[EnsReader]:
    settings = Chains(rpc={CHAIN: url or world.chain.url}, deadline_seconds=2)
    async with open_readers(settings, 0) as readers:
        yield EnsReader(readers[CHAIN], octets(world.registry), gateways)


async def test_a_name_stands_for_its_address_once_that_is_final(world: World) -> None:
    ann = world.chain.people[1]
    async with asking(world) as reader:
        world.chain.finalize()
        assert await reader.address("alice.eth", time.time()) is None
        world.point("alice.eth", ann)
        assert await reader.address("alice.eth", time.time()) is None  # not final yet
        world.chain.finalize()
        assert await reader.address("alice.eth", time.time()) == octets(ann)
        world.point("alice.eth", world.chain.people[2])
        world.chain.finalize()
        assert await reader.address("alice.eth", time.time()) == octets(world.chain.people[2])


async def test_a_plain_resolver_speaks_for_its_own_name_alone(world: World) -> None:
    world.point("alice.eth", world.chain.people[1])
    world.chain.send(world.resolver, "setAddr(bytes32,address)", ens.namehash("x.alice.eth"), world.chain.people[2])
    world.chain.finalize()
    async with asking(world) as reader:
        assert await reader.address("x.alice.eth", time.time()) is None


async def test_names_below_one_with_a_wildcard(world: World) -> None:
    world.resolve_with("alice.eth", world.chain.deploy("EnsWildcard"))
    world.chain.finalize()
    async with asking(world) as reader:
        for name in ("alice.eth", "x.alice.eth", "y.x.alice.eth"):
            assert await reader.address(name, time.time()) == keccak(ens.wire_name(name))[12:]


@pytest.mark.parametrize(
    ("habit", "answer"),
    [(0, b""), (0, b"\0" * 31), (0, b"\xff" * 32), (0, b"\x01" * 400), (1, b""), (2, b""), (3, b"")],
    ids=["nothing", "cut-off", "no-address", "too-much", "reverts", "invalid", "burns-all-gas"],
)
async def test_resolvers_of_bad_habits_stand_for_nobody(world: World, habit: int, answer: bytes) -> None:
    world.resolve_with("odd.eth", world.chain.deploy("Odd", habit, answer))
    world.chain.finalize()
    async with asking(world) as reader:
        assert await reader.address("odd.eth", time.time()) is None


async def test_a_resolver_that_is_no_contract_stands_for_nobody(world: World) -> None:
    world.resolve_with("odd.eth", "0x" + "12" * 20)
    world.chain.finalize()
    async with asking(world) as reader:
        assert await reader.address("odd.eth", time.time()) is None


async def test_a_server_that_is_away_hangs_or_lies_says_nothing(world: World, serving: Any) -> None:
    async def hangs(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async def babbles(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        body = json.dumps([{"jsonrpc": "2.0", "id": id, "result": "0x7a69"} for id in range(2)]).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await stream.send_all(head.encode() + body)

    for habit in (hangs, babbles):
        async with serving(habit) as server, asking(world, url=f"http://{server.place}") as reader:
            with pytest.raises(Temporary):
                await reader.address("alice.eth", time.time())
    async with asking(world, url="http://127.0.0.1:9") as reader:
        with pytest.raises(Temporary):
            await reader.address("alice.eth", time.time())


def signed(found: str, name: str, key: Any = KEEPER) -> bytes:
    signature = key.unsafe_sign_hash(keccak(encode(["address", "bytes"], [found, ens.wire_name(name)])))
    words = [found, signature.v, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")]
    return encode(["address", "uint8", "bytes32", "bytes32"], words)


def answering(strangers: Any, response: bytes, **more: Any) -> Any:
    return strangers.saying(json.dumps({"data": "0x" + response.hex()}).encode(), **more)


async def test_gateways_are_asked_where_that_is_allowed(world: World, tmp_path: Path) -> None:
    strangers, ann, mallory = _site_of_strangers(), world.chain.people[1], Wallet.from_key(b"\x06" * 32)
    async with strangers.running(tmp_path) as site:
        template = f"https://{strangers.HOST}:{site.port}/{{sender}}/{{data}}.json"
        contract = world.offchain(template)
        world.resolve_with("far.eth", contract)
        world.resolve_with("liar.eth", world.offchain(template, pretended=world.resolver))
        world.resolve_with("posts.eth", world.offchain(f"https://{strangers.HOST}:{site.port}/"))
        world.resolve_with("plain.eth", world.offchain(f"http://{strangers.HOST}/{{data}}"))
        world.resolve_with("inside.eth", world.offchain("https://127.0.0.1/{data}"))
        world.chain.finalize()
        near = site.https(admits=lambda address: address.is_loopback)
        async with asking(world, near) as reader, asking(world) as careful, asking(world, site.https()) as guarded:
            site.speak = answering(strangers, signed(ann, "far.eth"))
            assert await careful.address("far.eth", time.time()) is None  # off, nothing is fetched
            assert site.requests == []
            assert await reader.address("far.eth", time.time()) == octets(ann)
            path = site.requests[-1].split(b" ")[1].decode()
            assert path == f"/{contract.lower()}/0x{ens.wire_name('far.eth').hex()}.json"
            count = len(site.requests)
            assert await reader.address("liar.eth", time.time()) is None  # speaks in another contract's name
            for name in ("posts.eth", "plain.eth", "inside.eth"):
                with pytest.raises(Temporary, match="no gateway"):
                    await reader.address(name, time.time())
            with pytest.raises(Temporary, match="no gateway"):  # an address that is not public
                await guarded.address("far.eth", time.time())
            assert len(site.requests) == count
            site.speak = answering(strangers, signed(ann, "far.eth", mallory))
            assert await reader.address("far.eth", time.time()) is None  # the contract does not believe it
            for speak in (
                answering(strangers, b"", status="302 Found", more="Location: https://other.test/\r\n"),
                strangers.saying(b"{}"),
                strangers.saying(b'{"data":"0xzz"}'),
                strangers.saying(b"no json"),
                strangers.saying(b" " * (65 << 10)),
            ):
                site.speak = speak
                with pytest.raises(Temporary, match="no gateway"):
                    await reader.address("far.eth", time.time())
