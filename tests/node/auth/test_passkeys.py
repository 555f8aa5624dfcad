"""Passkeys against a real store: who gets in, who does not, and what is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete

from identity.gates.rule import parse_rule, write_rule
from identity.passkey import Assertion, Registration, Site
from identity.refusal import Reason as Proof
from node.auth.challenges import NONCE_SECONDS, LoginDesk
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.passkeys import FRESH_SECONDS, MAX_PER_ACCOUNT, Asker, Kind, Passkeys
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.auth.wallet import LoggedIn
from node.base import metrics
from node.base.address import parse_address
from node.store import accounts, gates, passkeys, passwords, schema, security_events
from node.store.accounts import Account
from node.store.database import Database, Writing
from node.store.passkeys import Passkey
from node.store.statement import Statement, same

from ...identity.authenticator import BACKED_UP, PRESENT, SYNCED, VERIFIED, Authenticator, decoded, encoded

pytestmark = pytest.mark.anyio
SITE = Site("mail.waxseal.test", "https://mail.waxseal.test")
PEER = "192.0.2.7"
START = 1_800_000_000


def registration(sent: dict[str, Any]) -> Registration:
    response = sent["response"]
    return Registration(
        decoded(sent["id"]), decoded(response["clientDataJSON"]), decoded(response["attestationObject"])
    )


def assertion(sent: dict[str, Any]) -> Assertion:
    parts = ("clientDataJSON", "authenticatorData", "signature", "userHandle")
    return Assertion(decoded(sent["id"]), *(decoded(sent["response"][name]) for name in parts))


class Desk:
    """The passkeys' part of a node, a clock, and one browser."""

    def __init__(self, database: Database) -> None:
        self.now = float(START)
        self.database = database
        gate = Gate(database, Doorkeeper(database, Evaluator({}), 60.0))
        self.sessions = Sessions(database, seconds=3600, admit=gate.admit, clock=lambda: self.now)
        self.passkeys = Passkeys(LoginDesk(database, self.sessions, clock=lambda: self.now), SITE)
        self.browser = new_token()

    async def asker(self, account: Account) -> Asker:
        """Somebody who has just logged in."""
        return Asker(account, await self.database.write(lambda tx: self.sessions.begin(tx, account)), PEER)

    async def asked_for_one(self, asker: Asker) -> dict[str, Any]:
        options = await self.passkeys.add_options(asker)
        assert isinstance(options, dict), options
        return options

    async def add(self, asker: Asker, authenticator: Authenticator, name: str = "Phone", **changes: Any) -> Any:
        made = authenticator.create(await self.asked_for_one(asker), **changes)
        return await self.passkeys.add(asker, name, registration(made), made["response"]["transports"])

    async def asked(self, browser: str = "") -> dict[str, Any]:
        options = await self.passkeys.login_options(browser or self.browser, PEER)
        assert isinstance(options, dict), options
        return options

    async def send(self, answer: dict[str, Any], browser: str = "", peer: str = PEER) -> LoggedIn | Refusal:
        return await self.passkeys.log_in(assertion(answer), browser or self.browser, peer)

    async def log_in(self, authenticator: Authenticator, **changes: Any) -> LoggedIn | Refusal:
        return await self.send(authenticator.get(await self.asked(), **changes))

    async def events(self, account: Account) -> list[tuple[str, str, str]]:
        rows = await self.database.read(lambda tx: security_events.recent(tx, account.id))
        return [(row.kind, row.details, row.network) for row in rows]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.fixture
async def asker(desk: Desk, alice: Account) -> Asker:
    return await desk.asker(alice)


def reason(found: object) -> str:
    assert isinstance(found, Refusal), found
    return str(found.reason)


@pytest.mark.parametrize("kind", ["P-256", "EdDSA", "RS2048"])
async def test_a_passkey_is_added_and_logs_in(desk: Desk, asker: Asker, kind: str) -> None:
    authenticator = Authenticator(kind, count=7)
    kept = await desk.add(asker, authenticator, "  My\u00a0phone ")
    assert isinstance(kept, Passkey)
    assert (kept.name, kept.sign_count, kept.transports) == ("My phone", 8, ("internal", "hybrid"))
    assert (kept.created, kept.last_used, kept.is_synced) == (START, None, False)
    desk.now += 60
    found = await desk.log_in(authenticator)
    assert isinstance(found, LoggedIn)
    assert found.account == asker.account
    assert await desk.sessions.account(found.token) == asker.account
    (row,) = await desk.passkeys.listing(asker.account)
    assert (row.sign_count, row.last_used) == (9, START + 60)
    assert await desk.events(asker.account) == [(Kind.ADDED, "My phone", PEER)]


async def test_what_is_asked_of_a_new_one(desk: Desk, asker: Asker, alice: Account) -> None:
    first = await desk.asked_for_one(asker)
    assert first["rp"] == {"name": SITE.id, "id": SITE.id}
    assert (first["user"]["name"], first["user"]["displayName"]) == (alice.address, alice.name)
    assert first["attestation"] == "none"
    assert first["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert [param["alg"] for param in first["pubKeyCredParams"]] == [-8, -7, -257]
    assert first["excludeCredentials"] == []
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    second = await desk.asked_for_one(asker)
    assert second["user"]["id"] == first["user"]["id"]  # an authenticator keeps one for each handle
    assert second["challenge"] != first["challenge"]
    assert second["excludeCredentials"] == [
        {"id": encoded(authenticator.id), "type": "public-key", "transports": ["internal", "hybrid"]}
    ]


async def test_what_is_asked_of_one_that_logs_in(desk: Desk) -> None:
    options = await desk.asked()
    assert (options["rpId"], options["userVerification"]) == (SITE.id, "required")
    assert options.get("allowCredentials", []) == []  # the authenticator knows; nobody is told who has one
    assert len(decoded(options["challenge"])) >= 16


async def test_the_handle_says_nothing_of_the_person(desk: Desk, asker: Asker, database: Database) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    mine = decoded((await desk.asked_for_one(asker))["user"]["id"])
    theirs = decoded((await desk.asked_for_one(await desk.asker(bob)))["user"]["id"])
    assert len(mine) == len(theirs) == 32
    assert mine != theirs


async def test_several_with_names(desk: Desk, asker: Asker) -> None:
    one, two = Authenticator(), Authenticator("EdDSA")
    await desk.add(asker, one, "Phone")
    await desk.add(asker, two, "Key ring")
    assert [row.name for row in await desk.passkeys.listing(asker.account)] == ["Phone", "Key ring"]
    for each in (one, two):
        assert isinstance(await desk.log_in(each), LoggedIn)


async def test_an_answer_is_good_once(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    answer = authenticator.get(await desk.asked())
    assert isinstance(await desk.send(answer), LoggedIn)
    assert reason(await desk.send(answer)) == Reason.USED_NONCE


async def test_a_new_one_is_taken_once(desk: Desk, asker: Asker) -> None:
    made = registration(Authenticator().create(await desk.asked_for_one(asker)))
    assert isinstance(await desk.passkeys.add(asker, "Phone", made, []), Passkey)
    assert reason(await desk.passkeys.add(asker, "Phone", made, [])) == Reason.USED_NONCE
    assert len(await desk.passkeys.listing(asker.account)) == 1


async def test_another_browsers_challenge_opens_nothing(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    answer = authenticator.get(await desk.asked())
    assert reason(await desk.send(answer, new_token())) == Reason.USED_NONCE
    assert reason(await desk.send(answer)) == Reason.USED_NONCE  # whoever tries, uses it up


async def test_another_sessions_challenge_adds_nothing(desk: Desk, asker: Asker, database: Database) -> None:
    """A stranger must not have his passkey put into somebody's account by the page she has open."""
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    made = registration(Authenticator().create(await desk.asked_for_one(await desk.asker(bob))))
    assert reason(await desk.passkeys.add(asker, "Phone", made, [])) == Reason.USED_NONCE
    assert await desk.passkeys.listing(asker.account) == []


async def test_the_two_kinds_of_challenges_are_kept_apart(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    adding = await desk.asked_for_one(asker)
    answer = authenticator.get({"challenge": adding["challenge"], "rpId": SITE.id})
    assert reason(await desk.send(answer, asker.session)) == Reason.USED_NONCE
    asked = await desk.asked(asker.session)
    made = Authenticator().create({**await desk.asked_for_one(asker), "challenge": asked["challenge"]})
    assert reason(await desk.passkeys.add(asker, "Phone", registration(made), [])) == Reason.USED_NONCE


async def test_a_challenge_grows_old(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    answer = authenticator.get(await desk.asked())
    desk.now += NONCE_SECONDS + 1
    assert reason(await desk.send(answer)) == Reason.USED_NONCE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"origin": "https://evil.test"}, Proof.WRONG_DOMAIN),
        ({"rp_id": "evil.test"}, Proof.WRONG_DOMAIN),
        ({"crossOrigin": True}, Proof.WRONG_DOMAIN),
        ({"type": "webauthn.create"}, Proof.MALFORMED),
    ],
)
async def test_an_answer_for_elsewhere_uses_its_challenge_up(
    desk: Desk, asker: Asker, changes: dict[str, Any], expected: Proof
) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    asked = await desk.asked()
    assert reason(await desk.send(authenticator.get(asked, **changes))) == expected
    assert reason(await desk.send(authenticator.get(asked))) == Reason.USED_NONCE


async def test_who_was_not_asked_who_he_is_stays_out(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    authenticator.flags = PRESENT
    assert reason(await desk.log_in(authenticator)) == Proof.NOT_VERIFIED
    assert reason(await desk.add(asker, Authenticator(flags=PRESENT))) == Proof.NOT_VERIFIED


async def test_a_passkey_nobody_knows(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator(handle=b"h")
    assert reason(await desk.log_in(authenticator)) == Reason.UNKNOWN_PASSKEY
    await desk.add(asker, authenticator)
    stranger = Authenticator(id=authenticator.id, handle=authenticator.handle)
    assert reason(await desk.log_in(stranger)) == Proof.BAD_SIGNATURE


async def test_a_passkey_names_its_own_account(desk: Desk, asker: Asker, database: Database) -> None:
    """An answer is no good under somebody else's handle, whoever sends it."""
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    alices, bobs = Authenticator(), Authenticator()
    await desk.add(asker, alices)
    await desk.add(await desk.asker(bob), bobs)
    alices.handle, right = bobs.handle, alices.handle
    assert reason(await desk.log_in(alices)) == Reason.UNKNOWN_PASSKEY
    alices.handle = right
    found = await desk.log_in(alices)
    assert isinstance(found, LoggedIn)
    assert found.account == asker.account


async def test_a_passkey_belongs_to_one_account(desk: Desk, asker: Asker, database: Database) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    thief = Authenticator(id=authenticator.id)
    assert reason(await desk.add(await desk.asker(bob), thief)) == Reason.TAKEN
    assert reason(await desk.add(asker, authenticator)) == Reason.TAKEN


@pytest.mark.parametrize("answer", [5, 3])
async def test_a_counter_that_does_not_rise_is_a_copy(desk: Desk, asker: Asker, answer: int) -> None:
    authenticator = Authenticator(count=0)
    await desk.add(asker, authenticator)
    authenticator.count = 4
    assert isinstance(await desk.log_in(authenticator), LoggedIn)  # 5
    before = metrics.security_events.labels(Kind.COPIED)._value.get()
    authenticator.count = answer - 1
    assert reason(await desk.log_in(authenticator)) == Reason.COPIED_PASSKEY
    assert (await desk.events(asker.account))[0] == (Kind.COPIED, "Phone", PEER)
    assert metrics.security_events.labels(Kind.COPIED)._value.get() == before + 1
    (row,) = await desk.passkeys.listing(asker.account)
    assert row.sign_count == 5
    assert isinstance(await desk.log_in(authenticator), LoggedIn) == (answer == 5)  # 6 is more than 5; 4 is not


async def test_one_that_stops_counting_is_a_copy(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator(count=2)
    await desk.add(asker, authenticator)
    authenticator.count = None
    assert reason(await desk.log_in(authenticator)) == Reason.COPIED_PASSKEY


async def test_one_that_never_counts_logs_in_again_and_again(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator(flags=PRESENT | VERIFIED | SYNCED | BACKED_UP)
    await desk.add(asker, authenticator)
    for _ in range(3):
        assert isinstance(await desk.log_in(authenticator), LoggedIn)


async def test_a_stranger_cannot_raise_the_alarm(desk: Desk, asker: Asker) -> None:
    """A counter that nobody signed for says nothing about a copy."""
    authenticator = Authenticator(count=9)
    await desk.add(asker, authenticator)
    forged = Authenticator(id=authenticator.id, handle=authenticator.handle, count=0)
    assert reason(await desk.log_in(forged)) == Proof.BAD_SIGNATURE
    assert [kind for kind, _, _ in await desk.events(asker.account)] == [Kind.ADDED]


async def test_whether_it_is_shared_cannot_change_but_where_it_lies_can(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator(flags=PRESENT | VERIFIED | SYNCED)
    kept = await desk.add(asker, authenticator)
    assert (kept.is_synced, kept.is_backed_up) == (True, False)
    authenticator.flags |= BACKED_UP
    assert isinstance(await desk.log_in(authenticator), LoggedIn)
    (row,) = await desk.passkeys.listing(asker.account)
    assert row.is_backed_up
    authenticator.flags = PRESENT | VERIFIED
    assert reason(await desk.log_in(authenticator)) == Reason.UNKNOWN_PASSKEY


async def test_adding_asks_for_a_fresh_login(desk: Desk, asker: Asker) -> None:
    desk.now += FRESH_SECONDS
    assert isinstance(await desk.passkeys.add_options(asker), dict)
    desk.now += 1
    assert reason(await desk.passkeys.add_options(asker)) == Reason.LOGIN_AGAIN
    assert reason(await desk.passkeys.add_options(Asker(asker.account, new_token(), PEER))) == Reason.LOGIN_AGAIN
    assert isinstance(await desk.passkeys.add_options(await desk.asker(asker.account)), dict)


async def test_a_session_from_before_this_was_known_is_not_fresh(
    desk: Desk, alice: Account, database: Database
) -> None:
    from node.auth.sessions import fingerprint
    from node.store import web_sessions

    token = new_token()
    await database.write(lambda tx: web_sessions.add(tx, fingerprint(token), alice.id, START + 3600))
    assert reason(await desk.passkeys.add_options(Asker(alice, token, PEER))) == Reason.LOGIN_AGAIN


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\u202eb", "a\x00b"])
async def test_a_name_has_measure(desk: Desk, asker: Asker, name: str) -> None:
    assert reason(await desk.add(asker, Authenticator(), name)) == Reason.UNUSABLE
    assert await desk.passkeys.listing(asker.account) == []


async def test_there_are_so_many_and_no_more(desk: Desk, asker: Asker) -> None:
    spare = Authenticator().create(await desk.asked_for_one(asker))
    for _ in range(MAX_PER_ACCOUNT):
        assert isinstance(await desk.add(asker, Authenticator()), Passkey)
    assert reason(await desk.passkeys.add_options(asker)) == Reason.TOO_MANY
    assert reason(await desk.passkeys.add(asker, "One more", registration(spare), [])) == Reason.TOO_MANY


async def test_a_removed_one_logs_in_no_longer(desk: Desk, asker: Asker) -> None:
    authenticator = Authenticator()
    kept = await desk.add(asker, authenticator)
    elsewhere = await desk.log_in(authenticator)
    assert isinstance(elsewhere, LoggedIn)
    gone = await desk.passkeys.remove(asker, kept.id)
    assert isinstance(gone, Passkey)
    assert reason(await desk.log_in(authenticator)) == Reason.UNKNOWN_PASSKEY
    assert await desk.sessions.account(elsewhere.token) is None  # it may have been opened by a thief
    assert await desk.sessions.account(asker.session) == asker.account
    assert (await desk.events(asker.account))[0] == (Kind.REMOVED, "Phone", PEER)
    assert await desk.passkeys.remove(asker, kept.id) is None


async def test_the_last_way_in_stays(desk: Desk, asker: Asker, database: Database) -> None:
    one, two = Authenticator(), Authenticator()
    first = await desk.add(asker, one)
    await database.write(lambda tx: [accounts.unbind(tx, asker.account.id, each) for each in
                                     accounts.identities(tx, asker.account.id)])  # fmt: skip
    assert reason(await desk.passkeys.remove(asker, first.id)) == Reason.LAST_WAY_IN
    assert isinstance(await desk.log_in(one), LoggedIn)
    second = await desk.add(asker, two)
    assert isinstance(await desk.passkeys.remove(asker, first.id), Passkey)
    assert reason(await desk.passkeys.remove(asker, second.id)) == Reason.LAST_WAY_IN


async def test_a_password_is_a_way_in(desk: Desk, asker: Asker, database: Database) -> None:
    only = await desk.add(asker, Authenticator())

    def work(tx: Writing) -> None:
        for subject in accounts.identities(tx, asker.account.id):
            accounts.unbind(tx, asker.account.id, subject)
        passwords.set_password(tx, asker.account.id, "$argon2id$", START)

    await database.write(work)
    assert isinstance(await desk.passkeys.remove(asker, only.id), Passkey)


async def test_nobody_removes_somebody_elses(desk: Desk, asker: Asker, database: Database) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    authenticator = Authenticator()
    kept = await desk.add(asker, authenticator)
    assert await desk.passkeys.remove(await desk.asker(bob), kept.id) is None
    assert isinstance(await desk.log_in(authenticator), LoggedIn)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [({"did": "did:web:else.example"}, Reason.GATE_CLOSED), ({"group": "members"}, Reason.GATE_UNKNOWN)],
)
async def test_a_gate_before_the_mailbox_holds(desk: Desk, asker: Asker, rule: Any, expected: Reason) -> None:
    authenticator = Authenticator(count=1)
    await desk.add(asker, authenticator)
    text = write_rule(parse_rule(json.dumps(rule)))
    await desk.database.write(lambda tx: gates.put(tx, "login", "alice@waxseal.test", text, "finalized"))
    assert reason(await desk.log_in(authenticator)) == expected
    (row,) = await desk.passkeys.listing(asker.account)
    assert row.last_used is None
    await desk.database.write(lambda tx: gates.remove(tx, "login", "alice@waxseal.test"))
    assert isinstance(await desk.log_in(authenticator), LoggedIn)


async def test_failing_and_beginning_grow_slow(desk: Desk) -> None:
    stranger = Authenticator(handle=b"h")
    for _ in range(12):
        found = await desk.log_in(stranger)
    assert reason(found) == Reason.TOO_MANY_FAILURES
    for _ in range(60):
        options = await desk.passkeys.login_options(desk.browser, PEER)
    assert isinstance(options, Refusal)


async def test_an_account_that_ends_takes_its_passkeys_along(desk: Desk, asker: Asker, database: Database) -> None:
    authenticator = Authenticator()
    await desk.add(asker, authenticator)
    end = Statement(delete(schema.account).where(same(schema.account.c.id)))
    await database.write(lambda tx: tx.execute(end, id=asker.account.id))
    assert await database.read(lambda tx: passkeys.by_credential(tx, authenticator.id)) is None
    assert await database.read(lambda tx: passkeys.handle(tx, asker.account.id)) is None
    assert reason(await desk.log_in(authenticator)) == Reason.UNKNOWN_PASSKEY
