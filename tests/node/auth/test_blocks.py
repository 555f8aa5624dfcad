"""Networks that attack are shut out for a growing time, with a real store; the owner and those attacked are told."""

from __future__ import annotations

import ipaddress

import pytest

from node.auth.app_passwords import AppPasswords
from node.auth.blocks import BLOCKED, FAILURES, Blocks, Policy
from node.auth.brake import Brake
from node.auth.challenges import Challenges, LoginDesk
from node.auth.contract_wallets import ContractWallets
from node.auth.gate import Gate, Reason, Refusal
from node.auth.sessions import Sessions
from node.auth.wallet import Challenge, WalletLogin
from node.auth.wallet_proof import WalletProofs, WalletSettings
from node.base.address import parse_address
from node.store import accounts, blocked_networks, roles, security_events
from node.store.accounts import Account
from node.store.database import Database
from node.store.roles import Role

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"
POLICY = Policy(failures=6, names=3, burst=4)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blocks(database: Database, clock: Clock) -> Blocks:
    return Blocks(database, POLICY, clock)


def attack(blocks: Blocks, network: str = PEER, names: int = 3, failures: int = 6) -> None:
    for number in range(failures):
        blocks.fail(network, f"person{number % names}@waxseal.test")


async def kinds(database: Database, account: Account) -> list[str]:
    return [event.kind for event in await database.read(lambda tx: security_events.recent(tx, account.id))]


@pytest.mark.parametrize(("names", "failures", "shut"), [(3, 6, True), (3, 5, False), (2, 500, False), (16, 6, True)])
async def test_many_failures_over_several_names_shut_a_network_out(
    blocks: Blocks, names: int, failures: int, shut: bool
) -> None:
    attack(blocks, names=names, failures=failures)
    refusal = blocks.refusal(PEER)
    assert (refusal is not None) is shut
    assert blocks.refusal("192.0.2.8") is None
    if refusal is not None:
        assert (refusal.reason, refusal.temporary, refusal.retry_after) == (Reason.BLOCKED_NETWORK, True, 900)


async def test_failures_that_lie_far_apart_do_not_add_up(blocks: Blocks, clock: Clock) -> None:
    attack(blocks, failures=5)
    clock.now += POLICY.window_seconds + 1
    attack(blocks, failures=5)
    assert blocks.refusal(PEER) is None


async def test_each_block_of_a_week_is_longer_and_there_is_an_end_to_it(blocks: Blocks, clock: Clock) -> None:
    lengths = []
    for _ in range(9):
        attack(blocks)
        refusal = blocks.refusal(PEER)
        assert refusal is not None
        lengths.append(refusal.retry_after)
        await blocks.sync()
        clock.now += refusal.retry_after
        assert blocks.refusal(PEER) is None
    assert lengths == [900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400]
    clock.now += blocked_networks.KEPT_SECONDS + 1
    attack(blocks, "198.51.100.1")
    await blocks.sync()  # what is a week old goes with the next block
    attack(blocks)
    assert blocks.refusal(PEER).retry_after == 900  # type: ignore[union-attr]


async def test_a_block_outlives_the_node_and_can_be_taken_away(
    blocks: Blocks, database: Database, clock: Clock
) -> None:
    attack(blocks)
    attack(blocks, "2001:db8::/64")
    await blocks.sync()
    again = Blocks(database, POLICY, clock)
    assert again.refusal(PEER) is None  # not looked yet
    await again.sync()
    assert again.refusal(PEER) is not None
    assert again.refusal("2001:db8::/64") is not None
    assert await database.write(lambda tx: blocked_networks.remove(tx, PEER))
    assert not await database.write(lambda tx: blocked_networks.remove(tx, PEER))
    await again.sync()
    assert again.refusal(PEER) is None
    assert again.refusal("2001:db8::/64") is not None


@pytest.mark.parametrize("network", ["127.0.0.1", "::/64", "10.1.2.3", "", "unix", "x" * 64])
async def test_some_networks_are_never_shut_out(database: Database, network: str) -> None:
    exempt = tuple(ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128", "10.0.0.0/8"))
    blocks = Blocks(database, Policy(failures=6, names=3, exempt=exempt))
    attack(blocks, network)
    assert blocks.refusal(network) is None


async def test_it_can_be_turned_off(database: Database) -> None:
    blocks = Blocks(database, Policy(enabled=False, failures=6, names=3))
    attack(blocks)
    assert blocks.refusal(PEER) is None


async def test_those_attacked_and_those_who_run_the_node_are_told(
    blocks: Blocks, database: Database, alice: Account
) -> None:
    bob, carol = await database.write(
        lambda tx: [accounts.add(tx, parse_address(f"{name}@waxseal.test")) for name in ("bob", "carol")]
    )
    await database.write(lambda tx: roles.give(tx, bob.id, Role.OWNER))
    for name in ("alice@waxseal.test", "nobody", "zoe@elsewhere.test") * 2:
        blocks.fail(PEER, name)
    await blocks.sync()
    await blocks.sync()  # said once
    assert await kinds(database, alice) == [BLOCKED]
    assert await kinds(database, bob) == [BLOCKED]
    assert await kinds(database, carol) == []


async def test_a_burst_on_one_name_from_everywhere_is_an_event(
    blocks: Blocks, database: Database, alice: Account
) -> None:
    for number in range(10):
        blocks.fail(f"198.51.100.{number}", "alice@waxseal.test")
    await blocks.sync()
    assert await kinds(database, alice) == [FAILURES]


async def test_memory_is_bounded(database: Database) -> None:
    blocks = Blocks(database, Policy(entries=100))
    for number in range(5_000):
        blocks.fail(f"10.0.{number // 250}.{number % 250}", f"{number}@waxseal.test")
    assert len(blocks._networks) == len(blocks._names) == 100


async def test_the_door_knows_and_who_was_here_before_still_gets_in(
    database: Database, alice: Account, clock: Clock
) -> None:
    gate = Gate(database, brake=Brake(Blocks(database, Policy(failures=3, names=3), clock)))
    made = await AppPasswords(database).create(alice, "phone", {"imap"})
    assert await gate.password(alice.address, made.password, "imap", PEER) == alice
    for name in ("a", "b", "c"):
        await gate.password(f"{name}@waxseal.test", "wrong", "imap", PEER)
    refused = await gate.password("bob@waxseal.test", made.password, "imap", PEER)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BLOCKED_NETWORK
    assert await gate.password(alice.address, made.password, "imap", PEER) == alice
    assert await gate.password(alice.address, made.password, "imap", "198.51.100.1") == alice


async def test_logins_by_signature_count_and_heed_the_same_list(database: Database, clock: Clock) -> None:
    blocks = Blocks(database, Policy(failures=4, names=3), clock)
    mail = Gate(database, brake=Brake(blocks))
    wallets, dids = Challenges(database, blocks), Challenges(database, blocks)

    async def no() -> Refusal:
        return Refusal(Reason.NOT_PROVED, False, "not by this key")

    async def later() -> Refusal:
        return Refusal(Reason.CHAIN_AWAY, True, "later")

    async def closed() -> Refusal:
        return Refusal(Reason.GATE_CLOSED, False, "holds no token")

    for number in range(4):  # what is nobody's guess is no failure
        await wallets.attempt("siwe", PEER, later, f"wallet {number}")
        await wallets.attempt("siwe", PEER, closed, f"wallet {number}")
    assert blocks.refusal(PEER) is None
    for name in ("0x01", "0x02"):
        await wallets.attempt("siwe", PEER, no, name)
    await mail.password("a@waxseal.test", "wrong", "imap", PEER)
    assert blocks.refusal(PEER) is None
    await dids.attempt("did", PEER, no, "did:key:z6Mk")
    judged = []

    async def never() -> str:
        judged.append("looked at")
        return "in"

    answers = [
        await wallets.attempt("siwe", PEER, never, "0x01"),
        await dids.attempt("did", PEER, never),
        await wallets.issue("siwe", "browser", PEER),
        await mail.password("b@waxseal.test", "wrong", "imap", PEER),
    ]
    assert [answer.reason for answer in answers if isinstance(answer, Refusal)] == [Reason.BLOCKED_NETWORK] * 4
    assert not judged
    assert await wallets.attempt("siwe", "198.51.100.1", never, "0x01") == "in"


async def test_what_a_wallet_login_names_is_what_is_counted(database: Database, clock: Clock) -> None:
    blocks = Blocks(database, Policy(failures=3, names=3), clock)
    settings = WalletSettings("mail.waxseal.test", "https://mail.waxseal.test/login", frozenset({1}))
    proofs = WalletProofs(settings, ContractWallets({}), clock)
    login = WalletLogin(LoginDesk(database, Sessions(database, seconds=60), blocks, clock), proofs)
    for number in range(3):
        assert blocks.refusal(PEER) is None
        made = await login.challenge("browser", PEER)
        assert isinstance(made, Challenge)
        text = made.message(bytes([number]) * 20, 1)
        assert isinstance(await login.verify(text, "0x" + "11" * 65, "browser", PEER), Refusal)
    refused = await login.challenge("browser", PEER)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BLOCKED_NETWORK


async def test_roles(database: Database, alice: Account) -> None:
    assert await database.read(lambda tx: roles.of_account(tx, alice.id)) is None
    for role in (Role.ADMIN, Role.OWNER):
        await database.write(lambda tx, role=role: roles.give(tx, alice.id, role))
        assert await database.read(lambda tx: roles.of_account(tx, alice.id)) is role
    assert await database.write(lambda tx: roles.take(tx, alice.id))
    assert not await database.write(lambda tx: roles.take(tx, alice.id))
