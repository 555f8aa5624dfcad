"""Asking witnesses to cosign our log's checkpoints (C2SP tlog-witness). Neither mail nor signing waits for them.

Each witness has a task of its own, which brings it the newest checkpoint with the proof that this continues what the
witness saw last. Cosignatures are kept beside the checkpoint and served with it. A witness that is slow, down or wrong
is asked again later and later; one that has seen another history than ours is told of loudly, for it is our operator
who must look: an old backup was restored, or somebody else signs with our key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from node.anchor import add_checkpoint, checkpoint, cosignature
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureKey
from node.anchor.log import Log
from node.anchor.note import NoteError
from node.anchor.published import Quorum, counted
from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.net.web_service import WebService
from node.store import leaves, witnesses
from node.store.database import Database
from node.store.transaction import Reading, Writing
from node.store.witnesses import Line

log = get_log(__name__)

LOOK_SECONDS = 1.0  # between two looks for a new checkpoint
ANSWER_SECONDS = 15.0  # for connection, question and answer of one witness
FIRST_RETRY_SECONDS = 2.0
LAST_RETRY_SECONDS = 600.0
_TEXT = ((b"Content-Type", b"text/plain; charset=utf-8"),)


class HistoryContradicted(Permanent):
    """A witness has seen another history of our log than the one we can show."""


@dataclass(frozen=True, slots=True)
class AskedWitness:
    """A witness: its submission prefix (https://...), and the key its cosignatures are checked with."""

    url: str
    key: CosignatureKey


class Cosigning:
    """Brings our checkpoints to the witnesses, and their cosignatures home.

    Args:
        asked: the witnesses, each of another name.
        quorum: for metric and log only; what it means for readers is `published.newest`'s business.
        look_seconds: how often to look for a new checkpoint.
    """

    def __init__(
        self,
        database: Database,
        asked: Sequence[AskedWitness],
        quorum: Quorum,
        *,
        clock: Callable[[], float] = time.time,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._database = database
        self._asked = tuple(asked)
        self._quorum = quorum
        self._clock = clock
        self._look_seconds = look_seconds
        self._log = Log()

    async def run(self) -> None:
        """Keep on until cancelled."""
        async with trio.open_nursery() as nursery:
            for witness in self._asked:
                nursery.start_soon(self._follow, witness)

    async def _follow(self, witness: AskedWitness) -> None:
        done, old, pause = 0, await self._database.read(lambda tx: witnesses.last_size(tx, witness.key.name)), 0.0
        async with WebService.open(witness.url, f"the witness {witness.key.name}") as service:
            while True:
                head = await self._newest()
                if head is None or head.size == done:
                    await trio.sleep(self._look_seconds)
                    continue
                try:
                    with trio.fail_after(ANSWER_SECONDS):
                        old = await self._ask(service, witness, head, old)
                    done, pause = head.size, 0.0
                except (WaxsealError, trio.TooSlowError, OSError) as error:
                    pause = min(max(pause * 2, FIRST_RETRY_SECONDS), LAST_RETRY_SECONDS)
                    _complain(witness, error, pause)
                    await trio.sleep(pause)

    async def _newest(self) -> Checkpoint | None:
        row = await self._database.read(leaves.latest_checkpoint)
        return checkpoint.read(row.note.decode()) if row is not None and row.size else None

    async def _ask(self, service: WebService, witness: AskedWitness, head: Checkpoint, old: int) -> int:
        """Have `head` cosigned; returns the size the witness knows now.

        A witness that knows another size than we believe says so (409); it is asked again with that, once.
        """
        for last in (False, True):
            body = await self._database.read(lambda tx, old=old: self._request(tx, head, old))  # type: ignore[misc]
            answer = await service.exchange("POST", add_checkpoint.PATH, add_checkpoint.MAX_ANSWER, body, _TEXT)
            if answer.status == 200:
                await self._keep(witness, head, answer.body)
                return head.size
            if answer.status != 409:
                break
            old = _known_size(answer.kind, answer.body, old, head.size, last=last)
        words = answer.body[:200].decode("utf-8", "replace").strip()
        if answer.status == 422:
            raise HistoryContradicted(f"the proof from {old} to {head.size} entries does not convince it: {words}")
        raise Temporary(f"answers with HTTP status {answer.status}: {words}")

    def _request(self, tx: Reading, head: Checkpoint, old: int) -> bytes:
        row = leaves.checkpoint(tx, head.size)
        if row is None or old > head.size:
            raise Temporary("the checkpoint is gone from the database")
        proof = self._log.consistency_proof(tx, old, head.size) if old else []
        return add_checkpoint.write(old, proof, row.note.decode())

    async def _keep(self, witness: AskedWitness, head: Checkpoint, body: bytes) -> None:
        try:
            answer = body.decode("utf-8")
        except UnicodeDecodeError:
            raise NoteError("the witness's answer is no text") from None
        lines = cosignature.own_lines(head.text, answer, [witness.key], now=int(self._clock()))
        if not lines:
            raise NoteError(f"the witness cosigned with another key than {witness.key}")
        (found,) = cosignature.cosignatures(f"{head.text}\n{lines[0]}", [witness.key])

        def work(tx: Writing) -> int:
            witnesses.put_line(tx, head.size, head.root, Line(witness.key.name, lines[0], found.time))
            return len(counted(tx, head, self._quorum.names))

        count = await self._database.write(work)
        metrics.cosignatures.labels(result="cosigned").inc()
        if count >= max(self._quorum.number, 1):
            metrics.cosigned_size.set(head.size)
        log.info("witness.cosigned", witness=witness.key.name, size=head.size, cosignatures=count)


def _known_size(kind: str, body: bytes, old: int, ours: int, *, last: bool) -> int:
    """The size a witness says it knows, when it is worth asking again."""
    if kind != add_checkpoint.SIZE_TYPE:
        raise Temporary(f"answers 409 without a size ({kind[:40]})")
    known = add_checkpoint.read_size(body)
    if known > ours:
        raise HistoryContradicted(f"it has cosigned {known} entries of this log, which has {ours}: an old backup?")
    if known == old and known == ours:
        raise HistoryContradicted(f"it has cosigned another tree of {ours} entries than this log's")
    if known == old or last:
        raise Temporary("answers 409 although the old size is the one it names")
    return known


def _complain(witness: AskedWitness, error: Exception, pause: float) -> None:
    words = str(error) or type(error).__name__
    if isinstance(error, HistoryContradicted):
        metrics.cosignatures.labels(result="contradicted").inc()
        log.error("witness.contradicts", witness=witness.key.name, error=words, retry_seconds=pause)
        return
    metrics.cosignatures.labels(result="failed").inc()
    log.warning("witness.silent", witness=witness.key.name, error=words, retry_seconds=pause)
