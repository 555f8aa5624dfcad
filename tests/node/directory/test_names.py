"""Mail for names of ENS: a real chain, a real store, and the way a message takes from RCPT to the mailbox."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from identity import ens
from node.anchor.log import Log
from node.base import metrics
from node.base.address import parse_address
from node.base.config_chains import Chains
from node.base.config_names import Ens
from node.base.errors import Temporary
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel, Subject
from node.directory import names as names_module
from node.directory.names import Names
from node.directory.names_first import NamesFirst
from node.directory.resolve import Foreign, Local, StoredDirectory, Unknown, resolve
from node.flow.accept import Accept
from node.flow.premises import Premises
from node.flow.reception import Session, Transaction
from node.net.chain.ens import EnsReader
from node.net.chain.reader import open_readers
from node.store import accounts, domains, mailboxes
from node.store.blobs import Blobs
from node.store.database import Database, Reading, Writing
from node.store.domains import Domain

pytestmark = pytest.mark.anyio
CHAIN = "eip155:31337"


@dataclass
class House:
    """Ann and Bob with their wallets; `now` is the clock, `server` what answers for the chain."""

    chain: Any
    database: Database
    directory: NamesFirst
    now: list[float]
    registry: str
    resolver: str

    async def who(self, text: str) -> str:
        found = await self.directory.resolve(parse_address(text))
        if isinstance(found, Local):
            # What the transaction that delivers will find.
            assert await self.database.read(lambda tx: resolve(tx, parse_address(text))) == found
            return found.account.address
        return {Unknown: "unknown", Foreign: "foreign"}[type(found)]

    def point(self, name: str, address: str) -> None:
        self.chain.send(self.registry, "setResolver(bytes32,address)", ens.namehash(name), self.resolver)
        self.chain.send(self.resolver, "setAddr(bytes32,address)", ens.namehash(name), address)
        self.chain.finalize()
        self.now[0] = max(self.now[0], chain_time(self.chain))


def chain_time(chain: Any) -> float:
    return float(int(chain.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16))


@asynccontextmanager
async def opened(folder: Path, chain: Any, url: str = "", **settings: Any) -> AsyncIterator[House]:
    registry, resolver = chain.deploy("EnsRegistry"), chain.deploy("EnsResolver")
    chain.finalize()
    chains = Chains(rpc={CHAIN: url or chain.url}, deadline_seconds=2, oldest_block_minutes=10**6)
    async with Database.open(folder / "node.sqlite") as database, open_readers(chains, 0) as readers:

        def people(tx: Writing) -> None:
            for name in ("waxseal.test", "other.test"):
                domains.add(tx, name)
            for number, person in ((1, "ann"), (2, "bob")):
                account = accounts.add(tx, parse_address(f"{person}@waxseal.test"))
                accounts.bind(tx, account.id, f"eip155:{chain.people[number].lower()}")
            cyd = accounts.add(tx, parse_address("cyd@waxseal.test"))  # a contract wallet, bound with its chain
            accounts.bind(tx, cyd.id, f"{CHAIN}:{chain.people[3].lower()}")

        await database.write(people)
        now = [chain_time(chain)]
        asker = EnsReader(readers[CHAIN], bytes.fromhex(registry[2:]))
        looked = Names(database, asker, Ens(enabled=True, chain=CHAIN, **settings), clock=lambda: now[0])
        # No directory may remember: whose mail it is, is asked anew each time.
        stored = StoredDirectory(database, lambda: time.monotonic() * 1e9)
        yield House(chain, database, NamesFirst(stored, looked), now, registry, resolver)


@pytest.fixture
async def house(tmp_path: Path, token_chain: Any) -> AsyncIterator[House]:
    async with opened(tmp_path, token_chain) as made:
        yield made


async def test_a_name_reaches_whoever_holds_it_at_every_domain_of_ours(house: House) -> None:
    house.point("alice.eth", house.chain.people[1])
    house.point("cyd.eth", house.chain.people[3])
    for text in (
        "alice.eth@waxseal.test",
        "ALICE.eth@waxseal.test",
        "alice.eth+tag@waxseal.test",
        "Alice.ETH@other.test",
    ):
        assert await house.who(text) == "ann@waxseal.test"
    assert await house.who("cyd.eth@waxseal.test") == "cyd@waxseal.test"
    assert await house.who("alice.eth@elsewhere.example") == "foreign"


@pytest.mark.parametrize("local", ["аlice.eth", "ali\u200dce.eth", "alicе.eth", "αlice.eth", "a_lice.eth"])
async def test_what_only_looks_like_a_name_reaches_nobody(house: House, local: str) -> None:
    house.point("alice.eth", house.chain.people[1])
    assert await house.who(f"{local}@waxseal.test") == "unknown"


async def test_when_a_name_moves_new_mail_follows_once_the_answer_is_old(house: House) -> None:
    house.point("alice.eth", house.chain.people[1])
    assert await house.who("alice.eth@waxseal.test") == "ann@waxseal.test"
    house.point("alice.eth", house.chain.people[2])
    assert await house.who("alice.eth@waxseal.test") == "ann@waxseal.test"  # looked up a moment ago
    house.now[0] += 601
    assert await house.who("alice.eth@waxseal.test") == "bob@waxseal.test"
    house.point("alice.eth", house.chain.people[7])  # somebody without a mailbox here
    house.now[0] += 601
    assert await house.who("alice.eth@waxseal.test") == "unknown"
    house.point("alice.eth", "0x" + "00" * 20)
    house.now[0] += 61
    assert await house.who("alice.eth@waxseal.test") == "unknown"


async def test_a_mailbox_of_that_very_name_comes_first_and_asks_no_chain(house: House) -> None:
    house.point("alice.eth", house.chain.people[1])
    await house.database.write(lambda tx: accounts.add(tx, parse_address("alice.eth@waxseal.test")))
    assert await house.who("alice.eth@waxseal.test") == "alice.eth@waxseal.test"


async def test_a_name_comes_before_a_catch_all(house: House) -> None:
    house.point("alice.eth", house.chain.people[1])
    await house.database.write(lambda tx: domains.put(tx, Domain("waxseal.test", catch_all="bob@waxseal.test")))
    assert await house.who("nobody@waxseal.test") == "bob@waxseal.test"
    assert await house.who("alice.eth@waxseal.test") == "ann@waxseal.test"


class Road:
    """The way to the chain's server; shut, it hangs."""

    def __init__(self, url: str) -> None:
        self.open, self._port = True, int(url.rpartition(":")[2])

    async def travel(self, stream: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", self._port) as server, trio.open_nursery() as nursery:

            async def back() -> None:
                async for data in server:
                    await stream.send_all(data)
                nursery.cancel_scope.cancel()

            nursery.start_soon(back)
            async for data in stream:
                if not self.open:
                    await trio.sleep_forever()
                await server.send_all(data)
            nursery.cancel_scope.cancel()


async def test_while_the_chain_hangs_known_names_count_on_and_others_wait(
    tmp_path: Path, token_chain: Any, serving: Any
) -> None:
    road = Road(token_chain.url)
    async with (
        serving(road.travel) as server,
        opened(tmp_path, token_chain, f"http://{server.place}", stale_hours=2) as house,
    ):
        house.point("alice.eth", token_chain.people[1])
        house.point("bob.eth", token_chain.people[2])
        assert await house.who("alice.eth@waxseal.test") == "ann@waxseal.test"
        road.open = False
        with pytest.raises(Temporary):
            await house.who("bob.eth@waxseal.test")
        house.now[0] += 3600
        assert await house.who("alice.eth@waxseal.test") == "ann@waxseal.test"
        assert await house.who("ann@waxseal.test") == "ann@waxseal.test"  # other mail does not care
        house.now[0] += 3601
        with pytest.raises(Temporary):
            await house.who("alice.eth@waxseal.test")
        road.open = True
        assert await house.who("bob.eth@waxseal.test") == "bob@waxseal.test"


@dataclass
class _Fine:
    async def content(self, subject: Subject) -> Opinion:
        return Opinion(Reason.FINE, "ham", 0.1)


async def test_old_mail_stays_with_whoever_held_the_name(house: House, tmp_path: Path) -> None:
    blobs = Blobs(house.database, tmp_path)
    premises = Premises("mx.waxseal.test", house.database, blobs, house.directory, Log(), tmp_path)
    accept = Accept(premises, Panel((_Fine(),)))
    to = parse_address("alice.eth@waxseal.test")

    async def write(subject: str) -> list[int]:
        session, transaction = (
            Session("s1", ("192.0.2.7", 4711), 25),
            Transaction(sender=parse_address("nora@a.example")),
        )
        replies = [await accept.recipient(session, transaction, to)]
        if replies[0].is_positive:
            transaction.recipients.append(to)
            incoming = premises.incoming()
            await incoming.write(f"From: nora@a.example\r\nSubject: {subject}\r\n\r\nhello\r\n".encode())
            replies.append(await accept.finish(session, transaction, incoming))
            await incoming.aclose()
        return [reply.code for reply in replies]

    def inboxes(tx: Reading) -> list[int]:
        found = [accounts.find(tx, parse_address(f"{name}@waxseal.test")) for name in ("ann", "bob")]
        boxes = [mailboxes.find(tx, person.id, "INBOX") for person in found if person]
        return [box.messages for box in boxes if box]

    house.point("alice.eth", house.chain.people[1])
    assert await write("first") == [250, 250]
    house.point("alice.eth", house.chain.people[2])
    house.now[0] += 601
    assert await write("second") == [250, 250]
    assert await house.database.read(inboxes) == [1, 1]
    house.point("alice.eth", house.chain.people[7])
    house.now[0] += 601
    assert await write("third") == [550]
    assert await house.database.read(inboxes) == [1, 1]


async def test_strangers_cannot_make_us_ask_without_end(house: House) -> None:
    asked = metrics.chain_requests.labels(CHAIN, "answered")
    before = asked._value.get()
    for number in range(int(names_module.BURST)):
        assert await house.who(f"x{number}.eth@waxseal.test") == "unknown"
    with pytest.raises(Temporary, match="too many names"):
        await house.who("onemore.eth@waxseal.test")
    spent = asked._value.get() - before
    assert await house.who("x0.eth@waxseal.test") == "unknown"  # remembered: nothing is asked
    assert asked._value.get() - before == spent
    house.now[0] += 1.5
    assert await house.who("onemore.eth@waxseal.test") == "unknown"


async def test_settings_are_read() -> None:
    assert json.loads(Ens().model_dump_json())["enabled"] is False
    with pytest.raises(ValueError, match="40 hex digits"):
        Ens(registry="ens.eth")
