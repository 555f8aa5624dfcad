"""Messages that were accepted and are kept back from the mailboxes until an administrator decides, or time is up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, distinct, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import holds, references
from node.store.message import Summary
from node.store.schema import account, held, held_recipient, summary
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Held:
    """One message kept back. Times are unix seconds.

    Attributes:
        size: octets.
        sender: the reverse-path, "" for null.
        author: the first address of From in the form addresses are looked up by, "" when there is none.
        subject: as a person reads it.
        why: the verdict in words.
        verdict: its reason, from the closed list.
        recipients: account ids and the addresses that were named for them.
    """

    id: int
    blob_id: int
    size: int
    sender: str
    author: str
    subject: str
    why: str
    verdict: str
    received: int
    expires: int
    recipients: Mapping[int, str]


_H, _R, _S = held.c, held_recipient.c, summary.c
_ADD = Statement(adding(held, "id").returning(_H.id))
_ADD_RECIPIENT = Statement(adding(held_recipient))
_ADD_SUMMARY = Statement(
    upsert(summary).values({c.name: bindparam(c.name) for c in summary.c}).on_conflict_do_nothing()
)
_SUMMARY = Statement(select(_S.envelope, _S.body, _S.bodystructure, _S.layout).where(same(_S.blob_id)))
_GET = Statement(select(held).where(same(_H.id)))
_LISTING = Statement(select(held).where(_H.id > bindparam("after")).order_by(_H.id).limit(bindparam("limit")))
_DUE = Statement(select(held).where(_H.expires <= bindparam("now")).order_by(_H.expires).limit(bindparam("limit")))
_RECIPIENTS = Statement(select(_R.account_id, _R.address).where(same(_R.held_id)).order_by(_R.account_id))
_REMOVE = Statement(delete(held).where(same(_H.id)).returning(_H.blob_id))
_COUNT = Statement(select(func.count()).select_from(held))
_COUNT_IN = Statement(
    select(func.count(distinct(_R.held_id)))
    .join_from(held_recipient, account, account.c.id == _R.account_id)
    .where(account.c.domain.in_(chosen("domains")))
)
_FOR = Statement(select(_R.held_id).where(same(_R.account_id)))
_FORGET = Statement(delete(held_recipient).where(same(_R.account_id)))
_SINCE = Statement(
    select(_H.id)
    .join_from(held_recipient, held, _H.id == _R.held_id)
    .where(same(_R.account_id), _H.received > bindparam("since"), _H.id != bindparam("but"))
    .limit(1)
)


def add(tx: Writing, message: Held, made: Summary) -> int:
    """Keep a message back; its blob stays until `remove`. Returns its number; `message.id` does not matter."""
    id: int = tx.value(
        _ADD,
        blob_id=message.blob_id,
        size=message.size,
        sender=message.sender,
        author=message.author,
        subject=message.subject,
        why=message.why,
        verdict=message.verdict,
        received=message.received,
        expires=message.expires,
    )
    rows = [{"held_id": id, "account_id": of, "address": address} for of, address in message.recipients.items()]
    tx.execute_many(_ADD_RECIPIENT, rows)
    tx.execute(
        _ADD_SUMMARY,
        blob_id=message.blob_id,
        envelope=made.envelope,
        body=made.body,
        bodystructure=made.bodystructure,
        layout=made.layout,
    )
    references.hold(tx, message.blob_id)
    return id


def get(tx: Reading, id: int) -> Held | None:
    """One message, or None when it is decided."""
    row = tx.one(_GET, id=id)
    return None if row is None else _made(tx, row)


def listing(tx: Reading, after: int = 0, limit: int = 100) -> list[Held]:
    """Messages with a number above `after`, oldest first."""
    return [_made(tx, row) for row in tx.execute(_LISTING, after=after, limit=limit)]


def due(tx: Reading, now: int, limit: int = 100) -> list[Held]:
    """Messages whose time is over, the longest waiting first."""
    return [_made(tx, row) for row in tx.execute(_DUE, now=now, limit=limit)]


def summary_of(tx: Reading, message: Held) -> Summary:
    """The finished IMAP answers."""
    row = tx.one(_SUMMARY, blob_id=message.blob_id)
    assert row is not None  # `add` put it there, and it goes with the blob
    return Summary(*row)


def remove(tx: Writing, id: int, *, released: bool = False) -> bool:
    """Decided: the row goes, and the content with it unless somebody else refers to it. False when it was before.

    Where a recipient is under a legal hold it is kept, unless it was `released` to their mailbox.
    """
    message = None if released else get(tx, id)
    if message is not None:
        holds.keep_undecided(tx, message.recipients, message.blob_id, message.size)
    blob_id = tx.value(_REMOVE, id=id)
    if blob_id is not None:
        references.release(tx, blob_id)
    return blob_id is not None


def count_in(tx: Reading, domains: Sequence[str] | None) -> int:
    """Messages kept back for anybody in these domains; for all when None."""
    if domains is None:
        return count(tx)
    number: int = tx.value(_COUNT_IN, domains=json.dumps(domains))
    return number


def forget(tx: Writing, account_id: int) -> int:
    """Drop what is kept back for an account alone, and the account from the rest. Returns how many were for it."""
    found = [id for (id,) in tx.execute(_FOR, account_id=account_id)]
    for message in filter(None, [get(tx, id) for id in found]):
        holds.keep_undecided(tx, [account_id], message.blob_id, message.size)
    tx.execute(_FORGET, account_id=account_id)
    for id in found:
        if not list(tx.execute(_RECIPIENTS, held_id=id)):
            remove(tx, id)
    return len(found)


def count_for(tx: Reading, account_id: int) -> int:
    """Messages kept back for an account."""
    return len(list(tx.execute(_FOR, account_id=account_id)))


def has_since(tx: Reading, account_id: int, since: int, but: int) -> bool:
    """Whether a message for an account that came after `since`, other than number `but`, is kept back."""
    return tx.one(_SINCE, account_id=account_id, since=since, but=but) is not None


def count(tx: Reading) -> int:
    """Messages kept back."""
    number: int = tx.value(_COUNT)
    return number


def _made(tx: Reading, row: Row) -> Held:
    recipients: dict[int, str] = dict(tx.execute(_RECIPIENTS, held_id=row[0]))
    return Held(*row, recipients)  # type: ignore[call-arg]
