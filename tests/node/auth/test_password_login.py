"""Passwords, second factors, recovery codes: a real store, real derivations; pyotp is the authenticator app."""

from __future__ import annotations

import pyotp
import pytest
import trio

from identity import totp
from node.auth import password_login
from node.auth.app_passwords import AppPasswords
from node.auth.blocks import Blocks, Policy
from node.auth.brake import Brake
from node.auth.gate import Gate, Reason
from node.auth.password_hash import Hasher
from node.auth.password_login import PasswordLogin, Typed
from node.auth.refusal import Refusal
from node.auth.sealing import SEALED_SIZE, Sealing, has_old, seal_old
from node.auth.second_factors import FRESH_SECONDS, Enrolment, Person, SecondFactors
from node.auth.sessions import Sessions
from node.auth.wallet import LoggedIn
from node.base.address import parse_address
from node.store import accounts, passwords, security_events
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"
GOOD = "tulip anchor mosaic gravel"
NOW = 1_800_000_015.0


class Desk:
    """Both sides over one store, with a clock to turn."""

    def __init__(self, database: Database, alice: Account, policy: Policy | None = None) -> None:
        self.now = NOW
        self.database, self.alice = database, alice
        self.sessions = Sessions(database, seconds=3600, clock=self.clock)
        self.gate = Gate(database, brake=Brake(Blocks(database, policy, self.clock)))
        hasher = Hasher()
        self.sealing = Sealing(bytes(32))
        self.login = PasswordLogin(database, self.sessions, self.gate, hasher, sealing=self.sealing, clock=self.clock)
        self.factors = SecondFactors(
            database, self.sessions, hasher, "waxseal.test", sealing=self.sealing, clock=self.clock
        )

    def clock(self) -> float:
        return self.now

    async def person(self) -> Person:
        token = await self.database.write(lambda tx: self.sessions.begin(tx, self.alice))
        return Person(self.alice, token, PEER)

    async def enrol(self) -> pyotp.TOTP:
        """Set up an authenticator app; its first code is used up by that."""
        begun = await self.factors.begin_totp(await self.person())
        assert isinstance(begun, Enrolment)
        app = pyotp.parse_uri(begun.uri)
        assert isinstance(app, pyotp.TOTP)
        confirmed = await self.factors.confirm_totp(await self.person(), app.at(int(self.now)))
        assert isinstance(confirmed, list)
        self.codes = confirmed
        self.now += totp.STEP_SECONDS
        return app

    async def try_in(self, *typed: str, peer: str = PEER, end_others: bool = False) -> object:
        """The reason of a refusal, or the account."""
        found = await self.login.log_in(Typed(*typed, end_others=end_others), peer)
        return found.reason if isinstance(found, Refusal) else found.account

    async def events(self) -> list[str]:
        found = await self.database.read(lambda tx: security_events.recent(tx, self.alice.id))
        return [event.kind for event in found]


@pytest.fixture
async def desk(database: Database, alice: Account) -> Desk:
    made = Desk(database, alice)
    assert isinstance(await made.factors.set_password(await made.person(), GOOD), str)
    return made


async def test_a_password_logs_in_to_the_web_and_to_nothing_else(desk: Desk) -> None:
    assert await desk.try_in("ALICE@waxseal.test ", GOOD) == desk.alice
    refused = await desk.gate.password(desk.alice.address, GOOD, "imap", "198.51.100.1")
    assert isinstance(refused, Refusal)
    app = await AppPasswords(desk.database).create(desk.alice, "phone", {"imap"})
    assert await desk.try_in(desk.alice.address, app.password) is Reason.BAD_CREDENTIALS


@pytest.mark.parametrize(
    "typed",
    [
        ("alice@waxseal.test", "wrong"),
        ("alice@waxseal.test", ""),
        ("alice@waxseal.test", GOOD + " "),
        ("alice@waxseal.test", "x" * 100_000),
        ("alice@waxseal.test", "\ud800\x00"),
        ("bob@waxseal.test", GOOD),
        ("nobody", GOOD),
        ("", ""),
        ("@" * 10_000, GOOD),
        ("\ud800@waxseal.test", GOOD),
        ("alice@waxseal.test", "wrong", "123456"),
        ("alice@waxseal.test", GOOD, "", "k7m2p-9xq4r-tj3vw-8n5hd"),
    ],
)
async def test_everything_wrong_gets_one_answer(desk: Desk, typed: tuple[str, ...]) -> None:
    await desk.database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    refused = await desk.login.log_in(Typed(*typed), PEER)
    assert refused == await desk.login.log_in(Typed("alice@waxseal.test", "wrong"), PEER)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BAD_CREDENTIALS


async def test_an_unknown_address_costs_what_a_known_one_costs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    real = Hasher.fits

    async def watched(self: Hasher, typed: str, stored: str | None) -> bool | None:
        seen.append(typed)
        return await real(self, typed, stored)

    monkeypatch.setattr(password_login.Hasher, "fits", watched)
    await desk.try_in("bob@waxseal.test", GOOD)
    await desk.try_in("alice@waxseal.test", "wrong")
    assert len(seen) == 2


async def test_with_an_authenticator_app_the_password_alone_opens_nothing(desk: Desk) -> None:
    app = await desk.enrol()
    address = desk.alice.address
    assert await desk.try_in(address, GOOD) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(address, GOOD, "000000" if app.at(int(desk.now)) != "000000" else "1") is (
        Reason.BAD_CREDENTIALS
    )
    code = app.at(int(desk.now))
    assert await desk.try_in(address, "wrong", code) is Reason.BAD_CREDENTIALS  # and the code is not used up
    assert await desk.try_in(address, GOOD, code) == desk.alice
    assert await desk.try_in(address, GOOD, code) is Reason.BAD_CREDENTIALS  # a replay
    desk.now += totp.STEP_SECONDS
    assert await desk.try_in(address, GOOD, app.at(int(desk.now) - 60)) is Reason.BAD_CREDENTIALS  # before the last one
    assert await desk.try_in(address, GOOD, f" {app.at(int(desk.now))}") == desk.alice


async def test_one_code_opens_one_session_however_many_bring_it_at_once(desk: Desk) -> None:
    app = await desk.enrol()
    code, results = app.at(int(desk.now)), []

    async def bring() -> None:
        results.append(await desk.try_in(desk.alice.address, GOOD, code))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(bring)
    assert results.count(desk.alice) == 1


async def test_a_recovery_code_beside_a_password_or_a_code_is_good_once(desk: Desk) -> None:
    app = await desk.enrol()
    address, first, second = desk.alice.address, desk.codes[0], desk.codes[1].upper().replace("-", " ")
    assert len(set(desk.codes)) == 10
    assert await desk.try_in(address, "", "", first) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(address, "wrong", "", first) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(address, GOOD, "", first) == desk.alice  # the app is lost
    assert await desk.try_in(address, GOOD, "", first) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(address, "", app.at(int(desk.now)), second) == desk.alice  # the password is forgotten
    assert (await desk.events()).count("recovered") == 2
    assert (await desk.factors.of(desk.alice)).codes == 8


async def test_recovery_may_end_every_other_session(desk: Desk) -> None:
    await desk.enrol()
    other = await desk.person()
    assert await desk.try_in(desk.alice.address, GOOD, "", desk.codes[0]) == desk.alice
    assert await desk.sessions.account(other.session) == desk.alice
    found = await desk.login.log_in(Typed(desk.alice.address, GOOD, "", desk.codes[1], end_others=True), PEER)
    assert isinstance(found, LoggedIn)
    assert await desk.sessions.account(other.session) is None
    assert await desk.sessions.account(found.token) == desk.alice


async def test_guessing_grows_slow_for_the_network_and_for_the_name(desk: Desk) -> None:
    reasons = [await desk.try_in(desk.alice.address, "wrong") for _ in range(7)]
    assert reasons[-1] is Reason.TOO_MANY_FAILURES
    for number in range(8):  # from everywhere else
        await desk.try_in(desk.alice.address, "wrong", peer=f"198.51.100.{number}")
    assert await desk.try_in(desk.alice.address, GOOD, peer="203.0.113.9") is Reason.TOO_MANY_FAILURES


async def test_a_network_that_is_shut_out_stays_out_here_too(database: Database, alice: Account) -> None:
    desk = Desk(database, alice, Policy(failures=3, names=3))
    for name in ("a", "b", "c"):
        await desk.try_in(f"{name}@waxseal.test", "wrong")
    assert await desk.try_in(alice.address, GOOD) is Reason.BLOCKED_NETWORK


async def test_changes_ask_for_a_fresh_login(desk: Desk) -> None:
    person = await desk.person()
    desk.now += FRESH_SECONDS + 1
    stranger = Person(desk.alice, "x" * 43, PEER)
    for who in (person, stranger):
        for refused in (
            await desk.factors.set_password(who, "another " + GOOD),
            await desk.factors.remove_password(who),
            await desk.factors.begin_totp(who),
            await desk.factors.confirm_totp(who, "123456"),
            await desk.factors.remove_totp(who),
            await desk.factors.new_codes(who),
        ):
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.LOGIN_AGAIN


async def test_a_weak_password_is_refused_and_a_new_one_ends_other_sessions(desk: Desk) -> None:
    person, other = await desk.person(), await desk.person()
    weak = await desk.factors.set_password(person, "alice@waxseal.test")
    assert isinstance(weak, Refusal)
    assert weak.reason is Reason.UNUSABLE
    token = await desk.factors.set_password(person, "entirely different wording")
    assert isinstance(token, str)
    assert await desk.sessions.account(token) == desk.alice
    assert await desk.sessions.account(other.session) is None
    assert await desk.try_in(desk.alice.address, GOOD) is Reason.BAD_CREDENTIALS
    assert (await desk.events())[0] == "password-set"


async def test_the_last_way_in_stays(desk: Desk) -> None:
    subjects = await desk.database.read(lambda tx: accounts.identities(tx, desk.alice.id))
    await desk.database.write(lambda tx: [accounts.unbind(tx, desk.alice.id, subject) for subject in subjects])
    refused = await desk.factors.remove_password(await desk.person())
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.LAST_WAY_IN
    await desk.database.write(lambda tx: accounts.bind(tx, desk.alice.id, subjects[0]))
    assert await desk.factors.remove_password(await desk.person()) is None
    assert await desk.try_in(desk.alice.address, GOOD) is Reason.BAD_CREDENTIALS


async def test_an_app_counts_only_once_its_code_was_typed(desk: Desk) -> None:
    begun = await desk.factors.begin_totp(await desk.person())
    assert isinstance(begun, Enrolment)
    assert begun.text not in repr(begun)
    assert await desk.try_in(desk.alice.address, GOOD) == desk.alice  # not confirmed: not asked for
    for typed in ("", "123", "abcdef", "x" * 10_000):
        wrong = await desk.factors.confirm_totp(await desk.person(), typed)
        assert isinstance(wrong, Refusal)
        assert wrong.reason is Reason.BAD_CREDENTIALS
    for _ in range(10):
        wrong = await desk.factors.confirm_totp(await desk.person(), "wrong")
    assert isinstance(wrong, Refusal)
    assert wrong.reason is Reason.TOO_MANY_FAILURES
    await desk.factors.remove_totp(await desk.person())


async def test_an_app_is_replaced_only_after_it_was_removed_and_new_codes_void_the_old(desk: Desk) -> None:
    await desk.enrol()
    taken = await desk.factors.begin_totp(await desk.person())
    assert isinstance(taken, Refusal)
    assert taken.reason is Reason.TAKEN
    again = await desk.factors.confirm_totp(await desk.person(), "123456")
    assert isinstance(again, Refusal)
    assert again.reason is Reason.UNUSABLE
    new = await desk.factors.new_codes(await desk.person())
    assert isinstance(new, list)
    assert await desk.try_in(desk.alice.address, GOOD, "", desk.codes[0]) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(desk.alice.address, GOOD, "", new[0]) == desk.alice
    assert await desk.factors.remove_totp(await desk.person()) is None
    assert await desk.try_in(desk.alice.address, GOOD) == desk.alice


async def test_nothing_secret_is_kept_in_the_clear_but_the_apps_secret(desk: Desk) -> None:
    await desk.enrol()
    factors = await desk.database.read(lambda tx: passwords.factors(tx, desk.alice.id))
    assert factors.hash is not None
    assert factors.hash.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert factors.hash not in repr(factors)
    assert factors.totp is not None
    assert repr(factors.totp.secret) not in repr(factors)


async def kept_secret(desk: Desk) -> bytes:
    ((_, secret),) = await desk.database.read(passwords.totp_secrets)
    return secret


async def test_secrets_are_sealed_in_the_database(desk: Desk) -> None:
    app = await desk.enrol()
    kept, plain = await kept_secret(desk), app.byte_secret()
    assert len(kept) == SEALED_SIZE
    assert plain not in kept
    assert desk.sealing.open_totp(desk.alice.id, kept) == plain
    assert desk.sealing.open_totp(desk.alice.id + 1, kept) is None, "in another's row it opens nothing"
    assert Sealing(b"x" * 32).open_totp(desk.alice.id, kept) is None


async def test_secrets_from_before_are_sealed_at_the_next_start(desk: Desk) -> None:
    app = await desk.enrol()
    plain = app.byte_secret()
    assert not await desk.database.read(has_old)
    await desk.database.write(lambda tx: passwords.reseal_totp(tx, desk.alice.id, plain))  # as it was before
    assert await desk.database.read(has_old)
    assert desk.sealing.open_totp(desk.alice.id, await kept_secret(desk)) == plain
    assert await desk.database.write(lambda tx: seal_old(tx, desk.sealing)) == 1
    assert await desk.database.write(lambda tx: seal_old(tx, desk.sealing)) == 0
    assert len(await kept_secret(desk)) == SEALED_SIZE


async def test_with_the_key_lost_the_code_is_still_asked_for(desk: Desk) -> None:
    app = await desk.enrol()
    desk.login._sealing = Sealing()
    code = app.at(int(desk.now))
    assert await desk.try_in(desk.alice.address, GOOD) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(desk.alice.address, GOOD, code) is Reason.BAD_CREDENTIALS
    assert await desk.try_in(desk.alice.address, GOOD, "", desk.codes[0]) == desk.alice
