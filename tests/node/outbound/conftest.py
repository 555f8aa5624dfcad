"""A name server of our own on loopback, and a store with something to send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from node.store.blobs import Blobs
from node.store.database import Database


class Zone:
    """Records by (name, type); a name without any does not exist, "fail" answers SERVFAIL."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}

    def add(self, name: str, kind: str, *values: str) -> None:
        self.records[name, kind] = list(values)

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        values = self.records.get((name, kind), [])
        if values == ["fail"]:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def resolver(zone: Zone) -> AsyncIterator[dns.asyncresolver.Resolver]:
    """A real resolver that asks a real server, which answers from `zone`."""
    socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await socket.bind(("127.0.0.1", 0))
    found = dns.asyncresolver.Resolver(configure=False)
    found.nameservers = ["127.0.0.1"]
    found.port = socket.getsockname()[1]
    found.lifetime = 2.0

    async def serve() -> None:
        while True:
            wire, peer = await socket.recvfrom(4096)
            await socket.sendto(zone.answer(wire), peer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield found
        nursery.cancel_scope.cancel()
    socket.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "waxseal.db") as opened:
        yield opened


@pytest.fixture
def blobs(database: Database, tmp_path: Path) -> Blobs:
    return Blobs(database, tmp_path)
