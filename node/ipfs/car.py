"""Content-addressed archives (CARv1), streaming: blocks in a row behind a header that names their roots.

IPLD's CARv1 specification: `varint(length) header`, then `varint(length) CID block` for each block. The header is
canonical DAG-CBOR, `{"roots": [CID, ...], "version": 1}`. An archive comes from others: every length is bounded before
anything of it is held, every block is checked against its CID before it is given out, and an archive that ends inside
a block is told from one that ends behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import BinaryIO

import trio

from node.base.errors import Permanent
from node.ipfs.cid import SIZE as CID_SIZE
from node.ipfs.cid import Cid, CidError
from node.ipfs.dagpb import varint
from node.ipfs.unixfs import MAX_BLOCK, Block, Fetch, dag

MAX_ROOTS = 1024
MAX_HEADER = 64 << 10  # octets; 1,024 roots take 42 KiB
CHUNK = 256 << 10  # octets of a file read at a time

_MAX_VARINT = 4  # octets: lengths up to 2^28, far above what is believed
_QUICK = 16 << 10  # octets that are hashed without a thread
_ROOTS = b"\x65roots"
_VERSION = b"\x67version"
_LINK = b"\xd8\x2a\x58\x25\x00"  # CBOR tag 42, 37 octets, multibase "identity"


class CarError(Permanent):
    """The octets are no CARv1 archive, or a block in it is not what its CID names; the message says where."""


def header(roots: Sequence[Cid]) -> bytes:
    """The archive's beginning.

    Raises:
        ValueError: more than `MAX_ROOTS` roots.
    """
    if len(roots) > MAX_ROOTS:
        raise ValueError(f"an archive has at most {MAX_ROOTS} roots")
    body = (
        b"\xa2" + _ROOTS + _head(4, len(roots)) + b"".join(_LINK + bytes(root) for root in roots) + _VERSION + b"\x01"
    )
    return varint(len(body)) + body


def section(block: Block) -> bytes:
    """One block as it stands in the archive."""
    return varint(CID_SIZE + len(block.data)) + bytes(block.cid) + block.data


def write(roots: Sequence[Cid], blocks: Iterable[Block]) -> Iterator[bytes]:
    """An archive in pieces: the header, then a piece for each block."""
    yield header(roots)
    for block in blocks:
        yield section(block)


async def of_tree(fetch: Fetch, root: Cid) -> AsyncGenerator[bytes, None]:
    """The archive of one file's tree in pieces: parents before children, depth first, a block as often as it is needed.

    That is the order a trustless gateway gives (`order=dfs; dups=y`), and what lets a reader check as it goes.

    Raises:
        BlockError, DagError: what `unixfs.dag` raises; the archive is then cut off.
    """
    yield header([root])
    async with aclosing(dag(fetch, root)) as blocks:
        async for block in blocks:
            yield section(block)


class Decoder:
    """Reads an archive however it is cut: `feed` what came, `finish` at its end. Holds one block and what it is fed.

    Attributes:
        roots: the roots once the header was seen, until then None. An archive need not hold their blocks.
    """

    def __init__(self) -> None:
        self.roots: tuple[Cid, ...] | None = None
        self._held = bytearray()
        self._at = 0  # octets of the archive before `_held`

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that are whole now, each checked.

        Raises:
            CarError: it is no archive this node reads, or damaged. Nothing behind that place can be read.
        """
        self._held += data
        blocks: list[Block] = []
        at = 0
        while (span := self._span(at)) is not None:
            start, stop = span
            if stop > len(self._held):
                break
            body = bytes(memoryview(self._held)[start:stop])
            if self.roots is None:
                self.roots = _roots(body)
            else:
                blocks.append(self._block(body, at))
            at = stop
        del self._held[:at]
        self._at += at
        return blocks

    def finish(self) -> tuple[Cid, ...]:
        """The roots; the archive ends here.

        Raises:
            CarError: it is cut off.
        """
        if self.roots is None or self._held:
            raise CarError(f"the archive is cut off at octet {self._at + len(self._held)}: fetch it again")
        return self.roots

    def _span(self, at: int) -> tuple[int, int] | None:
        """Where the header or section at `at` begins behind its length and where it ends; None while nobody knows."""
        length = shift = 0
        for offset, octet in enumerate(self._held[at : at + _MAX_VARINT]):
            length |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                if octet == 0 and offset:
                    raise CarError(f"the length at octet {self._at + at} is not written in its shortest form")
                self._check_length(length, at)
                return at + offset + 1, at + offset + 1 + length
        if shift == 7 * _MAX_VARINT:
            raise CarError(f"the length at octet {self._at + at} is beyond all bounds: this is no CARv1 archive")
        return None

    def _check_length(self, length: int, at: int) -> None:
        if self.roots is None and not 0 < length <= MAX_HEADER:
            raise CarError(f"the archive's header claims {length} octets, at most {MAX_HEADER} are read")
        if self.roots is not None and not CID_SIZE <= length <= CID_SIZE + MAX_BLOCK:
            bounds = f"{CID_SIZE} to {CID_SIZE + MAX_BLOCK}"
            raise CarError(f"the section at octet {self._at + at} claims {length} octets, {bounds} are read")

    def _block(self, body: bytes, at: int) -> Block:
        try:
            cid = Cid.from_bytes(body[:CID_SIZE])
        except CidError as error:
            raise CarError(f"the block at octet {self._at + at}: {error}") from error
        data = body[CID_SIZE:]
        if not cid.names(data):
            raise CarError(f"the block at octet {self._at + at} is not the one that {cid} names")
        return Block(cid, data)


def load(file: BinaryIO) -> Iterator[Block]:
    """The blocks of an archive in a file, in a worker thread or a program that has nothing else to do.

    Raises:
        CarError: see `Decoder`.
        OSError: the file cannot be read.
    """
    decoder = Decoder()
    while data := file.read(CHUNK):
        yield from decoder.feed(data)
    decoder.finish()


async def read(chunks: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[Block, None]:
    """The blocks of an archive that comes in chunks, hashed in a thread when they are large.

    Args:
        decoder: a fresh one; its `roots` are known before the first block comes.

    Raises:
        CarError: see `Decoder`; blocks given out before are good.
    """
    async for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            piece = chunk[at : at + CHUNK]
            quick = len(piece) <= _QUICK
            for block in decoder.feed(piece) if quick else await trio.to_thread.run_sync(decoder.feed, piece):
                yield block
    decoder.finish()


def _roots(body: bytes) -> tuple[Cid, ...]:
    """The header's roots; it has one spelling, so it is taken apart in order."""
    if body[:1] == b"\xa1" and body[1:] == _VERSION + b"\x02":
        raise CarError(
            "this is a CARv2 archive, CARv1 is read here: extract its payload (car extract, or ipfs dag export)"
        )
    if body[: 1 + len(_ROOTS)] != b"\xa2" + _ROOTS:
        raise CarError("the archive's header is not DAG-CBOR with roots and version 1")
    count, at = _array(body, 1 + len(_ROOTS))
    if count > MAX_ROOTS:
        raise CarError(f"the archive names {count} roots, at most {MAX_ROOTS} are read")
    step = len(_LINK) + CID_SIZE
    if body[at + count * step :] != _VERSION + b"\x01":
        raise CarError("the archive's header is damaged, of another version, or names roots of another kind than CIDv1")
    links = [body[start : start + step] for start in range(at, at + count * step, step)]
    if any(not link.startswith(_LINK) for link in links):
        raise CarError("a root in the archive's header is no CIDv1 over SHA-256")
    try:
        return tuple(Cid.from_bytes(link[len(_LINK) :]) for link in links)
    except CidError as error:
        raise CarError(f"a root in the archive's header: {error}") from error


def _head(major: int, number: int) -> bytes:
    """A CBOR item's head in its shortest form (RFC 8949 §3); numbers below 65,536."""
    if number < 24:
        return bytes((major << 5 | number,))
    return bytes((major << 5 | 24, number)) if number < 256 else bytes((major << 5 | 25,)) + number.to_bytes(2, "big")


def _array(body: bytes, at: int) -> tuple[int, int]:
    """The number of items of the array whose head stands at `at`, and where they begin."""
    for size in (1, 2, 3):
        number = body[at] & 0x1F if size == 1 and at < len(body) else int.from_bytes(body[at + 1 : at + size], "big")
        if body[at : at + size] == _head(4, number):
            return number, at + size
    raise CarError("the roots in the archive's header are no array, or not written in their shortest form")
