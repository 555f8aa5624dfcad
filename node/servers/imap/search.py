"""SEARCH: rows first, prepared envelopes next, content only for what is still open, and all of it bounded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import trio

from node.servers.imap.answer import Answer, Refused
from node.servers.imap.envelope import Envelope
from node.servers.imap.match import Candidate, Depth, Predicate, depth, predicate
from node.servers.imap.selected import HELD
from node.store import blobs, messages
from node.store.database import Reading
from node.wire.imap.search import CHARSETS, Search
from node.wire.imap.sequence import STAR, SequenceSet, compact

if TYPE_CHECKING:
    from node.servers.imap.session import Session

EVERYTHING = SequenceSet(((1, STAR),))
MAX_READ = 4 << 20
"""Octets of one message that are searched; text stands before attachments."""
BATCH_OCTETS = 1 << 20
"""Content held at a time."""
_threads = trio.CapacityLimiter(2)


async def search(session: Session, tag: bytes, command: Search) -> Answer:
    """SEARCH (RFC 3501 §6.4.4) with the result options of ESEARCH (RFC 4731)."""
    if command.charset not in CHARSETS:
        raise Refused("This charset is unknown here", b"BADCHARSET (%b)" % b" ".join(CHARSETS))
    selected = session.mailbox
    found: list[int] = []
    examination = _Examination(session, predicate(command.key, selected), depth(command.key))
    for block in selected.blocks(EVERYTHING, by_uid=False):
        uids = await examination.block(block)
        found += uids if command.by_uid else [block[uid] for uid in uids]
    session.output.write(_plain(found) if command.returns is None else _extended(tag, command, found))
    await session.sync(expunge=command.by_uid)
    return Answer("Searched")


def _plain(found: list[int]) -> bytes:
    return b"* SEARCH%b\r\n" % b"".join([b" %d" % number for number in found])


def _extended(tag: bytes, command: Search, found: list[int]) -> bytes:
    """RFC 4731 §3.1: MIN, MAX and ALL are left out when nothing was found."""
    returns = command.returns or frozenset()
    items = [b' (TAG "%b")' % tag]
    if command.by_uid:
        items.append(b" UID")
    if found and b"MIN" in returns:
        items.append(b" MIN %d" % found[0])
    if found and b"MAX" in returns:
        items.append(b" MAX %d" % found[-1])
    if b"COUNT" in returns:
        items.append(b" COUNT %d" % len(found))
    if found and b"ALL" in returns:
        items.append(b" ALL " + compact(found))
    return b"* ESEARCH%b\r\n" % b"".join(items)


_Sifted = tuple[list[int], list[Candidate], dict[int, int]]
"""UIDs that match, messages to be read, and what is left of the block for the next trip."""


class _Examination:
    """One SEARCH under way, with its budget of time and octets."""

    def __init__(self, session: Session, fits: Predicate, deepest: Depth) -> None:
        self._session = session
        self._fits = fits
        self._deepest = deepest
        self._octets = session.server.limits.search_octets
        self._until = trio.current_time() + session.server.limits.search_seconds

    async def block(self, block: dict[int, int]) -> list[int]:
        """The UIDs in a block that match, ascending."""
        mailbox_id = self._session.mailbox.mailbox.id
        found: list[int] = []
        while block:
            self._spend(0)
            query = partial(self._by_rows, mailbox_id, block)
            sure, unsure, block = await self._session.server.database.read(query)
            found += sure
            for batch in _batches(unsure):
                found += await self._by_content(batch)
        return sorted(found)

    def _by_rows(self, mailbox_id: int, block: dict[int, int], tx: Reading) -> _Sifted:
        """What rows and envelopes can decide; runs on the reader's thread."""
        rest: dict[int, int] = {}
        candidates = [Candidate(block[row.uid], row) for row in messages.rows(tx, mailbox_id, list(block))]
        found, unsure = self._sift(candidates)
        if unsure and self._deepest >= Depth.ENVELOPE:
            by_uid = {candidate.row.uid: candidate for candidate in unsure}
            last = 0
            for last, summary in messages.summaries(tx, mailbox_id, list(by_uid), octets=HELD):
                by_uid[last].envelope = Envelope(summary.envelope)
            if last and last != unsure[-1].row.uid:
                rest = {uid: number for uid, number in block.items() if uid > last}
                unsure = [candidate for candidate in unsure if candidate.row.uid <= last]
            more, unsure = self._sift(unsure)
            found = [uid for uid in found if uid not in rest] + more
        return found, unsure, rest

    def _sift(self, candidates: list[Candidate]) -> tuple[list[int], list[Candidate]]:
        found, unsure = [], []
        for candidate in candidates:
            fits = self._fits(candidate)
            if fits is None:
                unsure.append(candidate)
            elif fits:
                found.append(candidate.row.uid)
        return found, unsure

    def _spend(self, octets: int) -> None:
        self._octets -= octets
        if self._octets < 0 or trio.current_time() > self._until:
            raise Refused("The search reads too much; narrow it down by date or folder", b"LIMIT")

    async def _by_content(self, batch: list[Candidate]) -> list[int]:
        """Read a batch and decide it, in a thread so that others need not wait."""
        self._spend(sum(min(candidate.row.size, MAX_READ) for candidate in batch))
        ids = {candidate.row.blob_id for candidate in batch}
        server = self._session.server
        contents = await server.database.read(lambda tx: dict(blobs.small(tx, ids, BATCH_OCTETS)))
        for candidate in batch:
            content = contents.get(candidate.row.blob_id)
            if content is None:
                content = await server.blobs.read(candidate.row.blob_id, 0, min(candidate.row.size, MAX_READ))
            candidate.content = content
        found, _ = await trio.to_thread.run_sync(self._sift, batch, limiter=_threads)
        return found


def _batches(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    """Candidates in batches of about `BATCH_OCTETS`; a large message is one by itself."""
    batch: list[Candidate] = []
    octets = 0
    for candidate in candidates:
        if batch and octets + candidate.row.size > BATCH_OCTETS:
            yield batch
            batch, octets = [], 0
        batch.append(candidate)
        octets += candidate.row.size
    if batch:
        yield batch
