"""ARC chains of our own: sealed by several hands, broken on the way, and the words of dkimpy on them."""

from __future__ import annotations

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from node.mailauth.arc import ArcCheck, ArcResult
from node.mailauth.arc_seal import seal
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim_sign import BODY, SigningKey
from node.mailauth.resolver import DnsTemporary
from node.mailauth.result import Result
from tests.node.mailauth.zone import Zone

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000
LIST = SigningKey("list.example.org", "a", generate_private_key(65537, 2048))
RELAY = SigningKey("relay.example.net", "b", generate_private_key(65537, 2048))
ED = SigningKey("ed.example.net", "c", Ed25519PrivateKey.generate())
RECORDS = {f"{key.selector}._domainkey.{key.domain}": (key.record.encode(),) for key in (LIST, RELAY, ED)}
MESSAGE = b"From: ann@example.com\r\nTo: all@list.example.org\r\nSubject: Hello\r\n\r\nHello all\r\n"


def split(message: bytes) -> tuple[bytes, bytes]:
    header, _, body = message.partition(b"\r\n\r\n")
    return header + b"\r\n", body


async def judged(message: bytes, zone: Zone | None = None) -> ArcResult:
    header, body = split(message)
    check = ArcCheck(header_fields(header))
    return await check.result(body_hashes(body, check.forms), zone or Zone(RECORDS))


async def forwarded(message: bytes, key: SigningKey, results: str = "spf=pass") -> bytes:
    header, body = split(message)
    found = await judged(message)
    digest = body_hashes(body, [BODY])[BODY]
    return seal(header_fields(header), digest, found, f"{key.domain}; {results}", key, now=NOW) + message


async def test_a_chain_of_three_hands() -> None:
    message = MESSAGE
    for key in (LIST, RELAY, LIST):
        message = await forwarded(message, key)
    result = await judged(message)
    assert (result.result, result.length) == (Result.PASS, 3)
    assert result.sealers == ("list.example.org", "relay.example.net", "list.example.org")
    assert result.reported.strip() == b"list.example.org; spf=pass"
    assert result.shown().comment.startswith("i=3")


async def test_dkimpy_passes_our_chain() -> None:
    message = await forwarded(await forwarded(MESSAGE, LIST), RELAY)
    found, _, reason = dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: RECORDS[name.decode().rstrip(".")][0])
    assert found == b"pass", reason


async def test_ed25519_seals() -> None:
    assert (await judged(await forwarded(MESSAGE, ED))).result is Result.PASS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello all", b"Hello you"),
        (b"Subject: Hello", b"Subject: Hallo"),
        (b"spf=pass", b"spf=fail"),
        (b"cv=none", b"cv=pass"),
        (b"i=2; a=", b"i=3; a="),
        (b"d=list.example.org", b"d=relay.example.net"),
        (b"ARC-Seal:", b"X-Seal:"),
    ],
)
async def test_whatever_is_changed_breaks_the_chain(old: bytes, new: bytes) -> None:
    message = await forwarded(await forwarded(MESSAGE, LIST), RELAY)
    assert old in message
    assert (await judged(message.replace(old, new, 1))).result is Result.FAIL


async def test_a_broken_chain_is_said_to_be_broken_once() -> None:
    message = (await forwarded(MESSAGE, LIST)).replace(b"Hello all", b"Hello you")
    sealed = await forwarded(message, RELAY)
    assert b"i=2; a=rsa-sha256; d=relay.example.net; s=b; t=1700000000; cv=fail" in b" ".join(sealed.split())
    result = await judged(sealed)
    assert (result.result, result.reason) == (Result.FAIL, "the last hand found the chain broken")
    assert await forwarded(sealed, LIST) == sealed


async def test_no_more_than_fifty_hands() -> None:
    message = MESSAGE
    for _ in range(50):
        message = await forwarded(message, ED)
    assert (await judged(message)).length == 50
    assert await forwarded(message, ED) == message
    assert (await judged(message.replace(b"ARC-Seal: i=50", b"ARC-Seal: i=51"))).result is Result.FAIL


async def test_when_the_dns_does_not_answer_nothing_is_said() -> None:
    message = await forwarded(MESSAGE, LIST)
    result = await judged(message, Zone({"a._domainkey.list.example.org": DnsTemporary("no answer")}))
    assert result.result is Result.TEMPERROR
    header, body = split(message)
    assert seal(header_fields(header), body_hashes(body, [BODY])[BODY], result, "x; none", RELAY, now=NOW) == b""


async def test_results_cannot_bring_a_field_of_their_own() -> None:
    sealed = await forwarded(MESSAGE, LIST, "spf=pass\r\nBcc: evil@example.com")
    assert b"\r\nBcc:" not in sealed
    assert (await judged(sealed)).result is Result.PASS
