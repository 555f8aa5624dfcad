"""Mail from outside gets one Authentication-Results of ours, true whatever the sender wrote, and is kept anyhow.

The DNS is a server of our own on loopback, asked by the node's own resolver.
"""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage

import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.base.address import parse_address
from node.base.reply import Reply
from node.checks.mailauth import MailAuthCheck
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel, Subject
from node.flow.accept import Accept
from node.mailauth import authres
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim_sign import BODY, SigningKey, sign
from node.mailauth.result import Result
from node.net.dns_auth import DnsAuth, open_resolver

pytestmark = pytest.mark.anyio
HEADER = b"From: nora@example.org\r\nSubject: hello\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
BODY_TEXT = b"Hello.\r\n"
KEY = SigningKey("example.org", "s1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


class Zone:
    """Records by (name, type); `silent` answers nothing at all."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], str] = {
            ("example.org", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"',
            ("mx.example.org", "TXT"): '"v=spf1 a -all"',
            ("mx.example.org", "A"): "192.0.2.7",
            ("7.2.0.192.in-addr.arpa", "PTR"): "mx.example.org.",
            ("_dmarc.example.org", "TXT"): '"v=DMARC1; p=reject"',
            ("s1._domainkey.example.org", "TXT"): f'"{KEY.record}"',
        }
        self.silent = False
        self.names: list[str] = []

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.names.append(name)
        reply = dns.message.make_response(query, recursion_available=True)
        if value := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, value))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return None if self.silent else reply.to_wire()


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def resolver(zone: Zone) -> AsyncIterator[DnsAuth]:
    socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await socket.bind(("127.0.0.1", 0))

    async def serve() -> None:
        while True:
            wire, peer = await socket.recvfrom(4096)
            if (reply := zone.answer(wire)) is not None:
                await socket.sendto(reply, peer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield DnsAuth(open_resolver([("127.0.0.1", socket.getsockname()[1])]))
        nursery.cancel_scope.cancel()
    socket.close()


async def _kept(house, check: MailAuthCheck, content: bytes, sender: str = "nora@example.org") -> EmailMessage:
    transaction = house.transaction("ann@house.example", sender=sender)
    reply = await Accept(house.premises, Panel((check,))).finish(
        house.session(), transaction, await house.incoming(content)
    )
    assert reply.code == 250
    (kept,) = await house.contents(house.ann)
    found = email.message_from_bytes(kept, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def _results(message: EmailMessage) -> dict[str, Result]:
    (value,) = message.get_all("Authentication-Results")
    read = authres.parse(str(value).encode())
    assert read is not None
    assert read.authserv_id == "mx.house.example"
    return {
        f"{each.method} {'.'.join(key for key, _ in each.properties[:1])}".strip(): each.result for each in read.results
    }


def _signed() -> bytes:
    body = body_hashes(BODY_TEXT, [BODY])[BODY]
    return sign(header_fields(HEADER), body, [KEY], int(time.time())) + HEADER + b"\r\n" + BODY_TEXT


async def test_everything_that_holds_is_told(house, resolver: DnsAuth) -> None:
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example"), _signed())
    assert _results(message) == {
        "iprev policy.iprev": Result.PASS,
        "spf smtp.mailfrom": Result.PASS,
        "spf smtp.helo": Result.PASS,
        "dkim header.d": Result.PASS,
        "dmarc header.from": Result.PASS,
    }
    names = [name for name in message if not name.startswith("X-")]
    assert names[:3] == ["Return-Path", "Authentication-Results", "Received"]


async def test_what_fails_is_told_and_kept_all_the_same(house, zone: Zone, resolver: DnsAuth) -> None:
    zone.records["example.org", "TXT"] = '"v=spf1 -all"'
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example"), _signed().replace(b"Hello.", b"Pay me."))
    found = _results(message)
    assert found["spf smtp.mailfrom"] is Result.FAIL
    assert found["dkim header.d"] is Result.FAIL
    assert found["dmarc header.from"] is Result.FAIL


async def test_forged_results_under_our_name_go_and_others_stay(house, resolver: DnsAuth) -> None:
    forged = (
        b"Authentication-Results: mx.house.example; dmarc=pass header.from=bank.example\r\n"
        b"authentication-results:\r\n (really) MX.House.Example 1; spf=pass\r\n"
        b"Authentication-Results: mx.elsewhere.example; spf=pass smtp.mailfrom=example.org\r\n"
    )
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example"), forged + _signed())
    ours, theirs = message.get_all("Authentication-Results")
    assert str(theirs).startswith("mx.elsewhere.example;")
    assert "bank.example" not in str(ours)


async def test_a_forged_field_goes_where_nobody_looks_too(house) -> None:
    class Fine:
        async def content(self, subject: Subject) -> Opinion:
            return Opinion(Reason.FINE)

    content = b"Authentication-Results: mx.house.example; spf=pass\r\n" + HEADER + b"\r\n" + BODY_TEXT
    transaction = house.transaction("ann@house.example")
    reply: Reply = await Accept(house.premises, Panel((Fine(),))).finish(
        house.session(), transaction, await house.incoming(content)
    )
    assert reply.code == 250
    (kept,) = await house.contents(house.ann)
    assert b"authentication-results" not in kept.lower()
    assert kept.endswith(HEADER + b"\r\n" + BODY_TEXT)


async def test_a_silent_dns_is_a_temperror_and_the_mail_passes(house, zone: Zone, resolver: DnsAuth) -> None:
    zone.silent = True
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example", seconds=0.1), _signed())
    assert set(_results(message).values()) == {Result.TEMPERROR}


async def test_a_bounce_is_judged_by_helo(house, resolver: DnsAuth) -> None:
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example"), HEADER + b"\r\n" + BODY_TEXT, sender="")
    found = _results(message)
    assert "spf smtp.mailfrom" not in found
    assert found["spf smtp.helo"] is Result.PASS
    assert found["dkim"] is Result.NONE


SUBJECT = Subject(
    HEADER + b"\r\n" + BODY_TEXT, len(HEADER) + 10, "nora@example.org", ("a@b.example",), "192.0.2.7", "mx.example.org"
)


async def test_mail_of_this_machine_is_not_from_outside(zone: Zone, resolver: DnsAuth) -> None:
    check = MailAuthCheck(resolver, "mx.house.example")
    for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", ""):
        assert not (await check.content(replace(SUBJECT, peer=peer))).results
    assert not zone.names


@pytest.mark.parametrize("helo", ["", "[192.0.2.7]", "a b\r\nX: y", "x" * 300, "ünïcode.example", "localhost"])
@pytest.mark.parametrize("sender", ["", '"a b"@example.org', "nora@[192.0.2.7]", "nörä@exämple.org"])
async def test_whatever_a_client_calls_itself(resolver: DnsAuth, helo: str, sender: str) -> None:
    opinion = await MailAuthCheck(resolver, "mx.house.example").content(replace(SUBJECT, helo=helo, sender=sender))
    assert opinion.reply is None
    field = authres.field("mx.house.example", opinion.results)
    assert field.endswith(b"\r\n")
    assert not any(line.startswith(b"X:") for line in field.split(b"\r\n"))


async def test_a_large_body_is_read_piece_by_piece(house, resolver: DnsAuth) -> None:
    text = b"A line of text.\r\n" * 60_000  # 1 MB: more than the checks hold in memory
    body = body_hashes(text, [BODY])[BODY]
    content = sign(header_fields(HEADER), body, [KEY], int(time.time())) + HEADER + b"\r\n" + text
    message = await _kept(house, MailAuthCheck(resolver, "mx.house.example"), content)
    assert _results(message)["dkim header.d"] is Result.PASS


async def test_the_envelope_is_asked_about_while_the_message_arrives(house, zone: Zone, resolver: DnsAuth) -> None:
    async with trio.open_nursery() as nursery:  # ends when all has been asked
        check = MailAuthCheck(resolver, "mx.house.example", nursery=nursery)
        accept = Accept(house.premises, Panel((check,), arriving=check.arriving))
        transaction = house.transaction()
        for name in ("ann", "bob"):
            address = parse_address(f"{name}@house.example")
            assert (await accept.recipient(house.session(), transaction, address)).code == 250
            transaction.recipients.append(address)
    ahead = sorted(zone.names)
    assert ahead == ["7.2.0.192.in-addr.arpa", "example.org", "mx.example.org", "mx.example.org"]
    await accept.finish(house.session(), transaction, await house.incoming(_signed()))
    assert sorted({*zone.names} - {*ahead}) == ["_dmarc.example.org", "s1._domainkey.example.org"]
    assert len(zone.names) == len(ahead) + 2
    check.arriving("127.0.0.1", "localhost", "")
    check.arriving("rubbish", "", "")
