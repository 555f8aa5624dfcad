"""SCRAM at the door, with a real store; scramp is the client."""

from __future__ import annotations

import base64

import pytest
import trio
from scramp import ScramClient

from identity.refusal import Reason as IdentityReason
from identity.scram import MECHANISM, PLUS
from node.auth import scram_keys
from node.auth.app_passwords import MAX_PER_ACCOUNT, AppPasswords
from node.auth.gate import Gate, Reason
from node.auth.refusal import Refusal
from node.auth.scram_login import Passed, ScramExchange, ScramLogin, mechanisms
from node.base.address import parse_address
from node.store import accounts, app_passwords
from node.store.accounts import Account
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"
NONE: dict[str, bytes] = {}
UNIQUE = {"tls-unique": b"\x11" * 12}


@pytest.fixture
def gate(database: Database) -> Gate:
    return Gate(database)


@pytest.fixture
def login(database: Database, gate: Gate) -> ScramLogin:
    return ScramLogin(database, gate)


@pytest.fixture
async def password(database: Database, alice: Account) -> str:
    return (await AppPasswords(database).create(alice, "phone", {"imap", "smtp"})).password


async def talk(
    login: ScramLogin,
    name: str,
    password: str,
    *,
    bindings: dict[str, bytes] = NONE,
    mechanism: str = MECHANISM,
    scope: str = "imap",
    peer: str = PEER,
) -> Passed | Refusal:
    """A whole login, as scramp does it; it checks the server's last word."""
    binding = ("tls-unique", bindings["tls-unique"]) if mechanism == PLUS else None
    client = ScramClient([mechanism], name, password, channel_binding=binding)
    exchange = await login.begin(mechanism, client.get_client_first().encode(), scope, peer, bindings)  # type: ignore[arg-type]
    if isinstance(exchange, Refusal):
        return exchange
    client.set_server_first(exchange.challenge.decode())
    passed = await exchange.finish(client.get_client_final().encode())
    if isinstance(passed, Passed):
        client.set_server_final(passed.words.decode())
    return passed


def reason(result: object) -> object:
    return result.reason if isinstance(result, Refusal) else None


async def salt(login: ScramLogin, name: str) -> str:
    exchange = await login.begin(MECHANISM, f"n,,n={name},r=clientnonce".encode(), "imap", PEER, NONE)
    assert isinstance(exchange, ScramExchange)
    return exchange.challenge.decode().partition(",s=")[2]


async def test_an_app_password_opens_as_it_was_shown_and_without_hyphens(
    login: ScramLogin, alice: Account, password: str
) -> None:
    for typed in (password, password.replace("-", "")):
        passed = await talk(login, "ALICE@waxseal.test", typed)
        assert isinstance(passed, Passed)
        assert passed.entry.account == alice
        assert passed.entry.app_password.name == "phone"
    for typed in (password.upper(), password.replace("-", " "), password[:-1], "pencil"):
        assert reason(await talk(login, alice.address, typed)) is Reason.BAD_CREDENTIALS


async def test_every_app_password_of_an_account_opens_and_says_which_it_is(
    login: ScramLogin, database: Database, alice: Account
) -> None:
    made = [await AppPasswords(database).create(alice, f"client {number}", {"imap"}) for number in range(4)]
    for one in made:
        passed = await talk(login, alice.address, one.password)
        assert isinstance(passed, Passed)
        assert passed.entry.app_password.id == one.row.id


async def test_the_channel_is_bound(login: ScramLogin, alice: Account, password: str) -> None:
    assert mechanisms(NONE) == (MECHANISM,)
    assert mechanisms(UNIQUE) == (PLUS, MECHANISM)
    passed = await talk(login, alice.address, password, bindings=UNIQUE, mechanism=PLUS)
    assert isinstance(passed, Passed)
    client = ScramClient([PLUS], alice.address, password, channel_binding=("tls-unique", b"\x22" * 12))
    exchange = await login.begin(PLUS, client.get_client_first().encode(), "imap", PEER, UNIQUE)
    assert isinstance(exchange, ScramExchange)
    client.set_server_first(exchange.challenge.decode())
    assert reason(await exchange.finish(client.get_client_final().encode())) is Reason.BAD_CREDENTIALS


@pytest.mark.parametrize(
    ("message", "mechanism", "bindings"),
    [
        (b"", MECHANISM, NONE),
        (b"\xff\xfe", MECHANISM, NONE),
        (b"n,,n=alice@waxseal.test,r=clientnonce" + b"x" * 5000, MECHANISM, NONE),
        (b"y,,n=alice@waxseal.test,r=clientnonce", MECHANISM, UNIQUE),  # -PLUS was hidden from the client
        (b"n,,n=alice@waxseal.test,r=clientnonce", PLUS, UNIQUE),
        (b"p=tls-exporter,,n=alice@waxseal.test,r=clientnonce", PLUS, UNIQUE),
        (b"p=tls-unique,,n=alice@waxseal.test,r=clientnonce", PLUS, NONE),
    ],
)
async def test_a_wrong_first_message_is_refused(
    login: ScramLogin, message: bytes, mechanism: str, bindings: dict[str, bytes]
) -> None:
    assert reason(await login.begin(mechanism, message, "imap", PEER, bindings)) is IdentityReason.MALFORMED


async def test_nobody_acts_for_others(login: ScramLogin) -> None:
    first = b"n,a=bob@waxseal.test,n=alice@waxseal.test,r=clientnonce"
    assert reason(await login.begin(MECHANISM, first, "imap", PEER, NONE)) is Reason.WRONG_SCOPE
    same = b"n,a=Alice@waxseal.test,n=alice@waxseal.test,r=clientnonce"
    assert isinstance(await login.begin(MECHANISM, same, "imap", PEER, NONE), ScramExchange)


async def test_strangers_cannot_tell_who_has_an_account(
    login: ScramLogin, database: Database, alice: Account, password: str
) -> None:
    strangers = ["bob@waxseal.test", "nobody@elsewhere.test", "no address"]
    salts = {name: await salt(login, name) for name in [*strangers, "alice@waxseal.test"]}
    assert len(set(salts.values())) == 4
    again = ScramLogin(database, Gate(database))  # the node starts anew
    assert {name: await salt(again, name) for name in salts} == salts
    for name in strangers:
        refusal = await talk(again, name, password)
        assert refusal == await talk(again, "alice@waxseal.test", "wrong")


async def test_the_salt_of_a_name_does_not_change_when_it_gets_an_app_password_or_loses_the_last(
    login: ScramLogin, database: Database, alice: Account
) -> None:
    before = await salt(login, "alice@waxseal.test")
    made = await AppPasswords(database).create(alice, "phone", {"imap"})
    assert await salt(login, "alice@waxseal.test") == before
    await AppPasswords(database).revoke(alice, made.row.id)
    assert await salt(login, "alice@waxseal.test") == before
    assert reason(await talk(login, alice.address, made.password)) is Reason.BAD_CREDENTIALS


async def test_an_app_password_made_before_there_were_keys_gets_them_when_it_is_sent(
    login: ScramLogin, gate: Gate, database: Database, alice: Account, password: str
) -> None:
    row = (await AppPasswords(database).listing(alice))[0]

    def age(tx: Writing) -> None:
        app_passwords.revoke(tx, alice.id, row.id)
        app_passwords.add(tx, alice.id, row.name, row.scopes, row.hash)

    await database.write(age)
    assert reason(await talk(login, alice.address, password)) is Reason.BAD_CREDENTIALS
    before = await salt(login, alice.address)
    assert await gate.password(alice.address, password.replace("-", " ").upper(), "imap", PEER) == alice
    new = await AppPasswords(database).create(alice, "new", {"imap"})
    for typed in (password, password.replace("-", ""), new.password):
        assert isinstance(await talk(login, alice.address, typed), Passed)
    assert await salt(login, alice.address) == before


async def test_a_password_revoked_or_of_another_scope_is_refused(
    login: ScramLogin, database: Database, alice: Account
) -> None:
    made = await AppPasswords(database).create(alice, "reader", {"imap"})
    assert reason(await talk(login, alice.address, made.password, scope="smtp")) is Reason.WRONG_SCOPE
    client = ScramClient([MECHANISM], alice.address, made.password)
    exchange = await login.begin(MECHANISM, client.get_client_first().encode(), "imap", PEER, NONE)
    assert isinstance(exchange, ScramExchange)
    await AppPasswords(database).revoke(alice, made.row.id)  # between the two messages
    client.set_server_first(exchange.challenge.decode())
    assert reason(await exchange.finish(client.get_client_final().encode())) is Reason.BAD_CREDENTIALS


async def test_a_final_message_is_good_once_and_for_its_own_exchange(
    login: ScramLogin, alice: Account, password: str
) -> None:
    client = ScramClient([MECHANISM], alice.address, password)
    first = client.get_client_first().encode()
    one, other = [await login.begin(MECHANISM, first, "imap", PEER, NONE) for _ in range(2)]
    assert isinstance(one, ScramExchange)
    assert isinstance(other, ScramExchange)
    client.set_server_first(one.challenge.decode())
    final = client.get_client_final().encode()
    assert reason(await other.finish(final)) is Reason.BAD_CREDENTIALS
    for bad in (b"", b"\xff", final[:-4] + base64.b64encode(b"xyz"), final + b",x=1", b"c=biws"):
        assert reason(await one.finish(bad)) is Reason.BAD_CREDENTIALS


async def test_guessing_grows_slow_and_so_does_a_burst_of_exchanges_begun_before(
    login: ScramLogin, alice: Account, password: str
) -> None:
    begun = []
    for _ in range(20):
        client = ScramClient([MECHANISM], alice.address, "wrong")
        exchange = await login.begin(MECHANISM, client.get_client_first().encode(), "imap", PEER, NONE)
        assert isinstance(exchange, ScramExchange)
        client.set_server_first(exchange.challenge.decode())
        begun.append((exchange, client.get_client_final().encode()))
    reasons = [reason(await exchange.finish(final)) for exchange, final in begun]
    assert reasons == [Reason.BAD_CREDENTIALS] * 6 + [Reason.TOO_MANY_FAILURES] * 14
    assert reason(await talk(login, alice.address, password)) is Reason.TOO_MANY_FAILURES
    assert isinstance(await talk(login, alice.address, password, peer="198.51.100.7"), Passed)


async def test_many_at_once(login: ScramLogin, alice: Account, password: str) -> None:
    results: list[object] = []

    async def one() -> None:
        results.append(await talk(login, alice.address, password))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(one)
    assert [type(result) for result in results] == [Passed] * 8


async def test_another_accounts_password_does_not_open(
    login: ScramLogin, database: Database, alice: Account, password: str
) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    await AppPasswords(database).create(bob, "phone", {"imap"})
    assert reason(await talk(login, "bob@waxseal.test", password)) is Reason.BAD_CREDENTIALS


def test_packed_keys_come_back_and_damaged_ones_are_noticed() -> None:
    packed = scram_keys.make("k7m2p-9xq4r-tj3vw-8n5hd", b"s" * 16)
    shown, bare = scram_keys.verifiers(packed)
    assert shown.salt == bare.salt == b"s" * 16
    assert shown.stored_key != bare.stored_key
    for damaged in (b"", packed[:-1], packed + b"\0"):
        with pytest.raises(ValueError, match="damaged"):
            scram_keys.verifiers(damaged)


async def test_all_are_tried_alike(login: ScramLogin, database: Database, alice: Account) -> None:
    made = [await AppPasswords(database).create(alice, f"c{n}", {"imap"}) for n in range(MAX_PER_ACCOUNT)]
    assert isinstance(await talk(login, alice.address, made[-1].password), Passed)
