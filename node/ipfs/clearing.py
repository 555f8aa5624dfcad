"""Clearing the block store: trees whose message is gone, and blocks that belong to nothing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

from node.base.errors import Temporary
from node.base.log import get_log
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, Blocks
from node.ipfs.cid import Cid
from node.ipfs.unixfs import blocks_of
from node.store import links, parts
from node.store.database import Database
from node.store.transaction import Reading

log = get_log(__name__)

BATCH = 500  # blocks deleted in one call

Work = Callable[[], Awaitable[object]]


async def sweep(database: Database, blocks: Blocks, forget: Callable[[bytes], None]) -> int:
    """Remove the trees of orphaned parts, then their rows; cut short at any point it can be done again.

    Args:
        forget: called with the reference of each part that goes.
    """
    orphans = [part for part in await database.read(parts.loose) if part.cid]
    for part in orphans:
        forget(part.reference)
        if not await database.read(partial(parts.is_shared, cid=part.cid, reference=part.reference)):
            await _remove_tree(blocks, Cid.from_bytes(part.cid))
        await database.write(partial(parts.forget, reference=part.reference))
        log.info("offload.removed", cid=str(Cid.from_bytes(part.cid)))
    return len(orphans)


async def collect_garbage(database: Database, blocks: Blocks) -> int:
    """Remove every block that no part's tree holds, and the rows of parts that a crash left begun.

    No part may be written to the store meanwhile; links may: a link is begun in the database before its first block,
    so it is known when the database is asked after the blocks were listed. Remembers every block's CID.

    Raises:
        BlockError: a tree cannot be read whole, so nobody can tell what is garbage; nothing was removed.
        Temporary: a link is being written, likewise.
    """
    begun = [part.reference for part in await database.read(parts.loose) if not part.cid]
    present = [cid async for cid in blocks.ids()]
    needed: set[bytes] = set()
    for root in await database.read(_roots):
        needed.update([cid.digest async for cid in blocks_of(blocks.get, Cid.from_bytes(root))])
    garbage = [cid for cid in present if cid.digest not in needed]
    for at in range(0, len(garbage), BATCH):
        await blocks.delete(garbage[at : at + BATCH])
    for reference in begun:
        await database.write(partial(parts.forget, reference=reference))
    if garbage or begun:
        log.info("offload.garbage", blocks=len(garbage), begun_parts=len(begun))
    return len(garbage)


def _roots(tx: Reading) -> list[bytes]:
    """Every tree that somebody needs."""
    if writing := links.being_written(tx, int(time.time())):
        raise Temporary(f"{writing} attachments are being written as links: collect garbage again in a while")
    return parts.roots(tx) + links.roots(tx)


async def _remove_tree(blocks: Blocks, root: Cid) -> None:
    """Children go before their parents; below a node that is missing everything went before it."""
    batch: list[Cid] = []
    async with aclosing(blocks_of(blocks.get, root, unless=(BlockMissing, BlockCorrupt))) as cids:
        async for cid in cids:
            batch.append(cid)
            if len(batch) == BATCH:
                await blocks.delete(batch)
                batch = []
    await blocks.delete(batch)
