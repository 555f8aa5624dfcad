"""What an IMAP client sees of offloaded and archived messages: what was there before, or a refusal that says so."""

from __future__ import annotations

import base64
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import delete, select

from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.unixfs import blocks_of
from node.store import blobs, parts
from node.store.blobs import Form
from node.store.parts import Candidate
from node.store.schema import blob, part_key
from node.store.statement import Statement

pytestmark = pytest.mark.anyio

VECTORS = Path(__file__).parents[4] / ".." / "shared" / "vectors" / "mime"
MEMORY = Path("/dev/shm")
GENERATED = 1000
SIGNED_EVERY = 10
MAX_VECTOR = 1 << 20
SPEECH = ("the quick brown fox", "jumps =over= the", "lazy dog.", "Grüße", "--cut", "From here", ">From there", "")
TYPES = (
    "application/octet-stream",
    "IMAGE/PNG; name=a.png",
    "text/html; charset=utf-8",
    "application/pdf; name*=x''%e2",
)
ENCODINGS = (b"base64", b"BASE64", b"Base64 ", b" base64", b"base64 (comment)", b"\tbase64")
_LOSE_KEYS = Statement(delete(part_key))
_FORMS = Statement(select(blob.c.form))


# --- messages of all kinds --------------------------------------------------------------------------------------------


class Sender:
    """Writes messages as all the mail programs of the world do, some of them wrong."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.end = self.random.choice([b"\r\n", b"\r\n", b"\r\n", b"\n"])

    def message(self) -> bytes:
        head = [b"From: a@b.example", b"To:\tann@waxseal.test", b"Subject: number %d" % self.random.randrange(10**9)]
        head += [b"Date: Mon, 7 Feb 1994 21:52:25 -0800", b"X-Folded: one", b"\ttwo", b"MIME-Version: 1.0"]
        return self.end.join(head) + self.end + self.entity(3)

    def entity(self, depth: int) -> bytes:
        kind = self.random.random()
        if depth and kind < 0.45:
            return self.multipart(depth)
        if depth and kind < 0.55:
            return (
                b"Content-Type: message/rfc822" + self.end * 2 + b"Subject: inside" + self.end + self.entity(depth - 1)
            )
        return self.base64() if kind < 0.9 else self.text()

    def multipart(self, depth: int) -> bytes:
        # The same boundary in a multipart and in the one around it, now and then: senders do that.
        boundary = b"cut" if self.random.random() < 0.3 else b"cut%d" % self.random.randrange(1000)
        cut = self.end + b"--" + boundary
        out = (
            b"Content-Type: multipart/mixed;"
            + self.end
            + b'\tboundary="'
            + boundary
            + b'"'
            + self.end * 2
            + b"preamble"
        )
        for _ in range(self.random.randint(0, 3)):
            out += cut + self.random.choice([b"", b"", b" ", b"\t"]) + self.end + self.entity(depth - 1)
        ending = self.random.choice([b"--", b"--", b"--  ", b""])
        return out + cut + ending + self.random.choice([b"", self.end, self.end + b"epilogue" + self.end])

    def text(self) -> bytes:
        flowed = self.random.choice(["", "; format=flowed", "; format=flowed; delsp=yes"])
        spoken = [
            (self.random.choice(SPEECH) + self.random.choice(["", " "])).encode()
            for _ in range(self.random.randint(0, 20))
        ]
        head = (
            f"Content-Type: text/plain{flowed}".encode() + self.end + b"Content-Transfer-Encoding: 8bit" + self.end * 2
        )
        return head + self.end.join(spoken)

    def base64(self) -> bytes:
        width = self.random.choice([60, 64, 72, 76, 76, 76, 75, 77, 1000])
        text = base64.b64encode(self.random.randbytes(self.random.choice([0, 1, 2, 3, 57, 300, 900, 2000])))
        body = bytearray(self.end.join(text[at : at + width] for at in range(0, len(text), width)))
        self.spoil(body)
        kind = self.random.choice(TYPES).encode()
        head = (
            b"Content-Type: "
            + kind
            + self.end
            + b"Content-Transfer-Encoding:"
            + self.random.choice(ENCODINGS)
            + self.end
        )
        return (
            head
            + self.end
            + bytes(body)
            + self.random.choice([b"", b"", self.end, self.end * 3, self.end + b"-- " + self.end + b"list footer"])
        )

    def spoil(self, body: bytearray) -> None:
        """One base64 body in three is not as it should be."""
        way = self.random.randrange(12)
        if way == 0:
            while body.endswith(b"="):
                del body[-1]
        elif way == 1:
            at = self.random.randint(0, len(body))
            body[at:at] = self.random.choice([b" ", b"=", b"\r\n", b"\n", b"\r", b"A", b"*", b"AB==", b"\0"])
        elif way == 2:
            body[:] = body.replace(b"\r\n", b"\n", 1)
        elif way == 3:
            body[:] = body.replace(b"\n", b" \n")


def vectors() -> Iterator[bytes]:
    for path in sorted(VECTORS.rglob("*")):
        if path.is_file() and path.suffix not in {".json", ".xml", ".bin"} and 0 < path.stat().st_size <= MAX_VECTOR:
            yield path.read_bytes()


class Signer:
    """Signs with DKIM by an implementation that is not ours, and asks it again later."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, 1024)
        self.private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def sign(self, content: bytes) -> bytes:
        line: bytes = dkim.sign(content, b"s", b"b.example", self.private, include_headers=[b"from", b"subject"])
        return line + content

    def verdict(self, content: bytes) -> bool:
        return bool(dkim.verify(content, dnsfunc=lambda *_args, **_named: self.record, minkey=1024))


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


class Client:
    """What a client can ask about a mailbox's messages."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    async def section(self, number: int, item: str) -> bytes:
        line, _ = await self.raw.ok(f"FETCH {number} (BODY.PEEK{item})")
        found = re.match(rb"\* \d+ FETCH \(BODY\[[^]]*\](?:<\d+>)? \{\d+\}\r\n", line)
        assert found, line[:200]
        return bytes(line[found.end() : -1])

    async def facts(self, searches: list[str]) -> list[list[bytes]]:
        """Sizes and structures of all, and what searches find."""
        known = await self.raw.ok("FETCH 1:* (RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
        return [known, *[await self.raw.ok(f"SEARCH {each}") for each in searches]]


async def move(house: Any, stored: list[Any], archived: slice) -> tuple[int, int]:
    """Offload all, archive some; how many were offloaded in parts and how many whole."""
    candidates = [Candidate(one.blob_id, house.ann.id) for one in stored]
    moved = 0
    for one in candidates:
        moved += bool(await house.offload.cut(one))
    wanted = {one.blob_id for one in candidates[archived]}
    whole = 0
    for one in dict.fromkeys(candidates):
        if one.blob_id in wanted:
            whole += await house.offload.put_away(one)
    return moved, whole


async def test_no_client_can_tell(open_house: Any, memory_folder: Path) -> None:
    """A thousand generated messages and all vectors: whole, by section and by random ranges, octet for octet."""
    chance, signer = random.Random(7), Signer()
    sent = [Sender(seed).message() for seed in range(GENERATED)]
    signed = {number: signer.sign(sent[number]) for number in range(0, GENERATED, SIGNED_EVERY)}
    verdicts = {number: signer.verdict(content) for number, content in signed.items()}
    assert sum(verdicts.values()) > GENERATED // SIGNED_EVERY // 2, "most of what is signed verifies"
    sent = [signed.get(number, content) for number, content in enumerate(sent)]
    sent += vectors()
    searches = ["SUBJECT number", "BODY brown", "TEXT lazy", "HEADER X-Folded two", "LARGER 1000"]
    async with open_house(memory_folder) as house:
        stored = [await house.deliver(content) for content in sent]
        client = Client(await house.ready())
        before = await client.facts(searches)
        moved, whole = await move(house, stored, slice(0, None, 3))
        assert moved > GENERATED // 3
        assert whole >= GENERATED // 3
        assert await client.facts(searches) == before
        for number, content in enumerate(sent, 1):
            found = await client.section(number, "[]")
            assert found == content
            start, length = chance.randrange(len(content) + 1), chance.randrange(1, 3000)
            assert await client.section(number, f"[]<{start}.{length}>") == content[start : start + length]
            if number - 1 in verdicts:
                assert signer.verdict(found) == verdicts[number - 1]


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no vectors at {VECTORS}")
def test_there_are_vectors() -> None:
    assert sum(1 for _ in vectors()) > 250


# --- what fails -------------------------------------------------------------------------------------------------------


def parcel(*contents: bytes) -> bytes:
    head = b"From: a@b.example\r\nSubject: parcel\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    parts = [b"--x\r\n\r\nSee the files.\r\n"]
    for content in contents:
        text = base64.b64encode(content)
        body = b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
        parts.append(b"--x\r\nContent-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\n" + body + b"\r\n")
    return head + b"".join(parts) + b"--x--\r\n"


async def leaves_of(house: Any, stored: Any, number: int) -> list[Path]:
    """The files of the leaves of a message's attachment, in their order."""
    about = await house.database.read(lambda tx: blobs.about(tx, stored.blob_id))
    found = await house.database.read(lambda tx: parts.of_message(tx, about[0]))
    directory = house.database.path.parent / "blocks"
    tree = blocks_of(LocalBlocks(directory).get, Cid.from_bytes(found[number].cid))
    cids = [cid async for cid in tree if cid.codec is Codec.RAW]
    return [next(directory.rglob(str(cid))) for cid in cids]


NOISE = random.Random(3).randbytes(1_000_000)


@pytest.mark.parametrize("damage", ["missing", "rotten"])
async def test_what_needs_a_bad_block_is_refused_and_all_else_is_served(serving: Any, damage: str) -> None:
    async with serving() as house:
        broken, sound = parcel(NOISE, b"small" * 40), parcel(NOISE[::-1])
        stored = [await house.deliver(each) for each in (broken, sound)]
        await move(house, stored, slice(0))
        leaf = (await leaves_of(house, stored[0], 0))[2]
        good = leaf.read_bytes()
        leaf.unlink() if damage == "missing" else leaf.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        raw = await house.ready()
        client = Client(raw)
        for item in ("BODY[]", "RFC822", "BODY[2]", "BODY[TEXT]", "BODY[]<600000.700000>", "BODY[1] BODY[2]"):
            lines = await raw.run(f"FETCH 1 ({item})")
            assert lines[-1].startswith(b"NO [UNAVAILABLE] For now the content of message 1 cannot be read"), lines[-1]
            assert not [line for line in lines[:-1] if b"BODY[" in line or b"RFC822" in line], "nothing half sent"
        assert await client.section(1, "[1]") == b"See the files."
        assert base64.b64decode(await client.section(1, "[3]")) == b"small" * 40
        assert await client.section(1, "[]<0.500000>") == broken[:500_000]
        assert await client.section(1, "[]<1300000.100000>") == broken[1_300_000:1_400_000]
        assert await client.section(2, "[]") == sound
        await raw.ok("FETCH 1:2 (ENVELOPE BODYSTRUCTURE RFC822.SIZE)")
        lines = await raw.run("FETCH 1:2 (UID BODY.PEEK[])")
        assert lines[-1].startswith(b"NO [UNAVAILABLE]")
        assert len(lines) == 2
        assert lines[0].startswith(b"* 2 FETCH (UID 2 BODY[] {%d}\r\n" % len(sound))
        assert (await raw.run("SEARCH BODY nowhere"))[-1].startswith(b"NO [UNAVAILABLE]")
        assert (await raw.ok("SEARCH SUBJECT parcel"))[0] == b"* SEARCH 1 2"
        leaf.write_bytes(good)
        assert await client.section(1, "[]") == broken


async def test_an_archived_message_with_a_bad_block_keeps_its_place(serving: Any) -> None:
    async with serving() as house:
        stored = [await house.deliver(b"Subject: %d\r\n\r\nHello.\r\n" % number) for number in range(3)]
        await move(house, stored, slice(1, 2))
        (block,) = [path for path in (house.database.path.parent / "blocks").glob("??/*") if path.is_file()]
        block.write_bytes(b"rotten")
        raw = await house.ready()
        lines = await raw.run("FETCH 1:3 (UID BODY.PEEK[TEXT])")
        assert [line.partition(b"(")[0] for line in lines[:-1]] == [b"* 1 FETCH ", b"* 3 FETCH "]
        assert lines[-1].startswith(b"NO [UNAVAILABLE]")
        await raw.ok("STORE 2 +FLAGS (\\Seen)")
        assert b'"1"' in (await raw.ok("FETCH 2 ENVELOPE"))[0]


async def test_an_attachment_whose_key_is_lost_is_damaged_for_good(serving: Any) -> None:
    async with serving() as house:
        stored = await house.deliver(parcel(NOISE))
        await move(house, [stored], slice(0))
        await house.database.write(lambda tx: tx.execute(_LOSE_KEYS) and None)
        raw = await house.ready()
        assert (await raw.run("FETCH 1 BODY[2]"))[-1].startswith(b"NO [CORRUPTION] What is stored of the content")
        assert await Client(raw).section(1, "[1]") == b"See the files."


async def test_appended_messages_are_offloaded_as_they_come(serving: Any) -> None:
    async with serving() as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.offload.run)
        raw = await house.ready()
        content = parcel(NOISE[:5000])
        assert b"APPENDUID" in await raw.append("INBOX", content)
        await house.offload.idle()
        forms = await house.database.read(lambda tx: tx.execute(_FORMS))
        assert forms == [(Form.PIECES,)]
        await raw.ok("NOOP")
        assert await Client(raw).section(1, "[]") == content
        nursery.cancel_scope.cancel()
