"""Credentials and groups as a gate's evidence: shown at a login with a DID, verified anew whenever a gate asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from identity.credentials import issue, status_list
from identity.credentials.issue import Statement
from identity.credentials.verify import Verifier
from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.gates.rule import Wanted, parse_rule, write_rule
from identity.gates.verdict import Truth
from identity.jose import Signer
from identity.refusal import Reason as ProofReason
from identity.refusal import Refusal as ProofRefusal
from node.auth.challenges import LoginDesk
from node.auth.did_login import DidLoggedIn, DidLogin
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.gates.evidence import KeptEvidence
from node.auth.gates.holder import Holder, holder_of
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.base.address import parse_address
from node.directory.memberships import Memberships
from node.net.did_resolver import DidResolver
from node.store import accounts, domains, gates, shown_credentials
from node.store.database import Database, Writing
from node.store.directory import aliases, groups
from node.store.shown_credentials import KEPT, KEPT_SECONDS, Shown

pytestmark = pytest.mark.anyio
ORIGIN, PEER, START = "https://mail.waxseal.test", "192.0.2.7", 1_800_000_000
LIST = "https://issuer.example/status/1"


def somebody() -> Signer:
    key = OKPKey.generate_key("Ed25519")
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return Signer(did, did.id, key)


class Sources(DidResolver):
    """Documents of DIDs that carry their key; status lists lie here, or cannot be had."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lists: dict[str, str] = {}

    async def fetch(self, url: str) -> str | ProofRefusal:
        return self.lists.get(url) or ProofRefusal(ProofReason.UNRESOLVABLE, "issuer.example does not answer")


class Desk:
    """Ann with a DID, an issuer, a gate's keeper and the login, on one clock."""

    def __init__(self, database: Database) -> None:
        self.now, self.database = float(START), database
        self.ann, self.issuer, self.sources = somebody(), somebody(), Sources()
        clock = lambda: self.now  # noqa: E731 - one clock for all
        evidence = KeptEvidence(database, Verifier(self.sources, self.sources), Memberships(database), clock)
        self.evidence = evidence
        self.keeper = Doorkeeper(database, Evaluator({}, evidence), 600, clock=clock)
        sessions = Sessions(database, seconds=60, admit=self.keeper.login, clock=clock)
        self.login = DidLogin(LoginDesk(database, sessions, clock=clock), self.sources, ORIGIN)
        self.browser = new_token()

    def people(self, tx: Writing) -> None:
        domains.add(tx, "waxseal.test")
        self.account = accounts.add(tx, parse_address("ann@waxseal.test"))
        accounts.bind(tx, self.account.id, str(self.ann.did))

    def credential(self, signer: Signer | None = None, *, days: float = 10, **changes: Any) -> str:
        moment = datetime.fromtimestamp(START, UTC)
        usual = {"subject": self.ann.did, "claims": {"member": True, "level": 2}, "type": "MemberCredential"}
        times = {"valid_from": moment, "valid_until": moment + timedelta(days=days)}
        return issue.credential(signer or self.issuer, Statement(**{**usual, **times, **changes}))

    async def show(self, *tokens: str) -> DidLoggedIn | Refusal:
        challenge = await self.login.challenge(self.browser, PEER)
        assert not isinstance(challenge, Refusal)
        shown = issue.presentation(self.ann, tokens, nonce=challenge.nonce, audience=ORIGIN)
        return await self.login.verify(shown, self.browser, PEER)

    async def gate(self, rule: Any) -> None:
        text = write_rule(parse_rule(json.dumps(rule)))
        await self.database.write(lambda tx: gates.put(tx, "login", "ann@waxseal.test", text, "finalized"))

    async def ask(self, **changes: Any) -> tuple[Truth, bool, str]:
        wanted = {"issuer": str(self.issuer.did), "type": "MemberCredential", "claim": {"member": True}, **changes}
        holder = await self.database.read(lambda tx: holder_of(tx, self.account.id))
        found = await self.evidence.credential(holder, Wanted(**wanted))
        return found.truth, found.passing, found.words

    def list_with(self, *revoked: int) -> None:
        bits = bytearray(16_384)
        for index in revoked:
            bits[index // 8] |= 0x80 >> index % 8
        about = {
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": status_list.pack(bytes(bits)),
        }
        moment = datetime.fromtimestamp(START, UTC)
        said = Statement(None, about, "BitstringStatusListCredential", moment, moment + timedelta(days=100))
        self.sources.lists[LIST] = issue.credential(self.issuer, said)


ENTRY = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "7",
    "statusListCredential": LIST,
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Database.open(tmp_path / "node.sqlite") as database:
        made = Desk(database)
        await database.write(made.people)
        yield made


async def test_a_credential_that_is_shown_opens_a_mailbox_until_it_ends(desk: Desk) -> None:
    rule = {"credential": {"issuer": str(desk.issuer.did), "type": "MemberCredential", "claim": {"level": 2}}}
    await desk.gate(rule)
    shut = await desk.show()
    assert isinstance(shut, Refusal)
    assert shut.reason is Reason.GATE_CLOSED
    assert isinstance(await desk.show(desk.credential()), DidLoggedIn)
    assert await desk.keeper.login(desk.account) is None  # any other login, too: with an app password, say
    desk.now += 10 * 86400 + 1
    refused = await desk.keeper.login(desk.account)
    assert refused is not None
    assert refused.reason is Reason.GATE_CLOSED


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "did:web:other.example"},
        {"type": "Other"},
        {"claim": {"member": False}},
        {"claim": {"member": 1}},  # a number is no truth value
        {"claim": {"level": 3}},
        {"claim": {"level": "2"}},
        {"claim": {"member": True, "absent": 1}},
    ],
)
async def test_another_credential_than_is_asked_for_is_none(desk: Desk, changes: dict[str, Any]) -> None:
    assert isinstance(await desk.show(desk.credential()), DidLoggedIn)
    assert (await desk.ask())[0] is Truth.YES
    assert (await desk.ask(**changes))[0] is Truth.NO


async def test_what_anybody_else_issued_or_is_about_somebody_else_counts_for_nothing(desk: Desk) -> None:
    assert isinstance(await desk.show(desk.credential(somebody())), DidLoggedIn)
    assert (await desk.ask())[0] is Truth.NO
    assert isinstance(await desk.show(desk.credential(subject=somebody().did)), Refusal)
    token = desk.credential()
    head, _, signature = token.split(".")
    forged = ".".join([head, desk.credential(claims={"member": True, "level": 9}).split(".")[1], signature])
    assert isinstance(await desk.show(forged), Refusal)
    assert (await desk.ask())[0] is Truth.NO


async def test_a_credential_that_is_taken_back_ends_access(desk: Desk) -> None:
    desk.list_with()
    assert isinstance(await desk.show(desk.credential(status=ENTRY)), DidLoggedIn)
    assert (await desk.ask())[0] is Truth.YES
    desk.sources.lists.clear()
    assert (await desk.ask())[:2] == (Truth.UNKNOWN, True)  # grace may apply: the list is only away
    desk.list_with(8, 7)
    truth, passing, words = await desk.ask()
    assert (truth, passing) == (Truth.NO, False), words


async def test_a_did_that_is_unbound_takes_its_credentials_along(desk: Desk) -> None:
    await desk.show(desk.credential())
    await desk.database.write(lambda tx: accounts.unbind(tx, desk.account.id, str(desk.ann.did)))
    assert (await desk.ask())[0] is Truth.NO


async def test_what_was_shown_is_forgotten_after_a_while_and_is_never_much(desk: Desk) -> None:
    await desk.show(desk.credential(days=1000))
    desk.now += KEPT_SECONDS + 1
    assert (await desk.ask())[0] is Truth.NO
    now = int(desk.now)

    def many(tx: Writing) -> int:
        for number in range(KEPT + 5):
            shown_credentials.put(tx, desk.account.id, Shown(f"t{number}", "did:x:y", now + number, now + 10**6))
        return len(shown_credentials.listing(tx, desk.account.id, now))

    assert await desk.database.write(many) == KEPT
    await desk.database.write(lambda tx: shown_credentials.expire(tx, now + 10**7))
    assert await desk.database.read(lambda tx: shown_credentials.listing(tx, desk.account.id, 0)) == []


async def test_groups_by_alias_and_by_way_of_others(desk: Desk) -> None:
    def staff(tx: Writing) -> None:
        for name in ("staff", "inner", "empty"):
            groups.add(tx, parse_address(f"{name}@waxseal.test"), "", inside=False)
        aliases.add(tx, parse_address("annie@waxseal.test"), desk.account.id, may_send=False)
        groups.put_member(tx, "inner@waxseal.test", parse_address("annie@waxseal.test"), may_send=False)
        groups.put_member(tx, "staff@waxseal.test", parse_address("inner@waxseal.test"), may_send=False)
        groups.put_member(tx, "inner@waxseal.test", parse_address("staff@waxseal.test"), may_send=False)  # a loop

    await desk.database.write(staff)
    holder = Holder(desk.account.id, ())

    async def ask(name: str, who: Holder = holder) -> Truth:
        return (await desk.evidence.group(who, name)).truth

    assert [await ask(name) for name in ("inner", "staff", "staff@waxseal.test", "STAFF")] == [Truth.YES] * 4
    assert await ask("empty") is Truth.NO
    assert await ask("nothing") is Truth.UNKNOWN
    assert await ask("not an address@") is Truth.UNKNOWN
    assert await ask("staff", Holder(None, ())) is Truth.NO
    await desk.gate({"not": {"group": "nothing"}})
    refused = await desk.keeper.login(desk.account)
    assert refused is not None
    assert refused.reason is Reason.GATE_UNKNOWN
