"""Witnessing for other logs (C2SP tlog-witness) and keeping what was seen of them.

A witness is a key and a memory: of each log it knows the newest checkpoint it cosigned, and cosigns another only if
that one is continued. The memory is written in the same transaction as it is compared, and is on disk before the
cosignature leaves the house; so neither a crash nor two requests at once make it sign two histories.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from node.anchor import add_checkpoint, checkpoint, fork, merkle
from node.anchor.add_checkpoint import SIZE_TYPE, AddCheckpoint
from node.anchor.cosignature import CosignatureKey, CosignatureSigner
from node.anchor.note import NoteError, NoteKey
from node.base import metrics
from node.base.log import get_log
from node.store import leaves, witnesses
from node.store.database import Database
from node.store.transaction import Reading, Writing
from node.store.witnesses import Seen, Witnessed

log = get_log(__name__)

SHOWN = 16  # checkpoints of one log told to whoever asks
WORDS = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: str
    kind: str = WORDS


class Memory:
    """What was seen of some logs: their signed checkpoints, and the forks these make.

    Args:
        keys: of the logs that are followed; a log that changed its key has several.
        own: origin of this node's own log, whose newest checkpoint is told along.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, keys: Iterable[NoteKey], *, own: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._keys = by_origin(keys)
        self._own = own
        self._clock = clock

    async def take(self, body: bytes) -> Answer:
        """A signed checkpoint that somebody saw; answers with what is known here of the same log."""
        try:
            signed = body.decode("utf-8")
            origin = checkpoint.read(signed).origin
        except (UnicodeDecodeError, NoteError) as error:
            return Answer(400, f"Send one signed checkpoint as text: {error}.\n")
        if origin not in self._keys:
            return Answer(404, f"This node does not follow {origin[:200]}.\n")
        try:
            fork.verify_any(signed, self._keys[origin])
        except NoteError as error:
            return Answer(403, f"The log's key has not signed this: {error}.\n")
        await self._database.write(lambda tx: self._take(tx, signed))
        return await self.known(origin)

    def _take(self, tx: Writing, signed: str) -> None:
        head, now = checkpoint.read(signed), int(self._clock())
        ours = leaves.checkpoint(tx, head.size) if head.origin == self._own else None
        if ours is not None:  # somebody holds a checkpoint of our key: it had better be the one we signed
            see(tx, ours.note.decode(), now)
        see(tx, signed, now)

    async def known(self, origin: str) -> Answer:
        """The newest checkpoints seen of a log, and evidence of its forks."""
        if origin not in self._keys and origin != self._own:
            return Answer(404, f"This node does not follow {origin[:200]}.\n")
        return Answer(200, await self._database.read(lambda tx: self._known(tx, origin)), JSON)

    def _known(self, tx: Reading, origin: str) -> str:
        notes = [one.note for one in witnesses.seen(tx, origin, SHOWN)]
        newest = leaves.latest_checkpoint(tx) if origin == self._own else None
        if newest is not None and newest.note.decode() not in notes:
            notes.insert(0, newest.note.decode())
        evidence = [json.loads(document) for document in witnesses.forks(tx, origin)]
        return json.dumps({"origin": origin, "checkpoints": notes, "forks": evidence}, ensure_ascii=False) + "\n"


class Witness:
    """Cosigns the checkpoints of the logs it is told to witness.

    Args:
        signer: the witness's own key, which signs nothing else.
        logs: the keys of those logs; each key's name is its log's origin. A log that changed its key has several.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        signer: CosignatureSigner,
        logs: Iterable[NoteKey],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._signer = signer
        self._logs = by_origin(logs)
        self._clock = clock

    @property
    def key(self) -> CosignatureKey:
        """What others verify its cosignatures with."""
        return self._signer.key

    async def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request of C2SP tlog-witness.

        1. The request can be read (400).
        2. Its log is one of ours (404).
        3. One of that log's keys has signed the checkpoint (403).
        4. The old size is not greater than the new one (400).
        5. The old size is that of the checkpoint we cosigned last (409, with that size).
        6. A tree of the same size has the same root (409, with that size; and it is a fork).
        7. The proof leads from the one tree to the other (422).
        8. The checkpoint is remembered, on disk, and then cosigned (200).
        """
        answer = await self._answer(body)
        metrics.witness_answers.labels(str(answer.status)).inc()
        return answer

    async def _answer(self, body: bytes) -> Answer:
        try:
            request = add_checkpoint.read(body)
        except NoteError as error:
            return Answer(400, f"The request cannot be read: {error}.\n")
        keys = self._logs.get(request.head.origin)
        if keys is None:
            return Answer(404, f"This witness does not know the log {request.head.origin[:200]}.\n")
        try:
            fork.verify_any(request.signed, keys)
        except NoteError as error:
            return Answer(403, f"No trusted key of the log has signed this: {error}.\n")
        if request.old > request.head.size:
            return Answer(400, "The old size is greater than the checkpoint's.\n")
        # Most of what does not fit is seen without waiting for the database's one writer.
        known = await self._database.read(lambda tx: witnesses.witnessed(tx, request.head.origin))
        if request.old != _size(known):
            await self._remember_odd(request, known)
            return _conflict(known)
        return await self._database.write(lambda tx: self._decide(tx, request))

    def _decide(self, tx: Writing, request: AddCheckpoint) -> Answer:
        now, head = int(self._clock()), request.head
        known = witnesses.witnessed(tx, head.origin)
        if request.old != _size(known):  # another request was faster
            return _conflict(known)
        if request.old == head.size and head.root != _root(known):
            see(tx, request.signed, now)
            return _conflict(known)
        if not merkle.verify_consistency(request.old, head.size, _root(known), head.root, request.proof):
            log.warning("witness.not_consistent", origin=head.origin, old=request.old, size=head.size)
            see(tx, request.signed, now)
            return Answer(422, "The consistency proof does not lead from the old checkpoint to the new one.\n")
        now = max(now, known.time if known else 0)  # our word on "the largest seen" must not go back in time
        see(tx, request.signed, now)
        witnesses.put_witnessed(tx, Witnessed(head.origin, head.size, head.root, request.signed, now))
        return Answer(200, self._signer.cosign(request.text, now))

    async def _remember_odd(self, request: AddCheckpoint, known: Witnessed | None) -> None:
        """A checkpoint of the size we know, with another root, is a fork whatever the request says of an old size."""
        if known is not None and (known.size, known.root) != (request.head.size, request.head.root):
            await self._database.write(lambda tx: see(tx, request.signed, int(self._clock())))


def see(tx: Writing, signed: str, now: int) -> None:
    """Keep a checkpoint whose signature holds; two of one size with different roots are kept as evidence of a fork."""
    head = checkpoint.read(signed)
    for other in witnesses.put_seen(tx, Seen(head.origin, head.size, head.root, signed, now)):
        found = fork.between(other.note, signed)
        if found is not None:
            witnesses.put_fork(tx, head.origin, found.to_json(), now)
            metrics.log_forks.inc()
            log.error(
                "witness.fork", origin=head.origin, size=head.size, first=other.root.hex(), second=head.root.hex()
            )


def by_origin(keys: Iterable[NoteKey]) -> Mapping[str, tuple[NoteKey, ...]]:
    """Keys by the log they are of, in their order."""
    found: dict[str, tuple[NoteKey, ...]] = {}
    for key in dict.fromkeys(keys):
        found[key.name] = (*found.get(key.name, ()), key)
    return found


def _conflict(known: Witnessed | None) -> Answer:
    return Answer(409, f"{_size(known)}\n", SIZE_TYPE)


def _size(known: Witnessed | None) -> int:
    return known.size if known else 0


def _root(known: Witnessed | None) -> bytes:
    return known.root if known else merkle.EMPTY_ROOT
