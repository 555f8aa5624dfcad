"""Gates for writing and for sending: proofs of DIDs in letters, good and bad, and what becomes of each letter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from joserfc.jwk import OKPKey

from identity import mail_proof
from identity.credentials import issue
from identity.credentials.issue import Statement
from identity.credentials.verify import Verifier
from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.gates.rule import parse_rule, write_rule
from identity.jose import Signer
from identity.mail_proof import FIELD, BodyHash, Letter
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.gates.evidence import KeptEvidence
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel, Subject
from node.flow.accept import Accept
from node.flow.submit import Submit
from node.flow.writers import Writers
from node.net.did_resolver import DidResolver
from node.store import accounts, gates
from node.store.directory import aliases
from node.store.gates import Others

pytestmark = pytest.mark.anyio
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
BODY = b"Hello Ann,\r\n\r\nhow are you?\r\n"
PAYS = Wallet.from_key(b"\x31" * 32)


@dataclass
class Says:
    opinion: Opinion

    async def content(self, subject: Subject) -> Opinion:
        return self.opinion


SPAM = Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk")
FINE = Opinion(Reason.FINE, "ham", 0.1)


def somebody() -> Signer:
    key = OKPKey.generate_key("Ed25519")
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return Signer(did, did.id, key)


def hashed(body: bytes) -> str:
    made = BodyHash()
    made.update(body)
    return made.digest()


NORA = somebody()
LETTER = Letter("nora@example.org", "<1@example.org>", hashed(BODY))


def letter(
    proof: str = "", *, sender: str = "Nora <nora@example.org>", body: bytes = BODY, extra: bytes = b""
) -> bytes:
    head = f"From: {sender}\r\nMessage-ID: <1@example.org>\r\nSubject: hello\r\n".encode()
    if proof:  # folded, as long fields are
        pieces = [proof[start : start + 70] for start in range(0, len(proof), 70)]
        head += f"{FIELD}: ".encode() + "\r\n ".join(pieces).encode() + b"\r\n"
    return head + extra + b"\r\n" + body


def proved(signer: Signer = NORA, what: Letter = LETTER, *, to: str = "ann@house.example", **more: Any) -> str:
    return mail_proof.write(signer, what, [to], more.pop("now", NOW), **more)


class Post:
    """Port 25 of a house with a gate for writing to Ann; `opinion` is what the panel says."""

    def __init__(self, house: Any, opinion: Opinion = SPAM) -> None:
        self.house, database = house, house.premises.database
        resolver = DidResolver(None)
        clock = NOW.timestamp
        evidence = KeptEvidence(database, Verifier(resolver, resolver), None, clock)
        keeper = Doorkeeper(database, Evaluator({}, evidence), 0, clock=clock)
        writers = Writers(database, keeper, resolver, clock)
        self.accept = Accept(house.premises, Panel((Says(opinion),)), writers=writers)

    async def gate(self, rule: Any, others: Others = "filter", target: str = "ann@house.example") -> None:
        text = write_rule(parse_rule(json.dumps(rule)))
        put = lambda tx: gates.put(tx, "write", target, text, "finalized", others=others)  # noqa: E731
        await self.house.premises.database.write(put)

    async def deliver(self, content: bytes, *recipients: str) -> int:
        transaction = self.house.transaction(*(recipients or ("ann@house.example",)))
        incoming = await self.house.incoming(content)
        return int((await self.accept.finish(self.house.session(), transaction, incoming)).code)

    async def boxes(self) -> tuple[int, int, int, int]:
        """Letters in Ann's inbox and Junk, and Bob's."""
        house = self.house
        counts = [len(await house.contents(who, name)) for who in (house.ann, house.bob) for name in ("INBOX", "Junk")]
        return counts[0], counts[1], counts[2], counts[3]


def did_rule(signer: Signer = NORA) -> Any:
    return {"did": str(signer.did)}


async def test_who_proves_a_did_that_fits_skips_the_junk_threshold(house: Any) -> None:
    post = Post(house)
    await post.gate(did_rule())
    assert await post.deliver(letter(proved()), "ann@house.example", "bob@house.example") == 250
    assert await post.boxes() == (1, 0, 0, 1)  # Bob has no gate: to him it is spam
    assert await post.deliver(letter()) == 250
    assert await post.boxes() == (1, 1, 0, 1)


async def test_a_gate_counts_from_the_letter_after_it_was_set_until_it_is_removed(house: Any) -> None:
    post = Post(house)
    assert await post.deliver(letter()) == 250
    await post.gate(did_rule(), others="refuse")
    assert await post.deliver(letter()) == 550
    assert await post.deliver(letter(), "bob@house.example") == 250
    assert await post.deliver(letter(proved())) == 250
    await house.premises.database.write(lambda tx: gates.remove(tx, "write", "ann@house.example"))
    assert [await post.deliver(letter()) for _ in range(2)] == [250, 250]
    assert await post.boxes() == (1, 3, 0, 1)


async def test_a_domains_gate_speaks_for_its_people(house: Any) -> None:
    post = Post(house)
    await post.gate(did_rule(), target="house.example")
    await post.deliver(letter(proved()))
    assert await post.boxes() == (1, 0, 0, 0)


def _tampered() -> str:
    head, body, signature = proved().split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


OTHER = somebody()
BAD = {
    "none": letter(),
    "another's key": letter(proved(OTHER)),
    "not the signature": letter(_tampered()),
    "another body": letter(proved(), body=BODY + b"Buy now!\r\n"),
    "another author": letter(proved(), sender="Mallory <mallory@example.org>"),
    "two authors": letter(proved(), sender="nora@example.org, mallory@example.org"),
    "another id": letter(proved(what=Letter("nora@example.org", "<2@example.org>", LETTER.body))),
    "two ids": letter(proved(), extra=b"Message-ID: <2@example.org>\r\n"),
    "for somebody else": letter(proved(to="bob@house.example")),
    "too old": letter(proved(now=NOW - timedelta(days=7))),
    "from tomorrow": letter(proved(now=NOW + timedelta(days=1))),
    "twice": letter(proved(), extra=f"{FIELD}: {proved()}\r\n".encode()),
    "garbage": letter("!" * 3000),
    "too long": letter("A" * 30_000),
    "a login's proof": letter(
        NORA.sign({"iss": str(NORA.did), "sub": str(NORA.did), "aud": "ann@house.example", "nonce": "1" * 20}, "JWT")
    ),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_what_is_no_proof_changes_nothing_where_others_are_filtered(house: Any, name: str) -> None:
    post = Post(house)
    await post.gate(did_rule())
    assert await post.deliver(BAD[name]) == 250
    assert await post.boxes() == (0, 1, 0, 0)


async def test_others_go_to_junk_or_are_refused_as_the_gate_says(house: Any) -> None:
    post = Post(house, FINE)
    await post.gate(did_rule(), "junk")
    await post.deliver(letter())
    assert await post.boxes() == (0, 1, 0, 0)
    await post.gate(did_rule(), "refuse")
    assert await post.deliver(letter()) == 550
    assert await post.boxes() == (0, 1, 0, 0)
    # One reply is for all: with somebody who takes it, it is taken, and kept out of the other's inbox.
    assert await post.deliver(letter(), "ann@house.example", "bob@house.example") == 250
    assert await post.boxes() == (0, 2, 1, 0)
    assert await post.deliver(letter(proved())) == 250
    assert await post.boxes() == (1, 2, 1, 0)


async def test_what_cannot_be_told_is_filtered_and_never_bounced(house: Any) -> None:
    post = Post(house, FINE)
    await post.gate({"chain": "eip155:1", "standard": "native", "min": "1"}, "refuse")
    binding = {"address": PAYS.address, "until": "2027-02-01"}
    text = mail_proof.consent(NORA.did, datetime(2027, 2, 1, tzinfo=UTC))
    binding["signature"] = "0x" + bytes(PAYS.sign_message(encode_defunct(text=text)).signature).hex()
    assert await post.deliver(letter(proved(wallets=[binding]))) == 250  # no server for that chain
    assert await post.boxes() == (1, 0, 0, 0)


async def test_a_threat_stays_where_it_belongs(house: Any) -> None:
    post = Post(house, Opinion(Reason.VIRUS_DOUBTFUL, "virus", folder="\\Junk", check="clamav"))
    await post.gate(did_rule())
    await post.deliver(letter(proved()))
    assert await post.boxes() == (0, 1, 0, 0)


def bound(until: str = "2027-02-01", *, by: Any = PAYS, did: Did = NORA.did) -> dict[str, str]:
    text = mail_proof.consent(did, datetime.fromisoformat(until).replace(tzinfo=UTC))
    signature = "0x" + bytes(by.sign_message(encode_defunct(text=text)).signature).hex()
    return {"address": PAYS.address, "until": until, "signature": signature}


@pytest.mark.parametrize(
    ("wallet", "met"),
    [
        (bound(), True),
        (bound("2027-01-15"), True),
        (bound("2027-01-14"), False),
        (bound(by=Wallet.from_key(b"\x32" * 32)), False),
        (bound(did=OTHER.did), False),
        ({**bound(), "address": PAYS.address.lower()}, False),
        ({**bound(), "until": "soon"}, False),
        ({"address": PAYS.address}, False),
    ],
)
async def test_a_wallet_that_lets_the_did_speak_for_it_counts(house: Any, wallet: Any, met: bool) -> None:
    post = Post(house)
    await post.gate({"did": f"did:pkh:eip155:1:{PAYS.address}"})
    await post.deliver(letter(proved(wallets=[wallet])))
    assert await post.boxes() == ((1, 0, 0, 0) if met else (0, 1, 0, 0))


async def test_a_credential_that_comes_along_counts(house: Any) -> None:
    post, issuer = Post(house), somebody()
    await post.gate({"credential": {"issuer": str(issuer.did), "type": "PressCard"}})
    said = Statement(NORA.did, {"press": True}, "PressCard", NOW - timedelta(1), NOW + timedelta(1))
    await post.deliver(letter(proved(credentials=[issue.credential(issuer, said)])))
    assert await post.boxes() == (1, 0, 0, 0)
    await post.deliver(letter(proved(credentials=[issue.credential(somebody(), said)])))
    await post.deliver(letter(proved(OTHER, credentials=[issue.credential(issuer, said)])))  # about Nora, not them
    assert await post.boxes() == (1, 2, 0, 0)


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_bodies_are_hashed_the_same_however_they_are_cut(cut: int) -> None:
    for body in (b"", b"\r\n", b"a", b"a\r\n", b"a\r\n\r\n\r\n", b"a\r\n\r\nb\r\n", b"a\n\n", b"a\r\r\n"):
        made = BodyHash()
        for start in range(0, len(body), cut):
            made.update(body[start : start + cut])
        assert made.digest() == hashed(body)
    assert hashed(b"a\r\n\r\n\r\n") == hashed(b"a\r\n") == hashed(b"a")
    assert hashed(b"a\r\n\r\nb") != hashed(b"a\r\nb")


async def test_a_gate_before_sending_as_an_alias(house: Any) -> None:
    database = house.premises.database
    keeper = Doorkeeper(database, Evaluator({}), 0)
    submit = Submit(house.premises, Gate(database, keeper), lambda: None, keeper=keeper)
    rule = write_rule(parse_rule('{"did": "did:web:press.example"}'))

    def alias(tx: Any) -> None:
        aliases.add(tx, house.transaction("press@house.example").recipients[0], house.ann.id, may_send=True)
        gates.put(tx, "send", "press@house.example", rule, "finalized")

    await database.write(alias)
    session = house.session()
    session.account = house.ann

    async def sends(sender: str, author: str) -> int:
        transaction = house.transaction("bob@house.example", sender=sender)
        reply = await submit.sender(session, transaction)
        if reply.code == 250:
            content = f"From: {author}\r\n\r\nhello\r\n".encode()
            reply = await submit.finish(session, transaction, await house.incoming(content))
        return int(reply.code)

    assert await sends("ann@house.example", "ann@house.example") == 250
    assert await sends("press@house.example", "press@house.example") == 550
    assert await sends("ann@house.example", "press@house.example") == 550  # the From field counts as well
    await database.write(lambda tx: accounts.bind(tx, house.ann.id, "did:web:press.example"))
    assert await sends("press@house.example", "press@house.example") == 250
    group = write_rule(parse_rule('{"group": "staff"}'))
    await database.write(lambda tx: gates.put(tx, "send", "press@house.example", group, "finalized"))
    assert await sends("press@house.example", "press@house.example") == 451
