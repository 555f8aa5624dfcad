"""What a program beside the running node does with the block store: old garbage, and archives for backup and moving."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import trio

from node.base.errors import Permanent
from node.ipfs import car
from node.ipfs.blockstore import Blocks, LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.unixfs import Block, Fetch, blocks_of
from node.store import trees
from node.store.database import Database

BATCH = 8 << 20  # octets stored and flushed together

Moved = Callable[[], None]


@dataclass(slots=True)
class Taken:
    """What was read from an archive: blocks, their octets, and the roots its header names."""

    blocks: int = 0
    octets: int = 0
    roots: tuple[Cid, ...] = ()


async def collect_old(database: Database, fetch: Fetch, local: LocalBlocks, before: float, moved: Moved) -> int:
    """Remove blocks that no tree holds that somebody needs, and that were put before a moment; return how many went.

    Unlike `clearing.collect_garbage` this may run while the node writes.

    Args:
        before: seconds since 1970.
        moved: called after each tree.

    Raises:
        BlockError: a tree cannot be read whole, so nobody can tell what is garbage; nothing was removed.
    """
    present = [cid async for cid in local.ids()]  # before the database is asked: what comes later is young anyway
    needed: set[bytes] = set()
    for root in await database.read(trees.roots):
        async with aclosing(blocks_of(fetch, Cid.from_bytes(root))) as cids:
            async for cid in cids:
                needed.add(cid.digest)
        moved()
    return await local.delete_older([cid for cid in present if cid.digest not in needed], before)


async def export(fetch: Fetch, roots: list[Cid], moved: Moved) -> AsyncGenerator[bytes, None]:
    """A CARv1 archive of trees, each block once, children before parents; at most `car.MAX_ROOTS` are named as roots.

    Raises:
        BlockError: a block cannot be had; the archive is cut off.
    """
    yield car.header(roots[: car.MAX_ROOTS])
    seen: set[bytes] = set()
    for root in roots:
        async with aclosing(blocks_of(fetch, root)) as cids:
            async for cid in cids:
                if bytes(cid) not in seen:
                    seen.add(bytes(cid))
                    yield car.section(Block(cid, await fetch(cid)))
        moved()


async def take(path: Path, blocks: Blocks, moved: Callable[[int], None]) -> Taken:
    """Store the blocks of a CARv1 archive, each checked. What stands before a damaged place stays stored.

    Args:
        moved: called with the octets read so far.

    Raises:
        CarError: it is no archive, or damaged.
        Permanent: the file cannot be read.
    """
    decoder, taken = car.Decoder(), Taken()
    pieces = _pieces(path)
    try:
        held: list[Block] = []
        size = read = 0
        while piece := await trio.to_thread.run_sync(next, pieces, b""):
            read += len(piece)
            found = await trio.to_thread.run_sync(decoder.feed, piece)
            held += found
            size += sum(len(block.data) for block in found)
            if size >= BATCH:
                await _store(blocks, held, taken)
                held, size = [], 0
            moved(read)
        taken.roots = decoder.finish()
        await _store(blocks, held, taken)
    except OSError as error:
        raise Permanent(f"cannot read {path}: {error.strerror or error}") from error
    finally:
        pieces.close()
    return taken


async def _store(blocks: Blocks, held: list[Block], taken: Taken) -> None:
    if held:
        await blocks.put(held)
        taken.blocks += len(held)
        taken.octets += sum(len(block.data) for block in held)


def _pieces(path: Path) -> Generator[bytes, None, None]:
    with path.open("rb") as file:
        while piece := file.read(car.CHUNK):
            yield piece
