"""Gates before real accounts, on a real chain that moves, is reorganised, and goes away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from identity.gates.rule import Wanted, parse_rule, write_rule
from identity.gates.verdict import Finding, Truth
from node.auth.app_passwords import AppPasswords
from node.auth.gate import Entry, Gate
from node.auth.gates.doorkeeper import Doorkeeper, explain
from node.auth.gates.evaluate import Evaluator
from node.auth.gates.holder import Holder, holder_of
from node.auth.guests import Guests
from node.auth.refusal import Reason, Refusal
from node.base import metrics
from node.base.address import parse_address
from node.base.config_chains import Chains
from node.net.chain.reader import open_readers
from node.store import accounts, domains, gates
from node.store.accounts import Account
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
CHAIN = "eip155:31337"
GRACE = 600.0
PEER = "192.0.2.7"


@dataclass
class House:
    """One account behind a gate; `now` is the doorkeeper's clock, `away` the way a chain's server fails."""

    database: Database
    ann: Account
    keeper: Doorkeeper
    guests: Guests
    now: list[float]
    evaluator: Evaluator

    async def gate(self, rule: Any, revoke: str = "finalized", target: str = "ann@waxseal.test") -> None:
        text = write_rule(parse_rule(json.dumps(rule)))
        await self.database.write(lambda tx: gates.put(tx, "login", target, text, revoke))

    async def login(self) -> Reason | None:
        refusal = await self.keeper.login(self.ann)
        assert refusal is None or isinstance(refusal.reason, Reason)
        return refusal.reason if refusal else None


class Detour:
    """A way to the chain's server that can be shut: connections are refused from then on."""

    def __init__(self, port: int) -> None:
        self.open = True
        self.batches = 0
        self._port = port

    async def handle(self, stream: trio.SocketStream) -> None:
        if not self.open:
            return
        async with stream, await trio.open_tcp_stream("127.0.0.1", self._port) as server:

            async def back(scope: trio.CancelScope) -> None:
                async for data in server:
                    await stream.send_all(data)
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(back, nursery.cancel_scope)
                async for data in stream:
                    if not self.open:
                        break
                    self.batches += data.count(b"POST ")
                    await server.send_all(data)
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def opened(path: Path, url: str, now: float, **options: Any) -> AsyncIterator[House]:
    async with Database.open(path / "node.sqlite") as database, open_readers(Chains(rpc={CHAIN: url}), 0) as readers:

        def people(tx: Writing) -> Account:
            domains.add(tx, "waxseal.test")
            return accounts.add(tx, parse_address("ann@waxseal.test"), "Ann")

        ann, clock = await database.write(people), [now]
        evaluator = Evaluator(readers, **options)
        keeper = Doorkeeper(database, evaluator, GRACE, clock=lambda: clock[0])
        yield House(database, ann, keeper, Guests(database, keeper, 3), clock, evaluator)


def chain_time(chain: Any) -> float:
    return float(int(chain.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16))


@pytest.fixture
async def house(tmp_path: Path, token_chain: Any) -> AsyncIterator[House]:
    async with opened(tmp_path, token_chain.url, chain_time(token_chain)) as made:
        wallet = token_chain.people[1].lower()
        await made.database.write(lambda tx: accounts.bind(tx, made.ann.id, f"eip155:{wallet}"))
        yield made


@pytest.fixture
async def detour(token_chain: Any) -> AsyncIterator[tuple[Detour, str]]:
    way = Detour(int(token_chain.url.rpartition(":")[2]))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, way.handle, 0)
        port = next(one.socket.getsockname()[1] for one in listeners)
        yield way, f"http://localhost:{port}"
        nursery.cancel_scope.cancel()


def ticket_rule(chain: Any, number: int | None = None) -> dict[str, Any]:
    """A rule for a new contract, which is final."""
    rule = {"chain": CHAIN, "standard": "erc721", "contract": chain.deploy("Ticket")}
    chain.finalize()
    return rule if number is None else {**rule, "id": number}


async def test_no_gate_lets_everybody_in(house: House) -> None:
    assert await house.login() is None


async def test_a_token_counts_once_it_is_final_and_until_its_loss_is(house: House, token_chain: Any) -> None:
    ann, bob = token_chain.people[1:3]
    rule = ticket_rule(token_chain)
    await house.gate(rule)
    token_chain.send(rule["contract"], "mint(address,uint256)", ann, 1)
    assert await house.login() is Reason.GATE_CLOSED  # held, but not finally
    token_chain.finalize()
    assert await house.login() is None
    token_chain.send(rule["contract"], "transferFrom(address,address,uint256)", ann, bob, 1, sender=ann)
    assert await house.login() is None  # the loss is not final either
    await house.gate(rule, "latest")
    refusal = await house.keeper.login(house.ann)
    assert refusal is not None
    assert (refusal.reason, refusal.temporary) == (Reason.GATE_CLOSED, False)
    assert rule["contract"] in refusal.words
    await house.gate(rule)
    token_chain.finalize()
    assert await house.login() is Reason.GATE_CLOSED


async def test_every_standard_and_all_wallets_together(house: House, token_chain: Any) -> None:
    ann, other = token_chain.people[1], token_chain.people[3]
    coin, ticket, badge = token_chain.deploy("Coin", 6), token_chain.deploy("Ticket"), token_chain.deploy("Badge")
    token_chain.send(coin, "mint(address,uint256)", ann, 1_000_000)
    token_chain.send(coin, "mint(address,uint256)", other, 500_000)
    token_chain.send(ticket, "mint(address,uint256)", other, 7)
    token_chain.send(badge, "mint(address,uint256,uint256)", ann, 9, 3)
    token_chain.finalize()
    rule = {
        "all": [
            {"chain": CHAIN, "standard": "erc20", "contract": coin, "min": "1.5"},
            {"chain": CHAIN, "standard": "erc721", "contract": ticket, "id": 7},
            {"chain": CHAIN, "standard": "erc1155", "contract": badge, "id": 9, "min": 3},
            {"chain": CHAIN, "standard": "native", "min": "15000"},
            {"not": {"chain": CHAIN, "standard": "erc721", "contract": ticket, "id": 8}},
            {"any": [{"group": "nobody"}, {"did": f"did:pkh:{CHAIN}:{ann}"}]},
        ]
    }
    await house.gate(rule, "latest")
    assert await house.login() is Reason.GATE_CLOSED
    await house.database.write(lambda tx: accounts.bind(tx, house.ann.id, f"eip155:{other.lower()}"))
    assert await house.login() is None
    holder = await house.database.read(lambda tx: holder_of(tx, house.ann.id))
    judgement = await house.evaluator.judge(parse_rule(json.dumps(rule)), "latest", holder, house.now[0])
    lines = [line.split("\t") for line in explain(judgement)]
    assert [line[0] for line in lines] == ["finalized"] * 8 + ["latest"] * 8
    assert [line[2] for line in lines[:8]] == ["yes", "yes", "yes", "yes", "no", "unknown", "yes", "yes"]
    assert lines[0][4] == "holds 1.5, needs 1.5"
    assert all(line[1].isdigit() for line in lines[:5])


@pytest.mark.parametrize(
    ("habit", "answer"), [(0, b""), (0, b"\1" * 31), (0, b"\1" * 64), (1, b""), (2, b""), (3, b"")]
)
async def test_a_contract_that_does_not_answer_lets_nobody_in(
    house: House, token_chain: Any, habit: int, answer: bytes
) -> None:
    odd = {"chain": CHAIN, "standard": "erc721", "contract": token_chain.deploy("Odd", habit, answer)}
    token_chain.finalize()
    for rule in (odd, {"not": odd}):
        await house.gate(rule)
        assert await house.login() is Reason.GATE_UNKNOWN
    await house.gate({"any": [odd, {"chain": CHAIN, "standard": "native", "min": 1}]})
    assert await house.login() is None


async def test_the_greatest_number_is_a_number(house: House, token_chain: Any) -> None:
    most = (1 << 256) - 1
    odd = token_chain.deploy("Odd", 0, most.to_bytes(32, "big"))
    token_chain.finalize()
    await house.gate({"chain": CHAIN, "standard": "erc20", "contract": odd, "min": 1})
    assert await house.login() is Reason.GATE_UNKNOWN  # its decimals cannot be
    await house.gate({"chain": CHAIN, "standard": "erc20", "contract": odd, "min": 1, "decimals": 18})
    assert await house.login() is None


async def test_a_contract_that_lies_about_its_decimals_changes_nothing_where_they_are_pinned(
    house: House, token_chain: Any
) -> None:
    coin = token_chain.deploy("Coin", 0)  # says 0, so that one base unit would be a whole coin
    token_chain.send(coin, "mint(address,uint256)", token_chain.people[1], 1)
    token_chain.finalize()
    rule = {"chain": CHAIN, "standard": "erc20", "contract": coin, "min": 1}
    await house.gate(rule)
    assert await house.login() is None
    await house.gate({**rule, "decimals": 18})
    assert await house.login() is Reason.GATE_CLOSED


async def test_a_domains_gate_speaks_for_its_addresses(house: House, token_chain: Any) -> None:
    closed = ticket_rule(token_chain)
    token_chain.finalize()
    await house.gate(closed, target="waxseal.test")
    assert await house.login() is Reason.GATE_CLOSED
    await house.gate({"chain": CHAIN, "standard": "native", "min": 1})
    assert await house.login() is None


async def test_newcomers_meet_the_gate_for_signing_up(house: House, token_chain: Any) -> None:
    rule = write_rule(parse_rule(json.dumps(ticket_rule(token_chain, 1))))
    token_chain.send(json.loads(rule)["contract"], "mint(address,uint256)", token_chain.people[4], 1)
    token_chain.finalize()
    rich, poor = (Holder(None, (f"eip155:{token_chain.people[n].lower()}",)) for n in (4, 5))
    assert await house.keeper.signup("waxseal.test", poor) is None
    await house.database.write(lambda tx: gates.put(tx, "signup", "waxseal.test", rule, "latest"))
    assert await house.keeper.signup("waxseal.test", rich) is None
    refusal = await house.keeper.signup("waxseal.test", poor)
    assert refusal is not None
    assert "does not hold" in refusal.words


async def test_the_last_good_answer_holds_for_the_time_of_grace(
    house: House, token_chain: Any, tmp_path: Path, detour: tuple[Detour, str]
) -> None:
    way, url = detour
    rule = ticket_rule(token_chain)
    token_chain.send(rule["contract"], "mint(address,uint256)", token_chain.people[1], 1)
    token_chain.finalize()
    (tmp_path / "away").mkdir()
    async with opened(tmp_path / "away", url, chain_time(token_chain)) as away:
        await away.gate(rule)
        way.open = False
        assert await away.login() is Reason.GATE_UNKNOWN  # never passed: no grace
        way.open = True
        subject = f"eip155:{token_chain.people[1].lower()}"
        await away.database.write(lambda tx: accounts.bind(tx, away.ann.id, subject))
        assert await away.login() is None
        way.open = False
        away.now[0] += GRACE
        assert await away.login() is None
        away.now[0] += 1
        assert await away.login() is Reason.GATE_UNKNOWN
        way.open = True
        assert await away.login() is None
        way.open = False
        await away.gate({**rule, "min": 2})  # another rule: what was good for the old one counts no more
        assert await away.login() is Reason.GATE_UNKNOWN


async def test_a_chain_without_a_server_is_no_passing_trouble(house: House, token_chain: Any) -> None:
    await house.gate({"chain": CHAIN, "standard": "native", "min": 1})
    assert await house.login() is None
    without = Doorkeeper(house.database, Evaluator({}), GRACE, clock=lambda: house.now[0])
    refusal = await without.login(house.ann)
    assert refusal is not None
    assert refusal.reason is Reason.GATE_UNKNOWN


async def test_grace_survives_a_restart_and_ends_with_a_no(
    house: House, token_chain: Any, tmp_path: Path, detour: tuple[Detour, str]
) -> None:
    way, url = detour
    ann, bob = token_chain.people[1:3]
    rule = ticket_rule(token_chain)
    token_chain.send(rule["contract"], "mint(address,uint256)", ann, 1)
    token_chain.finalize()
    await house.gate(rule)
    assert await house.login() is None
    async with open_readers(Chains(rpc={CHAIN: url}), 0) as readers:
        other = Doorkeeper(house.database, Evaluator(readers), GRACE, clock=lambda: house.now[0])
        way.open = False
        assert await other.login(house.ann) is None
        token_chain.send(rule["contract"], "transferFrom(address,address,uint256)", ann, bob, 1, sender=ann)
        token_chain.finalize()
        assert await house.login() is Reason.GATE_CLOSED  # noted for all
        refusal = await other.login(house.ann)
        assert refusal is not None
        assert refusal.reason is Reason.GATE_UNKNOWN


async def test_what_a_chain_said_of_a_block_is_not_asked_again(
    token_chain: Any, tmp_path: Path, detour: tuple[Detour, str]
) -> None:
    way, url = detour
    rule = ticket_rule(token_chain)
    token_chain.finalize()
    async with opened(tmp_path, url, chain_time(token_chain)) as house:
        await house.gate(rule)
        subject = f"eip155:{token_chain.people[1].lower()}"
        await house.database.write(lambda tx: accounts.bind(tx, house.ann.id, subject))
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(house.login)
        asked = way.batches
        assert await house.login() is Reason.GATE_CLOSED
        assert way.batches == asked + 1  # the head alone
        token_chain.ask("anvil_mine", "0x1")
        assert await house.login() is Reason.GATE_CLOSED
        assert way.batches == asked + 3  # a new block: the head, and the question


async def test_a_reorganisation_takes_a_token_back(house: House, token_chain: Any) -> None:
    ann = token_chain.people[1]
    rule = ticket_rule(token_chain)
    token_chain.finalize()
    bob = token_chain.people[2]
    token_chain.send(rule["contract"], "mint(address,uint256)", ann, 1)
    token_chain.finalize()
    await house.gate(rule, "latest")
    token_chain.send(rule["contract"], "transferFrom(address,address,uint256)", ann, bob, 1, sender=ann)
    assert await house.login() is Reason.GATE_CLOSED
    token_chain.ask("anvil_reorg", 1, [])  # the transfer never was
    assert await house.login() is None


class Known:
    """Evidence as another part of the node gives it."""

    async def credential(self, holder: Holder, wanted: Wanted) -> Finding:
        return Finding(Truth.YES if wanted.type == "Member" else Truth.NO, "shown")

    async def group(self, holder: Holder, name: str) -> Finding:
        return Finding(Truth.UNKNOWN, "the directory is away", passing=True)


async def test_evidence_beside_chains(tmp_path: Path, token_chain: Any) -> None:
    async with opened(tmp_path, token_chain.url, 0, evidence=Known()) as house:
        credential = {"credential": {"issuer": "did:web:a.example", "type": "Member"}}
        await house.gate(credential)
        assert await house.login() is None
        await house.gate({"all": [credential, {"group": "staff"}]})
        assert await house.login() is Reason.GATE_UNKNOWN
        await house.gate({"did": "did:web:b.example"})
        assert await house.login() is Reason.GATE_CLOSED
        await house.database.write(lambda tx: accounts.bind(tx, house.ann.id, "did:web:b.example"))
        assert await house.login() is None


async def test_only_right_credentials_learn_of_a_gate(house: House, token_chain: Any) -> None:
    gate = Gate(house.database, house.keeper)
    made = await AppPasswords(house.database).create(house.ann, "phone", {"imap"})
    await house.gate(ticket_rule(token_chain))
    token_chain.finalize()
    wrong = await gate.enter(house.ann.address, "wrong", "imap", PEER)
    right = await gate.enter(house.ann.address, made.password, "imap", PEER)
    assert isinstance(wrong, Refusal)
    assert wrong.reason is Reason.BAD_CREDENTIALS
    assert isinstance(right, Refusal)
    assert right.reason is Reason.GATE_CLOSED
    assert "does not hold" in right.words


async def test_open_sessions_end_when_what_let_them_in_is_gone(house: House, token_chain: Any) -> None:
    ann, bob = token_chain.people[1:3]
    rule = ticket_rule(token_chain)
    token_chain.send(rule["contract"], "mint(address,uint256)", ann, 1)
    token_chain.finalize()
    await house.gate(rule, "latest")
    gate, passwords = Gate(house.database, house.keeper), AppPasswords(house.database)
    entries = []
    for name in ("phone", "laptop"):
        made = await passwords.create(house.ann, name, {"imap"})
        entry = await gate.enter(house.ann.address, made.password, "imap", PEER)
        assert isinstance(entry, Entry)
        entries.append(entry)
    ended: list[tuple[str, Refusal]] = []
    phone, laptop = entries

    def end(name: str) -> Any:
        return lambda refusal: ended.append((name, refusal))

    with house.guests.enter(phone, "imap", end("phone")), house.guests.enter(laptop, "imap", end("laptop")):
        await house.guests.go_round()
        assert ended == []
        await passwords.revoke(house.ann, phone.app_password.id)
        await house.guests.go_round()
        assert [(name, refusal.reason) for name, refusal in ended] == [("phone", Reason.BAD_CREDENTIALS)]
        token_chain.send(rule["contract"], "transferFrom(address,address,uint256)", ann, bob, 1, sender=ann)
        ended.clear()
        before = metrics.sessions_ended.labels("gate-closed")._value.get()
        await house.guests.go_round()
        assert sorted((name, refusal.reason) for name, refusal in ended) == [
            ("laptop", Reason.GATE_CLOSED),
            ("phone", Reason.BAD_CREDENTIALS),
        ]
        assert metrics.sessions_ended.labels("gate-closed")._value.get() == before + 1
        assert await house.guests.check(laptop, "imap") is not None
    ended.clear()
    await house.guests.go_round()
    assert ended == []  # nobody is inside
