"""What left messages, attachments and whole archived texts: where the sealed trees are, and their wrapped keys.

A part is *begun* before its first block is written, *kept* in the transaction that puts the message's recipe in place,
and an *orphan* once its message's blob went: its keys go in that very transaction (a cascade), its blocks soon after.
A crash leaves a begun part or an orphan, both of which say what is to be cleared away.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from node.store.blobs import Form
from node.store.schema import blob, change, held, held_recipient, mailbox, message, part, part_key
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Part:
    """One attachment in the block store, or what else there was of a message when it was archived.

    Attributes:
        reference: its file id, 16 octets; what a message's recipe calls it.
        blob_id: the message it was cut out of; None when that is not (yet, or any more) there.
        cid: of its tree's root, binary; b"" while begun.
        header: how it is sealed (node.ipfs.seal).
        profile: how its tree is built (node.ipfs.unixfs).
        size: octets of the content, decoded.
        name: the file name its sender gave it, "" for none. Never a safe path.
    """

    reference: bytes
    blob_id: int | None
    cid: bytes
    header: bytes
    profile: str
    size: int
    name: str


ARCHIVED = -1  # the position of what is no attachment but the rest of the message


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A part's content key, wrapped for an account."""

    account_id: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored message that may have something to cut out, and the account it came to."""

    blob_id: int
    account_id: int


_C = part.c
_COLUMNS = (_C.reference, _C.blob_id, _C.cid, _C.header, _C.profile, _C.size, _C.name)
_BEGIN = Statement(adding(part, "blob_id"))
_KEEP = Statement(
    update(part).where(same(_C.reference, "of")).values(blob_id=bindparam("blob_id"), cid=bindparam("cid"))
)
_ADD_KEY = Statement(adding(part_key))
_GET = Statement(select(*_COLUMNS).where(same(_C.reference)))
_KEY = Statement(select(part_key.c.account_id, part_key.c.wrapped).where(same(part_key.c.reference)).limit(1))
_OF_MESSAGE = Statement(
    select(*_COLUMNS).join(blob).where(same(blob.c.sha256), _C.position != ARCHIVED).order_by(_C.position)
)
_LOOSE = Statement(select(*_COLUMNS).where(_C.blob_id.is_(None)))
_ROOTS = Statement(select(_C.cid).where(_C.cid != b""))
_FORGET = Statement(delete(part).where(same(_C.reference), _C.blob_id.is_(None)))
_UNCUT = Statement(
    select(blob.c.id, func.min(change.c.account_id))
    .join_from(change, message, (message.c.mailbox_id == change.c.mailbox_id) & (message.c.uid == change.c.uid))
    .join(blob, blob.c.id == message.c.blob_id)
    .where(
        change.c.seq > bindparam("after"),
        change.c.seq <= bindparam("upto"),
        blob.c.form < Form.PIECES.value,
        blob.c.size > bindparam("larger_than"),
    )
    .group_by(blob.c.id)
)
_UNCUT_HELD = Statement(
    select(held.c.id, blob.c.id, func.min(held_recipient.c.account_id))
    .join_from(held, held_recipient, held_recipient.c.held_id == held.c.id)
    .join(blob, blob.c.id == held.c.blob_id)
    .where(held.c.id > bindparam("after"), blob.c.form < Form.PIECES.value, blob.c.size > bindparam("larger_than"))
    .group_by(held.c.id)
    .order_by(held.c.id)
)
_AGED = Statement(
    select(blob.c.id, func.min(mailbox.c.account_id))
    .join_from(blob, message, message.c.blob_id == blob.c.id)
    .join(mailbox, mailbox.c.id == message.c.mailbox_id)
    .where(blob.c.id > bindparam("after"), blob.c.id <= bindparam("upto"), blob.c.form < Form.ARCHIVE.value)
    .group_by(blob.c.id)
    .having(func.max(message.c.saved) < bindparam("before"))
    .order_by(blob.c.id)
)
_LAST_BLOB = Statement(select(func.coalesce(func.max(blob.c.id), 0)))
_SHARED = Statement(select(_C.reference).where(same(_C.cid), _C.reference != bindparam("but")).limit(1))


def uncut(tx: Reading, after: int, upto: int, larger_than: int) -> list[Candidate]:
    """Messages the change feed names behind `after` up to `upto`, stored whole and larger than so many octets."""
    rows = tx.execute(_UNCUT, after=after, upto=upto, larger_than=larger_than)
    return [Candidate(blob_id, account_id) for blob_id, account_id in rows]


def uncut_held(tx: Reading, after: int, larger_than: int) -> tuple[int, list[Candidate]]:
    """Messages kept back with a number above `after`, stored whole and larger than so many octets; the last number."""
    rows = tx.execute(_UNCUT_HELD, after=after, larger_than=larger_than)
    return rows[-1][0] if rows else after, [Candidate(blob_id, account_id) for _, blob_id, account_id in rows]


def aged(tx: Reading, after: int, upto: int, before: int) -> list[Candidate]:
    """Messages with a blob behind `after` up to `upto` that are not archived and whose last copy in any mailbox came
    before `before` (unix seconds)."""
    rows = tx.execute(_AGED, after=after, upto=upto, before=before)
    return [Candidate(blob_id, account_id) for blob_id, account_id in rows]


def last_blob(tx: Reading) -> int:
    """The newest blob's id."""
    last: int = tx.value(_LAST_BLOB)
    return last


def is_shared(tx: Reading, cid: bytes, reference: bytes) -> bool:
    """True when another part has the same tree: its blocks must stay when this one goes."""
    return tx.one(_SHARED, cid=cid, but=reference) is not None


def begin(
    tx: Writing, reference: bytes, *, position: int, header: bytes, profile: str, size: int, name: str = ""
) -> None:
    """Say that blocks of this part are about to be written, so that a crash does not hide them.

    Args:
        position: where it begins in its message, or `ARCHIVED`.
    """
    tx.execute(
        _BEGIN,
        reference=reference,
        position=position,
        cid=b"",
        header=header,
        profile=profile,
        size=size,
        name=name,
        created=int(time.time()),
    )


def keep(tx: Writing, reference: bytes, blob_id: int, cid: bytes, key: WrappedKey) -> None:
    """The part is whole and belongs to the message from now on; in one transaction with `blobs.replace_by_pieces`."""
    tx.execute(_KEEP, of=reference, blob_id=blob_id, cid=cid)
    tx.execute(_ADD_KEY, reference=reference, account_id=key.account_id, blob_id=blob_id, wrapped=key.wrapped)


def get(tx: Reading, reference: bytes) -> tuple[Part, WrappedKey] | None:
    """A part with a key to it, or None when it is not kept (any more)."""
    row, key = tx.one(_GET, reference=reference), tx.one(_KEY, reference=reference)
    return (Part(*row), WrappedKey(*key)) if row and key else None


def of_message(tx: Reading, sha256: bytes) -> list[Part]:
    """What was cut out of a message, in its order."""
    return [Part(*row) for row in tx.execute(_OF_MESSAGE, sha256=sha256)]


def loose(tx: Reading) -> list[Part]:
    """Begun parts and orphans: what is to be cleared away, unless it is being written just now."""
    return [Part(*row) for row in tx.execute(_LOOSE)]


def roots(tx: Reading) -> list[bytes]:
    """The CIDs of all trees, orphans' included."""
    return [cid for (cid,) in tx.execute(_ROOTS)]


def forget(tx: Writing, reference: bytes) -> None:
    """Its blocks are gone, so is its row; a part that a message needs stays."""
    tx.execute(_FORGET, reference=reference)
