"""A message as it was once signed, forwarded twice and kept: it has to verify for ever, whatever becomes of signing."""

from __future__ import annotations

from pathlib import Path

import dkim
import pytest

from node.mailauth.arc import ArcCheck
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim import DkimCheck
from node.mailauth.result import Result
from tests.node.mailauth.zone import Zone

pytestmark = pytest.mark.anyio

VECTORS = Path(__file__).parent / "vectors"
MESSAGE = (VECTORS / "forwarded.eml").read_bytes()
RECORDS = dict(line.split(" ", 1) for line in (VECTORS / "zone.txt").read_text().splitlines())


async def test_it_verifies() -> None:
    header, _, body = MESSAGE.partition(b"\r\n\r\n")
    fields, zone = header_fields(header), Zone({name: (text.encode(),) for name, text in RECORDS.items()})
    check, chain = DkimCheck(fields, 1_700_000_000), ArcCheck(fields)
    hashes = body_hashes(body, (*check.forms, *chain.forms))
    results = await check.results(hashes, zone)
    assert [(one.result, one.domain, one.algorithm) for one in results] == [
        (Result.PASS, "author.example", "rsa-sha256"),
        (Result.PASS, "author.example", "ed25519-sha256"),
    ]
    found = await chain.result(hashes, zone)
    assert (found.result, found.sealers) == (Result.PASS, ("list.example", "relay.example"))


def test_dkimpy_agrees() -> None:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        return RECORDS[name.decode().rstrip(".")].encode()

    signatures = dkim.DKIM(MESSAGE)
    assert all(signatures.verify(idx=number, dnsfunc=dns) for number in (0, 1))
    assert dkim.arc_verify(MESSAGE, dnsfunc=dns)[0] == b"pass"
