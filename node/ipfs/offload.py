"""Cuts large attachments out of stored messages, keeps them sealed in the block store, and clears up after deletion.

A listener of the change feed: mail was delivered long before, and whatever goes wrong here leaves a message whole. In
order, for each message:

1. Its attachments are found that re-encode to the very octets of the message.
2. Each part is begun in the database, so that a crash hides no blocks.
3. It is sealed and written as a UnixFS tree, flushed.
4. It is read back through the store, opened, encoded, and compared with the message.
5. One transaction puts the recipe in place of the content and keeps the parts; the old content goes after it.

Deleting a message's blob removes its keys in the same transaction; `sweep` removes the blocks. `collect_garbage` finds
blocks no part refers to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs import clearing
from node.ipfs.blockstore import Blocks, LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.cut import Attachment, Comparison, attachments, decoded, recipe
from node.ipfs.seal import Keys, new_header, new_key
from node.ipfs.sealed_file import Lock, read_leaves, write
from node.ipfs.sealed_parts import SealedParts
from node.ipfs.unixfs import CLASSIC
from node.mail.buffer import Buffer, readable
from node.store import blobs, changes, parts
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.parts import Candidate, WrappedKey
from node.store.transaction import Writing

log = get_log(__name__)

CURSOR = "offload"
THRESHOLD = 1 << 20  # decoded octets
CHANGES = 500  # looked at together
RETRY_SECONDS = (5, 30, 120, 600)  # after each failure that may pass; then the message is left whole
SWEEP_SECONDS = 60
PAUSE_SECONDS = 0.1  # between two looks at the feed: a busy node commits hundreds of times a second
CURSOR_EVERY = 5000  # changes; looking at that many again after a restart costs less than a commit for each look


@dataclass(frozen=True, slots=True)
class _Cut:
    """One attachment on its way out of a message."""

    attachment: Attachment
    lock: Lock

    @property
    def reference(self) -> bytes:
        return self.lock.header.file_id


@dataclass(frozen=True, slots=True)
class _Later:
    """A message whose attachments could not be moved, to be tried again."""

    candidate: Candidate
    attempts: int
    due: float


class Offload:
    """Moves attachments; `parts` reads them back for `node.store.blobs.Blobs`.

    Args:
        database: the node's; large content is laid out in its directory while it is cut.
        threshold: attachments of so many decoded octets or more leave the message.
    """

    def __init__(self, database: Database, blocks: Blocks, keys: Keys, threshold: int = THRESHOLD) -> None:
        self.parts = SealedParts(database, blocks, keys)
        self._database = database
        self._blobs = Blobs(database, database.path.parent, self.parts)
        self._blocks = blocks
        self._keys = keys
        self._threshold = threshold
        self._writing = trio.Lock()  # blocks being written belong to no part yet: garbage collection must wait
        self._seen = 0
        self._saved = 0
        self._moved = trio.Event()
        self._later: dict[int, _Later] = {}

    @classmethod
    def open(cls, database: Database, blocks: Path, keys: Path, threshold: int = THRESHOLD) -> Offload:
        """With the embedded block store in one folder and the node's attachment key in another.

        Raises:
            ConfigError: the key file cannot be used.
        """
        return cls(database, LocalBlocks(blocks), Keys.open(keys), threshold)

    async def run(self) -> None:
        """Follow the change feed for ever; clear up what a crash or a deletion left."""
        self._seen = self._saved = await self._database.read(partial(changes.cursor, name=CURSOR))
        if any(not part.cid for part in await self._database.read(parts.loose)):
            await self._quietly(self.collect_garbage)
        async with self._database.watch_all() as watch:
            while True:
                await self._catch_up()
                await self._try_again()
                await self._quietly(self.sweep)
                with trio.move_on_after(self._next_look()):
                    await watch.wait()
                await trio.sleep(PAUSE_SECONDS)

    async def idle(self) -> None:
        """Wait until every change committed before this call was looked at. `run` must be running."""
        target = await self._database.read(changes.last)
        while self._seen < target:
            await self._moved.wait()

    async def of_message(self, sha256: bytes) -> list[tuple[str, Cid, int]]:
        """What was cut out of a message: (file name or "", CID of the sealed tree, decoded octets), in its order."""
        found = await self._database.read(partial(parts.of_message, sha256=sha256))
        return [(part.name, Cid.from_bytes(part.cid), part.size) for part in found]

    async def sweep(self) -> int:
        """Remove the blocks of parts whose message is gone; return how many parts went."""
        return await clearing.sweep(self._database, self._blocks, self.parts.forget)

    async def collect_garbage(self) -> int:
        """Remove blocks that belong to no part, and what a crash left of parts; return how many blocks went.

        Raises:
            BlockError: a tree that is needed cannot be read whole, so nobody can tell what is garbage.
        """
        async with self._writing:
            return await clearing.collect_garbage(self._database, self._blocks)

    async def cut(self, candidate: Candidate) -> int:
        """Move the large attachments of one stored message; return how many went. Twice is no harm.

        Raises:
            Temporary: disk or database cannot take it now; the message is as it was.
            Permanent: what was written does not read back; the message is as it was.
        """
        about = await self._database.read(partial(blobs.about, blob_id=candidate.blob_id))
        if about is None or about[2] is blobs.Form.PIECES:
            return 0
        content = Incoming(self._database.path.parent)
        try:
            async with aclosing(self._blobs.stream(candidate.blob_id)) as chunks:
                async for chunk in chunks:
                    await content.write(chunk)
            with content.view() as view:
                buffer = readable(view)
                if await trio.to_thread.run_sync(_sha256, buffer) != about[0]:
                    raise Permanent("the stored message is damaged: restore it from a backup")
                return await self._cut(candidate, buffer)
        finally:
            await content.aclose()

    # --- the change feed ----------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        full = True
        while full:  # a page that is not full is the last: what comes meanwhile waits for the next look
            rows = await self._database.read(partial(changes.after, seq=self._seen, limit=CHANGES))
            full = len(rows) == CHANGES
            if rows:
                await self._look_at(rows[-1].seq)
        # What is to be tried again is found again after a restart: the cursor waits for it.
        if self._seen >= self._saved + CURSOR_EVERY and not self._later:
            await self._database.write(partial(changes.advance, name=CURSOR, seq=self._seen))
            self._saved = self._seen

    async def _look_at(self, upto: int) -> None:
        look = partial(parts.uncut, after=self._seen, upto=upto, larger_than=self._threshold)
        for candidate in await self._database.read(look):
            await self._attempt(candidate, 0)
        self._seen = upto
        self._moved.set()
        self._moved = trio.Event()

    async def _try_again(self) -> None:
        now = trio.current_time()
        for later in [later for later in self._later.values() if later.due <= now]:
            del self._later[later.candidate.blob_id]
            await self._attempt(later.candidate, later.attempts)

    def _next_look(self) -> float:
        soonest = min((later.due for later in self._later.values()), default=float("inf")) - trio.current_time()
        return max(0.0, min(soonest, SWEEP_SECONDS))

    async def _attempt(self, candidate: Candidate, attempts: int) -> None:
        """Cut one message; a failure is logged, counted, and tried again while it may pass. The message stays whole."""
        try:
            await self.cut(candidate)
        except Exception as error:
            metrics.offload_failures.inc()
            may_pass = isinstance(error, Temporary) and attempts < len(RETRY_SECONDS)
            if may_pass:
                due = trio.current_time() + RETRY_SECONDS[attempts]
                self._later[candidate.blob_id] = _Later(candidate, attempts + 1, due)
            is_bug = not isinstance(error, WaxsealError)
            log.warning(
                "offload.failed",
                blob=candidate.blob_id,
                error=str(error),
                again=may_pass,
                exc_info=error if is_bug else None,
            )

    async def _quietly(self, work: clearing.Work) -> None:
        """Clearing up can wait: say what hinders it and go on."""
        try:
            await work()
        except WaxsealError as error:
            log.warning("offload.clearing_failed", error=str(error))

    # --- one message --------------------------------------------------------------------------------------------------

    async def _cut(self, candidate: Candidate, buffer: Buffer) -> int:
        found = await trio.to_thread.run_sync(attachments, buffer, self._threshold)  # step 1
        if not found:
            return 0
        cuts = [_Cut(one, Lock(new_header(one.encoded.decoded_size, CLASSIC.chunk), new_key())) for one in found]
        written: list[Cid] = []
        async with self._writing:
            try:
                await self._database.write(partial(_begin, cuts=cuts))  # step 2
                roots = [await self._store(buffer, one, written) for one in cuts]
                await self._swap(candidate, buffer, cuts, roots)
            except BaseException:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 30):
                    await self._quietly(partial(self._abandon, cuts, written))
                raise
        for one, root in zip(cuts, roots, strict=True):
            metrics.offloaded_bytes.inc(one.attachment.encoded.decoded_size)
            log.info("offload.cut", blob=candidate.blob_id, cid=str(root), size=one.attachment.encoded.decoded_size)
        return len(cuts)

    async def _store(self, buffer: Buffer, one: _Cut, written: list[Cid]) -> Cid:
        """Steps 3 and 4: write, read back, compare."""
        encoded = one.attachment.encoded
        root = await write(self._blocks, one.lock, decoded(buffer, encoded), written)
        comparison = Comparison(buffer, encoded)
        async with aclosing(read_leaves(self._blocks, one.lock, root.cid)) as leaves:
            async for content in leaves:
                await trio.to_thread.run_sync(comparison.add, content)
        if not comparison.finish():
            raise Permanent("an attachment did not come back from the block store as it was")
        return root.cid

    async def _swap(self, candidate: Candidate, buffer: Buffer, cuts: Sequence[_Cut], roots: Sequence[Cid]) -> None:
        """Step 5."""
        pieces = await trio.to_thread.run_sync(
            recipe, buffer, [(one.reference, one.attachment.encoded) for one in cuts]
        )

        def work(tx: Writing) -> None:
            if blobs.about(tx, candidate.blob_id) is None:
                raise Permanent("the message was deleted while its attachments were being moved")
            blobs.replace_by_pieces(tx, candidate.blob_id, pieces)
            for one, root in zip(cuts, roots, strict=True):
                wrapped = self._keys.wrap(one.lock.key, candidate.account_id, one.reference)
                parts.keep(tx, one.reference, candidate.blob_id, bytes(root), WrappedKey(candidate.account_id, wrapped))

        await self._database.write(work)

    async def _abandon(self, cuts: Sequence[_Cut], written: Sequence[Cid]) -> None:
        """Remove what was written, unless the swap was committed after all."""
        references = {one.reference for one in cuts}
        begun = [part.reference for part in await self._database.read(parts.loose) if part.reference in references]
        if len(begun) == len(cuts):
            await self._blocks.delete(written)
            await self._database.write(partial(_forget, references=begun))


def _sha256(buffer: Buffer) -> bytes:
    return hashlib.sha256(buffer).digest()


def _begin(tx: Writing, cuts: Sequence[_Cut]) -> None:
    for one in cuts:
        parts.begin(
            tx,
            one.reference,
            position=one.attachment.encoded.start,
            header=one.lock.header.encode(),
            profile=CLASSIC.name,
            size=one.attachment.encoded.decoded_size,
            name=one.attachment.name,
        )


def _forget(tx: Writing, references: Sequence[bytes]) -> None:
    for reference in references:
        parts.forget(tx, reference)
