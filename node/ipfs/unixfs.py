"""UnixFS files as trees of blocks: built while the content streams by, read back by byte range.

The trees are those of the reference implementations (balanced layout, raw leaves, a lone leaf is its own root), so the
same bytes get the same CID here and in Kubo, js-ipfs or helia with the same profile. Memory while building is one row
of links per level, whatever the size; a read touches the leaves it needs and the nodes above them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from node.ipfs import dagpb
from node.ipfs.cid import Cid, Codec
from node.ipfs.dagpb import DagError, Link

MAX_BLOCK = 2 << 20  # octets: what IPFS nodes agree to exchange; nothing larger is written or believed
MAX_DEPTH = 16  # of a tree being read; 174 links a node reach 2^50 octets in 5


@dataclass(frozen=True, slots=True)
class Profile:
    """What must be equal for two builders to give one CID.

    Attributes:
        name: stored beside the CID.
        chunk: octets of a leaf.
        links: children of a node.
    """

    name: str
    chunk: int
    links: int


CLASSIC = Profile("unixfs-classic", 256 << 10, 174)
"""What Kubo and js-ipfs have built for years with `--cid-version 1`."""
V1_2025 = Profile("unixfs-v1-2025", 1 << 20, 1024)
"""IPIP-499's profile of this name."""
PROFILES = (CLASSIC, V1_2025)


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes and the CID that names them."""

    cid: Cid
    data: bytes


@dataclass(frozen=True, slots=True)
class Root:
    """A finished tree: its root block's CID, the file's size in octets, the octets of all its blocks."""

    cid: Cid
    size: int
    tree_size: int


class Builder:
    """Builds one file's tree, leaf by leaf.

    Each call returns the blocks that are finished by it, children before parents; the caller stores them. `finish`
    gives the last blocks and the root.
    """

    def __init__(self, profile: Profile = CLASSIC) -> None:
        self.profile = profile
        self._levels: list[list[Link]] = [[]]
        self._ended = False

    def leaf(self, data: bytes) -> list[Block]:
        """Add the next leaf: `profile.chunk` octets, fewer only for the last one."""
        if self._ended or not 0 < len(data) <= self.profile.chunk:
            raise ValueError("a leaf is empty, too large, or stands behind a short one")
        self._ended = len(data) < self.profile.chunk
        block = Block(Cid.of(Codec.RAW, data), data)
        return [block, *self._add(0, Link(block.cid, len(data), len(data)))]

    def finish(self) -> tuple[list[Block], Root]:
        """Close every open node; an empty file is one empty raw leaf."""
        self._ended = True
        if self._levels == [[]]:
            empty = Block(Cid.of(Codec.RAW, b""), b"")
            return [empty], Root(empty.cid, 0, 0)
        blocks: list[Block] = []
        level = 0
        while level + 1 < len(self._levels) or len(self._levels[level]) > 1:
            if self._levels[level]:
                blocks += self._close(level)
            level += 1
        top = self._levels[level][0]
        return blocks, Root(top.cid, top.file_size, top.tree_size)

    def _add(self, level: int, link: Link) -> list[Block]:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(link)
        return self._close(level) if len(self._levels[level]) == self.profile.links else []

    def _close(self, level: int) -> list[Block]:
        links = self._levels[level]
        data = dagpb.encode(links)
        block = Block(Cid.of(Codec.DAG_PB, data), data)
        size = sum(link.file_size for link in links)
        self._levels[level] = []
        above = Link(block.cid, len(data) + sum(link.tree_size for link in links), size)
        return [block, *self._add(level + 1, above)]


Fetch = Callable[[Cid], Awaitable[bytes]]
"""Gives a block by its CID; the bytes are checked here, so the source need not be trusted."""
Pieces = AsyncGenerator[bytes, None]
Cids = AsyncGenerator[Cid, None]
Blocks = AsyncGenerator[Block, None]


async def read(fetch: Fetch, root: Cid, size: int, start: int = 0, length: int | None = None) -> Pieces:
    """The bytes of a file from `start`, leaf by leaf, each checked against its CID before any of it is given out.

    Args:
        size: what the file's record says its size is; a tree of another size is refused.

    Raises:
        DagError: a block is not what its CID or its parent promises, or the tree is too deep.
    """
    stop = size if length is None else min(size, start + length)
    if start < stop or size == 0:
        async with aclosing(_walk(fetch, Link(root, 0, size), start, stop, MAX_DEPTH)) as pieces:
            async for piece in pieces:
                yield piece


async def blocks_of(fetch: Fetch, root: Cid, *, unless: tuple[type[Exception], ...] = ()) -> Cids:
    """The CIDs of a file's tree, children before their parents; leaves are named, not fetched.

    This is the order of deletion: as long as a parent stands, what is left below it can still be found.

    Args:
        unless: errors of `fetch` that mean there is nothing to be found below a node; others end the walk.
    """
    async with aclosing(_below(fetch, root, MAX_DEPTH, unless)) as cids:
        async for cid in cids:
            yield cid


async def dag(fetch: Fetch, root: Cid) -> Blocks:
    """Every block of a file's tree, parents before children, depth first, as often as the tree names it.

    Raises:
        DagError: a block is not what its CID names, or the tree is too deep.
    """
    async with aclosing(_tree(fetch, root, MAX_DEPTH)) as blocks:
        async for block in blocks:
            yield block


async def _tree(fetch: Fetch, cid: Cid, depth: int) -> Blocks:
    if depth == 0:
        raise DagError(f"the tree is deeper than {MAX_DEPTH}")
    data = await _block(fetch, cid)
    yield Block(cid, data)
    if cid.codec is Codec.DAG_PB:
        for link in dagpb.decode(data).links:
            async with aclosing(_tree(fetch, link.cid, depth - 1)) as below:
                async for block in below:
                    yield block


async def _below(fetch: Fetch, cid: Cid, depth: int, unless: tuple[type[Exception], ...]) -> Cids:
    if cid.codec is Codec.DAG_PB:
        if depth == 0:
            raise DagError(f"the tree is deeper than {MAX_DEPTH}")
        try:
            links = dagpb.decode(await _block(fetch, cid)).links
        except unless:
            links = ()
        for link in links:
            async with aclosing(_below(fetch, link.cid, depth - 1, unless)) as below:
                async for child in below:
                    yield child
    yield cid


async def _walk(fetch: Fetch, link: Link, start: int, stop: int, depth: int) -> Pieces:
    """Octets start..stop of the file under `link`, both counted from its own beginning."""
    if depth == 0:
        raise DagError(f"the tree is deeper than {MAX_DEPTH}")
    block = await _block(fetch, link.cid)
    if link.cid.codec is Codec.RAW:
        yield _leaf(link, block)[start:stop]
        return
    node = dagpb.decode(block)
    if node.file_size != link.file_size:
        raise DagError(f"block {link.cid} holds {node.file_size} octets, its parent says {link.file_size}")
    if node.data or not node.links:
        yield node.data[start:stop]
        return
    at = 0
    for child in node.links:
        if at < stop and at + child.file_size > start:
            part = _walk(fetch, child, max(0, start - at), min(child.file_size, stop - at), depth - 1)
            async with aclosing(part) as pieces:
                async for piece in pieces:
                    yield piece
        at += child.file_size


def _leaf(link: Link, block: bytes) -> bytes:
    if len(block) != link.file_size:
        raise DagError(f"leaf {link.cid} holds {len(block)} octets, its parent says {link.file_size}")
    return block


async def _block(fetch: Fetch, cid: Cid) -> bytes:
    block = await fetch(cid)
    if len(block) > MAX_BLOCK or not cid.names(block):
        raise DagError(f"the block given for {cid} is another one")
    return block
