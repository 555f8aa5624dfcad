"""Checking the audit trail, and taking it to strangers.

`Check` goes through the node's own database and names whatever is not as the signed log says. `exported` makes a line
of JSON of each event, with its proof; `read` checks such a line, for somebody who has no more than the log's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import checkpoint, events, merkle, message_leaves, proof
from node.anchor.checkpoint import Checkpoint
from node.anchor.events import Event, EventError
from node.anchor.keys import LogKeys
from node.anchor.log import Log, TileLost
from node.anchor.note import NoteError, NoteKey
from node.anchor.proof import Proof
from node.base.errors import WaxsealError
from node.store import audit_events, leaves
from node.store.audit_events import StoredEvent
from node.store.database import Reading

VERSION = "waxseal.audit/1"
MAX_LINE = 1 << 18  # octets
MAX_FAULTS = 1000  # named one by one
PAGE = 500  # events at a time
WINDOW = 20_000  # entries of the log at a time


class TrailError(WaxsealError):
    """An exported event does not hold; the text says what exactly."""


class Line(BaseModel):
    """One exported event; with the log's key anybody can check it.

    Attributes:
        origin: the log's name.
        document: the event, canonical JSON in a string: its octets are what the log holds a hash of.
        salt: of its leaf, in hexadecimal.
        proof: index, audit path and signed checkpoint, as C2SP tlog-proof text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal["waxseal.audit/1"] = "waxseal.audit/1"
    origin: Annotated[str, Field(min_length=1, max_length=300)]
    document: Annotated[str, Field(max_length=1 << 16)]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    proof: Annotated[str, Field(max_length=1 << 16)]


def head(tx: Reading, keys: LogKeys) -> tuple[Checkpoint, str]:
    """The log as it stands, and as a note signed here and now."""
    log = Log()
    size = log.size(tx)
    found = Checkpoint(keys.origin, size, log.root(tx, size))
    return found, checkpoint.sign(found, *keys.signers)


def exported(tx: Reading, event: StoredEvent, size: int, signed: str) -> Line:
    """An event as strangers get it, proved against the signed head of `size` entries."""
    path = tuple(Log().inclusion_proof(tx, event.index, size))
    return Line(
        origin=checkpoint.read(signed).origin,
        document=event.document.decode("utf-8", "replace"),
        salt=event.salt.hex(),
        proof=Proof(event.index, path, signed).text,
    )


def read(line: str, key: NoteKey) -> tuple[Event, int]:
    """Check an exported event.

    1. The line has the form above. 2. The document is an event, in its canonical spelling. 3. The log's key signed the
    checkpoint, under the log's name. 4. The leaf made of document, time and salt stands in that log.

    Args:
        key: the log's, from a source other than the file.

    Returns:
        The event, and its index in the log.

    Raises:
        TrailError: one of these does not hold.
    """
    try:
        found = Line.model_validate_json(line[:MAX_LINE])  # 1
        event = events.parse(found.document.encode())  # 2
        path = proof.parse(found.proof)
        signed = checkpoint.verify(path.signed, key)  # 3
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) or "line" for item in error.errors()}))
        raise TrailError(f"this is no exported event: {places} cannot be used") from None
    except (EventError, NoteError) as error:
        raise TrailError(str(error)) from None
    if found.origin != signed.origin:
        raise TrailError(f"the line is of {found.origin}, its checkpoint of {signed.origin}")
    leaf = event.leaf(bytes.fromhex(found.salt))
    if not merkle.verify_inclusion(leaf.hash, path.index, signed.size, path.hashes, signed.root):  # 4
        raise TrailError(f"event {event.number} is not entry {path.index} of the log of {signed.size} entries")
    return event, path.index


def missing(numbers: Sequence[int]) -> Iterator[str]:
    """Gaps in rising numbers of events, in words; the first number may be any, since an export may begin anywhere."""
    for before, after in pairwise(numbers):
        if after <= before:
            yield f"event {after} comes after event {before}"
        elif after == before + 2:
            yield f"event {before + 1} is missing"
        elif after > before + 2:
            yield f"events {before + 1} to {after - 1} are missing"


@dataclass(slots=True)
class Check:
    """A walk through the trail as the database has it; call `begin`, then `events` and `entries` until they are done.

    1. The newest signed checkpoint is signed by the log's key and is of this very log. 2. Events are numbered without a
    gap. 3. Each row says what its document says. 4. Each event's leaf stands in the log: in the signed one where it is
    old enough. 5. Each entry of the log is an event or a message,
    and a message's row leads to its entry, unless its salt was deleted.

    Attributes:
        keys: the log's, today's and former ones.
        size: entries in the log when the walk began.
        signed: how many of them the checkpoint covers.
        number: of the last event that was looked at.
        index: of the next entry to look at.
        checked: events looked at; forgotten: messages' leaves without a salt.
        faults: what was found, in words; `more` counts those that are not named.
    """

    keys: Sequence[NoteKey]
    size: int = 0
    signed: int = 0
    number: int = 0
    index: int = 0
    checked: int = 0
    forgotten: int = 0
    faults: list[str] = field(default_factory=list)
    more: int = 0
    _head: Checkpoint | None = None
    _root: bytes = b""
    _last: int = -1

    def begin(self, tx: Reading) -> None:
        """See how long the log is, and what of it is signed."""
        log = Log()
        self.size = log.size(tx)
        try:
            self._root = log.root(tx, self.size)
            self._begin_signed(tx, log)
        except (TileLost, LookupError) as error:
            self._fault(str(error))

    def _begin_signed(self, tx: Reading, log: Log) -> None:
        newest = leaves.latest_checkpoint(tx)
        if newest is None:
            return
        found = self._verified(newest.note.decode("utf-8", "replace"))  # 1
        if found is None:
            return
        if found.size > self.size:
            return self._fault(f"the log was signed with {found.size} entries and has {self.size}: its end was removed")
        if found.size and log.root(tx, found.size) != found.root:
            return self._fault(f"the first {found.size} entries are not those that were signed: the log was changed")
        self._head, self.signed = found, found.size

    def _verified(self, note: str) -> Checkpoint | None:
        why = "no key of the log is known"
        for key in self.keys:
            try:
                return checkpoint.verify(note, key)
            except NoteError as error:
                why = str(error)
        self._fault(f"the newest checkpoint does not hold: {why}")
        return None

    def events(self, tx: Reading) -> bool:
        """Look at the next events; false when there are no more."""
        rows = audit_events.listing(tx, audit_events.Wanted(), after=self.number, limit=PAGE)
        for gap in missing([self.number, *(row.number for row in rows)]):  # 2
            self._fault(gap)
        for row in rows:
            if row.index < self.size:
                self._event(tx, row)
            elif row.index >= Log().size(tx):  # else it was written a moment ago
                self._fault(f"event {row.number} claims entry {row.index} of the log, which has none")
            self.number = row.number
        return len(rows) == PAGE

    def _event(self, tx: Reading, row: StoredEvent) -> None:
        self.checked += 1
        try:
            event = events.parse(row.document)
        except EventError as error:
            return self._fault(f"event {row.number}: {error}")
        told = (event.number, event.time, event.kind.value, event.actor, event.subject)
        if told != (row.number, row.time, row.kind, row.actor, row.subject):  # 3
            self._fault(f"event {row.number}: its row does not say what its document says")
        if row.index <= self._last:
            self._fault(f"event {row.number} stands in the log before the one with the number before")
        self._last = row.index
        try:
            stands = self._stands(tx, row, event)  # 4
        except (TileLost, LookupError, ValueError) as error:
            return self._fault(f"event {row.number}: {error}")
        if not stands:
            self._fault(f"event {row.number} is not what entry {row.index} of the log says: it was changed")

    def _stands(self, tx: Reading, row: StoredEvent, event: Event) -> bool:
        size, root = self.size, self._root
        if self._head and row.index < self._head.size:
            size, root = self._head.size, self._head.root
        path = Log().inclusion_proof(tx, row.index, size)
        return merkle.verify_inclusion(event.leaf(row.salt).hash, row.index, size, path, root)

    def entries(self, tx: Reading) -> bool:
        """Look at the next entries of the log; false when there are no more."""
        stop = min(self.index + WINDOW, self.size)
        for index in audit_events.unexplained(tx, self.index, stop):  # 5
            self._fault(f"nothing is known of entry {index} of the log: an event or a message's leaf was removed")
        for row in leaves.leaves(tx, self.index, stop):
            self._message(tx, row)
        self.index = stop
        return stop < self.size

    def _message(self, tx: Reading, row: leaves.Leaf) -> None:
        if not row.salt:  # forgotten: nobody can tell what it was
            self.forgotten += 1
            return
        try:
            agrees = message_leaves.made(row).entry == Log().entry(tx, row.index)
        except (TileLost, LookupError, ValueError) as error:
            return self._fault(f"the message of entry {row.index}: {error}")
        if not agrees:
            self._fault(f"the message's leaf of entry {row.index} is not what the log says: it was changed")

    def _fault(self, words: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(words)
        else:
            self.more += 1
