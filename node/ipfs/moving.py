"""Moves octets of one stored message into the block store, sealed: large attachments, or all that is left of it.

In order:

1. It is found what leaves the message.
2. Each part is begun in the database, so that a crash hides no blocks.
3. It is sealed and written as a UnixFS tree, flushed.
4. It is read back through the store, opened, and compared with the message.
5. One transaction puts the recipe in place of the content and keeps the parts; the old content goes after it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs import wraps
from node.ipfs.blockstore import Blocks
from node.ipfs.cid import Cid
from node.ipfs.cipher import FILE_ID, fastest
from node.ipfs.convergent import derive, secret_for, sha256
from node.ipfs.cut import Attachment, Comparison, Octets, Outline, archived, attachments, recipe, whole
from node.ipfs.keys import Keys
from node.ipfs.seal import new_header, new_key
from node.ipfs.sealed_file import Lock, read_leaves, write
from node.ipfs.unixfs import CLASSIC
from node.mail.buffer import Buffer, readable
from node.store import blobs, part_keys, parts
from node.store.blobs import Blobs, Form, Piece
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.parts import ARCHIVED, Candidate
from node.store.transaction import Writing

log = get_log(__name__)

_CLEARING_SECONDS = 30  # for removing what was written in vain


@dataclass(frozen=True, slots=True)
class _Leaving:
    """One content on its way out of a message.

    Attributes:
        reference: 16 octets; the file id too, but where equal contents are kept once.
        position: where it begins in the message, or `ARCHIVED`.
        content: runs in a worker thread.
        comparison: for what comes back.
    """

    reference: bytes
    lock: Lock
    position: int
    name: str
    content: Callable[[], Iterable[bytes]]
    comparison: Callable[[], Comparison]

    @property
    def size(self) -> int:
        return self.lock.header.size


@dataclass(frozen=True, slots=True)
class _Move:
    """What becomes of a message: from which form to which, and the parts and pieces for it."""

    candidate: Candidate
    before: Form
    after: Form
    leaving: Sequence[_Leaving]
    recipe: Callable[[], list[Piece]]


class Mover:
    """Moves one message at a time; what was written in vain is removed again.

    Attributes:
        writing: held while blocks are written that belong to no part yet; garbage collection must wait for it.
    """

    def __init__(self, database: Database, stored: Blobs, blocks: Blocks, keys: Keys) -> None:
        self.writing = trio.Lock()
        self._database = database
        self._blobs = stored
        self._blocks = blocks
        self._keys = keys

    async def cut(self, candidate: Candidate, threshold: int) -> int:
        """Move the large attachments of one stored message; return how many went. Twice is no harm.

        Raises:
            Temporary: disk or database cannot take it now; the message is as it was.
            Permanent: what was written does not read back; the message is as it was.
        """
        about = await self._database.read(partial(blobs.about, blob_id=candidate.blob_id))
        if about is None or about[2] >= Form.PIECES:
            return 0
        async with self._laid_out(candidate.blob_id, [(0, about[1])]) as buffer:
            if await trio.to_thread.run_sync(_sha256, buffer) != about[0]:
                raise Permanent("the stored message is damaged: restore it from a backup")
            found = await trio.to_thread.run_sync(attachments, buffer, threshold)  # step 1
            if not found:
                return 0
            secret = await self._database.read(partial(secret_for, keys=self._keys, account_id=candidate.account_id))
            leaving = [await trio.to_thread.run_sync(_attachment, buffer, one, secret) for one in found]
            pieces = [(one.reference, attachment) for one, attachment in zip(leaving, found, strict=True)]
            await self._move(
                _Move(candidate, about[2], Form.PIECES, leaving, partial(recipe, buffer, pieces)), "offload.cut"
            )
        return len(found)

    async def archive(self, candidate: Candidate) -> bool:
        """Move all of a message that the database still keeps, as one tree; False when there is nothing left to do.

        Raises:
            Temporary, Permanent: as `cut`.
        """
        about = await self._database.read(partial(blobs.about, blob_id=candidate.blob_id))
        if about is None or about[2] is Form.ARCHIVE:
            return False
        outline = await self._database.read(partial(blobs.outline, blob_id=candidate.blob_id))
        async with self._laid_out(candidate.blob_id, _kept_here(outline)) as buffer:
            if about[2] < Form.PIECES and await trio.to_thread.run_sync(_sha256, buffer) != about[0]:
                raise Permanent("the stored message is damaged: restore it from a backup")
            one = await trio.to_thread.run_sync(_rest, buffer)
            move = _Move(
                candidate, about[2], Form.ARCHIVE, [one] if one.size else [], partial(archived, outline, one.reference)
            )
            await self._move(move, "offload.archived")
        return True

    @asynccontextmanager
    async def _laid_out(self, blob_id: int, spans: Iterable[tuple[int, int]]) -> AsyncIterator[Buffer]:
        """Spans (start, length) of a stored message, one behind the other; a file where they are large."""
        content = Incoming(self._database.path.parent)
        try:
            for start, length in spans:
                async with aclosing(self._blobs.stream(blob_id, start, length)) as chunks:
                    async for chunk in chunks:
                        await content.write(chunk)
            with content.view() as view:
                yield readable(view)
        finally:
            await content.aclose()

    async def _move(self, move: _Move, event: str) -> None:
        written: list[Cid] = []
        async with self.writing:
            try:
                await self._database.write(partial(_begin, leaving=move.leaving))  # step 2
                roots = [await self._store(one, written) for one in move.leaving]
                await self._swap(move, roots)
            except BaseException:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLEARING_SECONDS):
                    await self._abandon(move.leaving, written)
                raise
        for one, root in zip(move.leaving, roots, strict=True):
            metrics.offloaded_bytes.inc(one.size)
            log.info(event, blob=move.candidate.blob_id, cid=str(root), size=one.size)

    async def _store(self, one: _Leaving, written: list[Cid]) -> Cid:
        """Steps 3 and 4: write, read back, compare."""
        root = await self._same_tree(one)
        if root is None:
            root = (await write(self._blocks, one.lock, one.content(), written)).cid
            if not await self._reads_back(one, root):
                raise Permanent("an attachment did not come back from the block store as it was")
        return root

    async def _same_tree(self, one: _Leaving) -> Cid | None:
        """The tree that another message keeps of the very same content, if there is one and it is whole."""
        header = one.lock.header
        if one.reference == header.file_id:  # a fresh key: nothing is sealed like it
            return None
        known = await self._database.read(partial(part_keys.tree_sealed_as, header=header.encode()))
        if known is None:
            return None
        root = Cid.from_bytes(known)
        try:
            whole_there = await self._reads_back(one, root)
        except Temporary:  # a block is missing or damaged: written again, the others have it back, too
            whole_there = False
        if not whole_there:
            again = await write(self._blocks, one.lock, one.content(), [])  # not to be removed: others need it
            if again.cid != root or not await self._reads_back(one, root):
                raise Permanent("an attachment that is kept once for several messages does not read back")
        metrics.deduplicated_bytes.inc(one.size)
        return root

    async def _reads_back(self, one: _Leaving, root: Cid) -> bool:
        comparison = one.comparison()
        async with aclosing(read_leaves(self._blocks, one.lock, root)) as leaves:
            async for content in leaves:
                await trio.to_thread.run_sync(comparison.add, content)
        return comparison.finish()

    async def _swap(self, move: _Move, roots: Sequence[Cid]) -> None:
        """Step 5."""
        blob_id, account_id = move.candidate.blob_id, move.candidate.account_id
        pieces = await trio.to_thread.run_sync(move.recipe)

        def work(tx: Writing) -> None:
            about = blobs.about(tx, blob_id)
            if about is None:
                raise Permanent("the message was deleted while its attachments were being moved")
            if about[2] is not move.before:
                raise Permanent("somebody else moved the message's attachments meanwhile")
            blobs.replace_by_pieces(tx, blob_id, pieces, move.after)
            for one, root in zip(move.leaving, roots, strict=True):
                key, reference = one.lock.key, one.reference
                wraps.keep(tx, self._keys, key, account_id, reference=reference, blob_id=blob_id, root=bytes(root))

        await self._database.write(work)

    async def _abandon(self, leaving: Sequence[_Leaving], written: Sequence[Cid]) -> None:
        """Remove what was written, unless the swap was committed after all; what hinders that is said and left."""
        references = {one.reference for one in leaving}
        try:
            begun = [part.reference for part in await self._database.read(parts.loose) if part.reference in references]
            if len(begun) == len(leaving):
                await self._blocks.delete(written)
                await self._database.write(partial(_forget, references=begun))
        except WaxsealError as error:
            log.warning("offload.clearing_failed", error=str(error))


def _attachment(buffer: Buffer, one: Attachment, secret: bytes | None) -> _Leaving:
    """The attachment with a fresh lock, or with the one that its content has under the tenant's secret."""
    if secret is None:
        lock = Lock(new_header(one.size, CLASSIC.chunk), new_key())
        reference = lock.header.file_id
    else:
        digest = sha256(one.content(buffer))
        lock = Lock(*derive(secret, digest, one.size, CLASSIC.chunk, fastest()))
        reference = secrets.token_bytes(FILE_ID)
    return _Leaving(reference, lock, one.start, one.name, partial(one.content, buffer), partial(one.comparison, buffer))


def _rest(buffer: Buffer) -> _Leaving:
    lock = Lock(new_header(len(buffer), CLASSIC.chunk), new_key())
    content, comparison = partial(whole, buffer), partial(Octets, buffer, 0, len(buffer))
    return _Leaving(lock.header.file_id, lock, ARCHIVED, "", content, comparison)


def _kept_here(outline: Outline) -> list[tuple[int, int]]:
    """(start, length) in the message of what the database keeps."""
    spans, at = [], 0
    for piece, size in outline:
        if piece is None:
            spans.append((at, size))
        at += size
    return spans


def _sha256(buffer: Buffer) -> bytes:
    return hashlib.sha256(buffer).digest()


def _begin(tx: Writing, leaving: Sequence[_Leaving]) -> None:
    for one in leaving:
        header = one.lock.header.encode()
        parts.begin(
            tx, one.reference, position=one.position, header=header, profile=CLASSIC.name, size=one.size, name=one.name
        )


def _forget(tx: Writing, references: Sequence[bytes]) -> None:
    for reference in references:
        parts.forget(tx, reference)
