"""Sealed files in a block store: written while the content streams by, read back by range, always checked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import trio

from node.ipfs.blockstore import Blocks
from node.ipfs.cid import Cid
from node.ipfs.seal import Header
from node.ipfs.unixfs import CLASSIC, Block, Builder, Profile, Root, read

BATCH = 8 << 20  # octets sealed in one hop to a thread, and flushed together


@dataclass(frozen=True, slots=True)
class Lock:
    """What opens a sealed file: its header and its content key."""

    header: Header
    key: bytes

    def __repr__(self) -> str:
        return f"Lock({self.header!r})"  # never the key


async def write(
    blocks: Blocks, lock: Lock, content: Iterable[bytes], written: list[Cid], profile: Profile = CLASSIC
) -> Root:
    """Seal and store a content of exactly `lock.header.size` octets; durable when this returns.

    Args:
        content: runs in a worker thread, a batch at a time; its chunks may have any size.
        written: takes the name of every block before it is stored, so that a failure can be cleared away.

    Raises:
        Temporary: the store cannot take it; what was stored so far is garbage.
        ValueError: the content has another size.
    """
    tree = _Tree(lock, content, profile)
    while batch := await trio.to_thread.run_sync(tree.batch):
        written += [block.cid for block in batch]
        await blocks.put(batch)
    assert tree.root is not None
    return tree.root


async def read_leaves(
    blocks: Blocks, lock: Lock, root: Cid, first: int = 0, last: int | None = None
) -> AsyncGenerator[bytes, None]:
    """The opened content of leaves `first` to `last` (inclusive), one by one.

    Raises:
        BlockError: a block is missing or damaged.
        SealError, DagError: a block is not what was sealed at its place.
    """
    header = lock.header
    last = header.leaves - 1 if last is None else last
    start = first * header.chunk
    length = min((last + 1) * header.chunk, header.sealed_size) - start
    index = first
    async with aclosing(read(blocks.get, root, header.sealed_size, start, length)) as leaves:
        async for leaf in leaves:
            yield await trio.to_thread.run_sync(header.open, lock.key, index, leaf)
            index += 1


class _Tree:
    """Seals and builds in batches; `root` is known after the last one."""

    def __init__(self, lock: Lock, content: Iterable[bytes], profile: Profile) -> None:
        if lock.header.chunk != profile.chunk:
            raise ValueError("a sealed leaf is as long as a leaf of the tree")
        self._blocks = self._build(lock, content, Builder(profile))
        self.root: Root | None = None

    def batch(self) -> list[Block]:
        """The next few blocks, none when the tree is finished."""
        taken: list[Block] = []
        size = 0
        for block in self._blocks:
            taken.append(block)
            size += len(block.data)
            if size >= BATCH:
                break
        return taken

    def _build(self, lock: Lock, content: Iterable[bytes], builder: Builder) -> Iterator[Block]:
        for index, leaf in enumerate(_leaves(lock.header, content)):
            yield from builder.leaf(lock.header.seal(lock.key, index, leaf))
        blocks, self.root = builder.finish()
        yield from blocks


def _leaves(header: Header, content: Iterable[bytes]) -> Iterator[bytes]:
    """The content cut where the leaves end."""
    held = bytearray()
    index, room = 0, header.room(0)
    for chunk in content:
        held += chunk
        while len(held) >= room and index < header.leaves - 1:
            yield bytes(held[:room])
            del held[:room]
            index += 1
            room = header.room(index)
    start, stop = header.span(index)
    if index != header.leaves - 1 or len(held) != stop - start:
        raise ValueError("the content has another size than its header says")
    yield bytes(held)
