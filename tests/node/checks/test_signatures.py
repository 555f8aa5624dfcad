"""Signatures of mail that came in: small, large, and when the DNS is slow or the header has no end."""

from __future__ import annotations

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.checks.panel import Subject
from node.checks.signatures import examine
from node.mailauth.arc import ArcResult
from node.mailauth.arc_seal import seal
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim_sign import BODY, SigningKey, sign
from node.mailauth.result import Result
from node.store.incoming import Incoming
from tests.node.mailauth.zone import Zone

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000
KEY = SigningKey("example.org", "e1", Ed25519PrivateKey.generate())
ZONE = Zone({"e1._domainkey.example.org": (KEY.record.encode(),)})


def _signed(lines: int, chained: bool = False) -> bytes:
    header, body = b"From: ann@example.org\r\nSubject: hi\r\n", b"Hello \t you.\r\n" * lines
    fields, digest = header_fields(header), body_hashes(body, [BODY])[BODY]
    header = sign(fields, digest, [KEY], NOW) + header
    if chained:
        header = (
            seal(header_fields(header), digest, ArcResult(Result.NONE), "mx.example.org; none", KEY, now=NOW) + header
        )
    return header + b"\r\n" + body


def _subject(content: bytes, seen: int = 256 << 10, source: Incoming | None = None) -> Subject:
    return Subject(content[:seen], len(content), "ann@example.org", ("bob@house.example",), "192.0.2.1", source=source)


@pytest.mark.parametrize("lines", [0, 1, 5_000, 150_000])
async def test_the_whole_body_counts_wherever_it_lies(tmp_path, lines: int) -> None:
    content = _signed(lines, chained=True)
    for changed, result in ((content, Result.PASS), (content + b"PS: pay here\r\n", Result.FAIL)):
        incoming = Incoming(tmp_path)
        await incoming.write(changed)
        found = await examine(_subject(changed, source=incoming), ZONE, NOW)
        await incoming.aclose()
        assert [one.result for one in found.dkim] == [result]
        assert found.arc.result is result


async def test_mail_without_signatures_is_not_even_read() -> None:
    class Unread:
        async def read(self, start: int, length: int) -> bytes:
            raise AssertionError("nobody asked for a hash")

    content = b"From: ann@example.org\r\n\r\nHello\r\n"
    subject = Subject(content, 1 << 20, "", (), "192.0.2.1", source=Unread())
    found = await examine(subject, Zone(), NOW)
    assert (found.dkim, found.arc.result) == ((), Result.NONE)


async def test_a_dns_that_never_answers_costs_a_deadline_and_no_mail() -> None:
    class Silent(Zone):
        async def txt(self, name: str) -> tuple[bytes, ...]:
            await trio.sleep_forever()
            raise AssertionError(name)

    found = await examine(_subject(_signed(1, chained=True)), Silent(), NOW, seconds=0.01)
    assert [one.result for one in found.dkim] == [Result.TEMPERROR]
    assert found.arc.result is Result.TEMPERROR


async def test_a_header_without_an_end_is_not_verified() -> None:
    content = b"X: " + b"x" * 1000 + b"\r\n" + _signed(1)
    found = await examine(_subject(content, seen=500), ZONE, NOW)
    assert [one.result for one in found.dkim] == [Result.PERMERROR]
