"""Offloaded attachments as the store of messages reads them: decoded octets of a part by range."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from node.base.errors import Permanent
from node.ipfs.blockstore import Blocks
from node.ipfs.cid import Cid
from node.ipfs.keys import Keys
from node.ipfs.seal import Header
from node.ipfs.sealed_file import Lock, read_leaves
from node.ipfs.wraps import open_key
from node.store import parts
from node.store.database import Database
from node.store.transaction import Reading

KEPT_LEAVES = 32  # opened leaves remembered: 8 MiB, and a stream of small windows opens each leaf once


@dataclass(frozen=True, slots=True)
class _Opened:
    """A part that can be read."""

    reference: bytes
    lock: Lock
    root: Cid


class SealedParts:
    """Reads parts; implements `node.store.blobs.Parts`."""

    def __init__(self, database: Database, blocks: Blocks, keys: Keys) -> None:
        self._database = database
        self._blocks = blocks
        self._keys = keys
        self._opened: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()

    async def read(self, reference: bytes, start: int, length: int) -> bytes:
        """Exactly `length` decoded octets from `start`, touching only the leaves they lie in.

        Raises:
            Temporary: a block is missing or damaged, or the database does not answer.
            Permanent: there is no such part, or so many octets in it, or it does not open.
        """
        part = await self._database.read(partial(_find, keys=self._keys, reference=reference))
        header = part.lock.header
        if start < 0 or length < 0 or start + length > header.size:
            raise Permanent(f"an offloaded attachment has {header.size} octets, asked for {start}+{length}")
        if not length:
            return b""
        first, last = header.leaf_at(start), header.leaf_at(start + length - 1)
        before = header.span(first)[0]
        content = await self._leaves(part, first, last)
        return content[start - before : start - before + length]

    def forget(self, reference: bytes) -> None:
        """Drop what is remembered of a part that is being deleted."""
        for place in [place for place in self._opened if place[0] == reference]:
            del self._opened[place]

    async def _leaves(self, part: _Opened, first: int, last: int) -> bytes:
        """Leaves `first` to `last` joined; what is remembered at either end is not fetched again."""
        reference = part.reference
        head, tail = [], []
        while first <= last and (known := self._remembered(reference, first)) is not None:
            head.append(known)
            first += 1
        while first <= last and (known := self._remembered(reference, last)) is not None:
            tail.append(known)
            last -= 1
        fresh = []
        if first <= last:
            fresh = [content async for content in read_leaves(self._blocks, part.lock, part.root, first, last)]
            for index, content in list(enumerate(fresh, first))[-KEPT_LEAVES:]:
                self._remember(reference, index, content)
        return b"".join([*head, *fresh, *reversed(tail)])

    def _remembered(self, reference: bytes, index: int) -> bytes | None:
        content = self._opened.get((reference, index))
        if content is not None:
            self._opened.move_to_end((reference, index))
        return content

    def _remember(self, reference: bytes, index: int, content: bytes) -> None:
        self._opened[reference, index] = content
        while len(self._opened) > KEPT_LEAVES:
            self._opened.popitem(last=False)


def _find(tx: Reading, keys: Keys, reference: bytes) -> _Opened:
    found = parts.get(tx, reference)
    if found is None:
        raise Permanent("an attachment of this message is not in the block store's records: restore the database")
    part, _ = found
    lock = Lock(Header.decode(part.header), open_key(tx, keys, reference))
    return _Opened(reference, lock, Cid.from_bytes(part.cid))
