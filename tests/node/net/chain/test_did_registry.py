"""did:ethr from a registry on a real chain: keys that log in, change and end; servers that lie, hang or are away."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from joserfc.jwk import ECKey

from identity.did import ethr, keys
from identity.did.document import Document, Purpose
from identity.did.syntax import Did
from identity.jose import Signer
from identity.refusal import Reason, Refusal
from node.auth.challenges import LoginDesk
from node.auth.did_login import DidLoggedIn, DidLogin
from node.auth.refusal import Reason as LoginReason
from node.auth.refusal import Refusal as LoginRefusal
from node.auth.sessions import Sessions
from node.base.address import parse_address
from node.base.config_chains import Chains
from node.net.chain.did_registry import registries
from node.net.chain.reader import open_readers
from node.net.did_resolver import DidResolver
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Writing

from .test_reader import http

pytestmark = pytest.mark.anyio
CHAIN = "eip155:31337"
HEX = "0x7a69"
DAY = 86400


class World:
    """A registry, and an identity of its own for each test: who has changed nothing yet."""

    def __init__(self, chain: Any, registry: str, identity: str) -> None:
        self.chain = chain
        self.registry = registry
        self.identity = identity
        self.did = Did("ethr", f"{HEX}:{identity.lower()}")

    def send(self, signature: str, *arguments: Any, sender: str = "") -> None:
        self.chain.send(self.registry, signature, self.identity, *arguments, sender=sender or self.identity)

    def add_key(self, raw: bytes, name: bytes = b"did/pub/Secp256k1/sigAuth/hex", validity: int = DAY) -> None:
        self.send("setAttribute(address,bytes32,bytes,uint256)", name, raw, validity)

    def owned_by(self, owner: str) -> None:
        self.send("changeOwner(address,address)", owner)


@pytest.fixture
def world(token_chain: Any) -> World:
    return World(token_chain, token_chain.deploy("DidRegistry"), token_chain.people[1])


@asynccontextmanager
async def resolving(world: World, url: str = "", **options: Any) -> AsyncIterator[DidResolver]:
    settings = Chains(rpc={CHAIN: url or world.chain.url}, deadline_seconds=options.pop("deadline", 5))
    async with open_readers(settings, 0) as readers:
        yield DidResolver(None, registries(readers, {CHAIN: world.registry, "eip155:1": world.registry}), **options)


async def look(world: World, **options: Any) -> Document | Refusal:
    """What is found once all is final."""
    world.chain.finalize()
    async with resolving(world, **options) as resolver:
        return await resolver.resolve(world.did)


async def names(world: World, purpose: Purpose = Purpose.AUTHENTICATION, **options: Any) -> list[str]:
    found = await look(world, **options)
    assert isinstance(found, Document), found
    return [method.id.partition("#")[2] for method in found.methods_for(purpose)]


def new_key() -> tuple[ECKey, bytes]:
    key = ECKey.generate_key("secp256k1")  # type: ignore[arg-type]
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    return key, public.raw


async def test_an_account_that_changed_nothing_is_its_own_controller(world: World) -> None:
    found = await look(world)
    assert isinstance(found, Document)
    assert (found.id, [method.account.lower() for method in found.methods]) == (
        str(world.did),
        [f"{CHAIN}:{world.identity}"],
    )


async def test_owner_keys_and_delegates_follow_the_registry(world: World) -> None:
    _, raw = new_key()
    _, other = new_key()
    world.add_key(raw)
    both = [b"did/pub/Secp256k1/veriKey/hex", b"did/pub/Secp256k1/sigAuth/hex"]
    world.send("setAttributes(address,bytes32[],bytes[],uint256)", both, [other, other], DAY)  # events of one block
    world.send("addDelegate(address,bytes32,address,uint256)", b"sigAuth", world.chain.people[3], DAY)
    world.send("addDelegate(address,bytes32,address,uint256)", b"veriKey", world.chain.people[4], 2 * DAY)
    assert await names(world) == ["controller", "delegate-1", "delegate-3", "delegate-4"]
    assert await names(world, Purpose.ASSERTION) == ["controller", *(f"delegate-{number}" for number in range(1, 6))]
    world.send("revokeAttribute(address,bytes32,bytes)", b"did/pub/Secp256k1/sigAuth/hex", other)
    assert await names(world) == ["controller", "delegate-1", "delegate-4"]


async def test_a_delegate_ends(world: World) -> None:
    world.send("addDelegate(address,bytes32,address,uint256)", b"sigAuth", world.chain.people[3], 60)
    world.send("addDelegate(address,bytes32,address,uint256)", b"sigAuth", world.chain.people[4], DAY)
    assert await names(world) == ["controller", "delegate-1", "delegate-2"]
    assert await names(world, now=lambda: time.time() + 600) == ["controller", "delegate-2"]


async def test_another_owner_and_none(world: World) -> None:
    world.owned_by(world.chain.people[5])
    found = await look(world)
    assert isinstance(found, Document)
    assert found.methods[0].account.lower() == f"{CHAIN}:{world.chain.people[5]}"
    world.send("changeOwner(address,address)", "0x" + "00" * 20, sender=world.chain.people[5])
    given_up = await look(world)
    assert isinstance(given_up, Refusal)
    assert "given up" in given_up.words


async def test_a_change_counts_once_it_is_final(world: World) -> None:
    world.chain.finalize()
    world.owned_by(world.chain.people[5])
    async with resolving(world) as resolver:
        found = await resolver.resolve(world.did)
    assert isinstance(found, Document)
    assert found.methods[0].account.lower() == f"{CHAIN}:{world.identity}"


async def test_who_changes_too_often_is_not_resolved(world: World) -> None:
    named, values = [b"did/pub/Ed25519/sigAuth"] * 33, [bytes([number]) * 32 for number in range(33)]
    world.send("setAttributes(address,bytes32[],bytes[],uint256)", named, values, DAY)
    assert isinstance(await look(world), Document)
    world.send("setAttributes(address,bytes32[],bytes[],uint256)", named, values, DAY)
    found = await look(world)
    assert isinstance(found, Refusal)
    assert f"more than {ethr.MAX_CHANGES} times" in found.words


async def test_no_registry_there_and_no_server_for_the_chain(world: World) -> None:
    for nothing in ("0x" + "12" * 20, world.chain.deploy("Coin", 6)):
        found = await look(World(world.chain, nothing, world.identity))
        assert isinstance(found, Refusal)
        assert found.reason is Reason.UNRESOLVABLE
    async with resolving(world) as resolver:
        unasked = await resolver.resolve(Did("ethr", world.identity.lower()))
    assert isinstance(unasked, Refusal)
    assert unasked.reason is Reason.UNKNOWN_METHOD


Twist = Callable[[Mapping[str, Any], Any], Any]


def lying(world: World, twist: Twist) -> Callable[[trio.SocketStream], Any]:
    """A server that asks the real one, and changes its answers."""

    def answer(batch: list[dict[str, Any]]) -> Any:
        return [
            {
                "jsonrpc": "2.0",
                "id": item["id"],
                "result": twist(item, world.chain.ask(item["method"], *item["params"])),
            }
            for item in batch
        ]

    return http(answer)


def in_logs(change: Callable[[list[dict[str, Any]]], Any]) -> Twist:
    return lambda item, result: change(result) if item["method"] == "eth_getLogs" else result


def owner_is(owner: str) -> Twist:
    def twist(item: Mapping[str, Any], result: Any) -> Any:
        asks = item["method"] == "eth_call" and item["params"][0]["data"].startswith("0x8733d4e8")
        return "0x" + bytes.fromhex(owner[2:]).rjust(32, b"\0").hex() if asks else result

    return twist


LIES: dict[str, Twist] = {
    "keeps all events back": in_logs(lambda logs: []),
    "keeps the first event of a block back": in_logs(lambda logs: logs[1:]),
    "tells events twice": in_logs(lambda logs: logs * 2),
    "tells no list": in_logs(lambda logs: {"logs": logs}),
    "tells too many": in_logs(lambda logs: logs * 500),
    "another contract's": in_logs(lambda logs: [{**log, "address": "0x" + "12" * 20} for log in logs]),
    "another identity's": in_logs(
        lambda logs: [{**log, "topics": [log["topics"][0], "0x" + "12" * 32]} for log in logs]
    ),
    "another block's": in_logs(lambda logs: [{**log, "blockNumber": "0x1"} for log in logs]),
    "taken back": in_logs(lambda logs: [{**log, "removed": True} for log in logs]),
    "cut off": in_logs(lambda logs: [{**log, "data": log["data"][:-64]} for log in logs]),
    "no hex": in_logs(lambda logs: [{**log, "data": "0xzz"} for log in logs]),
    "no entry": in_logs(lambda logs: ["log"]),
    "another owner": owner_is("0x" + "12" * 20),
    "a block of tomorrow": lambda item, result: (
        "0x" + "00" * 24 + "ff" * 8
        if item["method"] == "eth_call" and item["params"][0]["data"].startswith("0xf96d0f9f")
        else result
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_server_that_lies_is_not_believed(world: World, serving: Any, lie: Twist) -> None:
    _, raw = new_key()
    world.add_key(raw)
    names = [b"did/pub/Secp256k1/sigAuth/hex"] * 2
    world.send("setAttributes(address,bytes32[],bytes[],uint256)", names, [raw, raw], DAY)
    world.chain.finalize()
    async with serving(lying(world, lambda item, result: result)) as server:
        assert isinstance(await look(world, url=f"http://{server.place}"), Document)
    async with serving(lying(world, lie)) as server:
        found = await look(world, url=f"http://{server.place}")
    assert isinstance(found, Refusal)
    assert found.reason is Reason.UNRESOLVABLE


async def test_a_server_that_hangs_refuses_or_is_away(world: World, serving: Any) -> None:
    async def hangs(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    def no_history(batch: list[dict[str, Any]]) -> Any:
        if batch[0]["method"] == "eth_getLogs":
            return [{"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "history is pruned"}}]
        return json.loads(json.dumps([
            {"jsonrpc": "2.0", "id": item["id"], "result": world.chain.ask(item["method"], *item["params"])}
            for item in batch
        ]))  # fmt: skip

    world.add_key(new_key()[1])
    world.chain.finalize()
    for habit in (hangs, http(no_history)):
        async with serving(habit) as server:
            found = await look(world, url=f"http://{server.place}", deadline=0.5)
            assert isinstance(found, Refusal)
            assert found.reason is Reason.UNRESOLVABLE
    away = await look(world, url=f"http://{server.place}")  # it listens no longer
    assert isinstance(away, Refusal)


async def test_an_answer_is_remembered_for_a_while(world: World) -> None:
    moment = [1000.0]
    world.chain.finalize()
    async with resolving(world, clock=lambda: moment[0]) as resolver:
        before = await resolver.resolve(world.did)
        world.owned_by(world.chain.people[5])
        world.chain.finalize()
        assert await resolver.resolve(world.did) == before
        moment[0] += 301
        assert await resolver.resolve(world.did) != before


async def login(resolver: DidResolver, database: Database, signer: Signer) -> DidLoggedIn | LoginRefusal:
    door = DidLogin(LoginDesk(database, Sessions(database, seconds=60)), resolver, "https://mail.waxseal.test")
    challenge = await door.challenge("browser", "192.0.2.7")
    assert not isinstance(challenge, LoginRefusal)
    did = str(signer.did)
    claims = {"iss": did, "sub": did, "aud": challenge.audience, "nonce": challenge.nonce}
    return await door.verify(signer.sign(claims, "JWT"), "browser", "192.0.2.7")


async def test_a_key_of_the_registry_logs_in_until_it_is_revoked_or_the_chain_is_away(
    world: World, tmp_path: Any
) -> None:
    key, raw = new_key()
    world.add_key(raw)
    world.chain.finalize()

    def work(tx: Writing) -> Account:
        domains.add(tx, "waxseal.test")
        account = accounts.add(tx, parse_address("alice@waxseal.test"), "Alice")
        accounts.bind(tx, account.id, str(world.did).upper().replace("DID:ETHR", "did:ethr"))
        return account

    async with Database.open(tmp_path / "node.sqlite") as database:
        alice = await database.write(work)
        signer = Signer(world.did, "delegate-1", key)
        async with resolving(world) as resolver:
            found = await login(resolver, database, signer)
            stranger = await login(resolver, database, Signer(world.did, "delegate-1", new_key()[0]))
            controller = await login(resolver, database, Signer(world.did, "controller", key))
        assert isinstance(found, DidLoggedIn)
        assert found.account == alice
        async with resolving(world, url="http://127.0.0.1:9") as resolver:
            away = await login(resolver, database, signer)
        world.send("revokeAttribute(address,bytes32,bytes)", b"did/pub/Secp256k1/sigAuth/hex", raw)
        world.chain.finalize()
        async with resolving(world) as resolver:
            revoked = await login(resolver, database, signer)
        for refused in (stranger, controller, away, revoked):
            assert isinstance(refused, LoginRefusal)
            assert refused.reason is LoginReason.NOT_PROVED
