"""Whom each account exchanges mail with: counters for an address, kept as digests, that fade and are bounded.

Counters are halved for each `HALF_LIFE` days in which nothing happened. Whoever was written to stays longest; strangers
who wrote once go first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store.schema import contact
from node.store.sending import digest
from node.store.statement import Statement, behind, chosen, same
from node.store.transaction import Reading, Writing

__all__ = ["Contact", "crowded", "digest", "exchanged", "expire", "get", "junked", "received", "sent", "trim"]

DAY = 86400
HALF_LIFE = 90  # days
MOST = 5000  # contacts of one account after `trim`
KEPT_DAYS = 730  # without any mail
STRANGER_DAYS = 120  # the same for one who was never written to
EXPIRED_AT_ONCE = 5000
MOST_RECIPIENTS = 100  # of one submission that are remembered
HEAVIEST = 1_000_000  # no counter grows beyond


class Contact(NamedTuple):
    """What is remembered of one address.

    Attributes:
        sent, received, junked: messages to it, from it to the inbox, from it to Junk; faded since `last`.
        first, last: days since 1970.
    """

    sent: int
    received: int
    junked: int
    first: int
    last: int


_C = contact.c
_NEW = upsert(contact).values(
    account_id=bindparam("account_id"),
    digest=bindparam("digest"),
    sent=bindparam("sent"),
    received=bindparam("received"),
    junked=bindparam("junked"),
    first=bindparam("day"),
    last=bindparam("day"),
)
_HALVINGS = func.min(60, func.max(0, _NEW.excluded.last - _C.last) / HALF_LIFE)


def _faded(name: str):  # type: ignore[no-untyped-def]  # SQLAlchemy's types of >> say less than this line
    return func.min(HEAVIEST, func.max(0, _C[name].op(">>")(_HALVINGS) + _NEW.excluded[name]))


_NOTE = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[_C.account_id, _C.digest],
        set_={name: _faded(name) for name in ("sent", "received", "junked")}
        | {"last": func.max(_C.last, _NEW.excluded.last)},
    )
)
_GET = Statement(select(_C.sent, _C.received, _C.junked, _C.first, _C.last).where(same(_C.account_id), same(_C.digest)))
_EXCHANGED = Statement(
    select(_C.account_id)
    .where(_C.account_id.in_(chosen("accounts")), same(_C.digest), _C.sent + _C.received > 0)
    .limit(1)
)
_KEY = tuple_(_C.account_id, _C.digest)
_EXPIRE = Statement(
    delete(contact).where(
        _KEY.in_(
            select(_C.account_id, _C.digest)
            .where(_C.last < bindparam("strangers_before"), (_C.sent == 0) | (_C.last < bindparam("friends_before")))
            .limit(EXPIRED_AT_ONCE)
        )
    )
)
_CROWDED = Statement(select(_C.account_id).group_by(_C.account_id).having(func.count() > MOST))
_TRIM = Statement(
    delete(contact).where(
        _KEY.in_(
            behind(
                select(_C.account_id, _C.digest)
                .where(same(_C.account_id))
                .order_by((_C.sent > 0).desc(), (_C.received > 1).desc(), _C.last.desc())
            )
        )
    )
)


def received(tx: Writing, account_id: int, digest: int, now: int, *, junk: bool = False) -> None:
    """Mail from an address came: to the inbox, or to Junk."""
    day = now // DAY
    tx.execute(_NOTE, account_id=account_id, digest=digest, sent=0, received=int(not junk), junked=int(junk), day=day)


def junked(tx: Writing, account_id: int, digest: int, now: int, by: int = 1) -> None:
    """A person moved mail of an address to Junk (1) or back (-1): it counts as the other kind from now on."""
    day = now // DAY
    tx.execute(_NOTE, account_id=account_id, digest=digest, sent=0, received=0, junked=0, day=day)
    tx.execute(_NOTE, account_id=account_id, digest=digest, sent=0, received=-by, junked=by, day=day)


def sent(tx: Writing, account_id: int, digests: Sequence[int], now: int) -> None:
    """The account wrote to these addresses; of very many only the first are remembered."""
    common = {"account_id": account_id, "sent": 1, "received": 0, "junked": 0, "day": now // DAY}
    tx.execute_many(_NOTE, [{**common, "digest": digest} for digest in dict.fromkeys(digests[:MOST_RECIPIENTS])])


def get(tx: Reading, account_id: int, digest: int) -> Contact | None:
    """What is remembered of an address; None for a stranger."""
    row = tx.one(_GET, account_id=account_id, digest=digest)
    return None if row is None else Contact(*row)


def exchanged(tx: Reading, account_ids: Sequence[int], digest: int) -> bool:
    """Whether any of the accounts has written to an address, or had mail from it that was not junk."""
    return tx.one(_EXCHANGED, accounts=json.dumps(account_ids), digest=digest) is not None


def expire(tx: Writing, now: int) -> None:
    """Forget some of those of whom nothing was heard for long; the housekeeper comes again."""
    day = now // DAY
    tx.execute(_EXPIRE, strangers_before=day - STRANGER_DAYS, friends_before=day - KEPT_DAYS)


def crowded(tx: Reading) -> list[int]:
    """Accounts with more than `MOST` contacts. Reads the whole index: for the housekeeper, outside the writer."""
    return [account_id for (account_id,) in tx.execute(_CROWDED)]


def trim(tx: Writing, account_id: int) -> None:
    """Forget what is beyond `MOST`: those written to stay before those who wrote, of equals those heard of last."""
    tx.execute(_TRIM, account_id=account_id, kept=MOST)
