"""Message-IDs of what our people sent, as digests: so that an answer to it is known for one (RFC 5322 §3.6.4)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import sending
from node.store.schema import sent_id
from node.store.statement import Statement, chosen
from node.store.transaction import Reading, Writing

DAY = 86400
KEPT_DAYS = 180
EXPIRED_AT_ONCE = 5000

_C = sent_id.c
_ADD = Statement(
    upsert(sent_id)
    .values(digest=bindparam("digest"), account_id=bindparam("account_id"), day=bindparam("day"))
    .on_conflict_do_nothing()
)
_ANSWERED = Statement(
    select(_C.day).where(_C.digest.in_(chosen("digests")), _C.account_id.in_(chosen("accounts"))).limit(1)
)
_EXPIRE = Statement(
    delete(sent_id).where(
        tuple_(_C.digest, _C.account_id).in_(
            select(_C.digest, _C.account_id).where(_C.day < bindparam("before")).limit(EXPIRED_AT_ONCE)
        )
    )
)


def digest(message_id: bytes) -> int:
    """What stands for a Message-ID."""
    return sending.digest(message_id.decode("latin-1"))


def add(tx: Writing, account_id: int, digest: int, now: int) -> None:
    """Remember what an account sent."""
    tx.execute(_ADD, digest=digest, account_id=account_id, day=now // DAY)


def answered(tx: Reading, account_ids: Sequence[int], digests: Sequence[int]) -> bool:
    """Whether one of the accounts sent one of these."""
    if not digests:
        return False
    return tx.one(_ANSWERED, digests=json.dumps(digests), accounts=json.dumps(account_ids)) is not None


def expire(tx: Writing, now: int) -> None:
    """Forget some of what is older than `KEPT_DAYS`; the housekeeper comes again."""
    tx.execute(_EXPIRE, before=now // DAY - KEPT_DAYS)
