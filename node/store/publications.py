"""Who wants a public DID document, and which identities it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import accounts
from node.store.schema import publication as table
from node.store.statement import Statement, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Publication:
    """A person's wish to be found.

    Attributes:
        account_id: whose.
        shown: subjects of identities that may be seen; only those that still act for the account.
        since: unix seconds.
    """

    account_id: int
    shown: tuple[str, ...]
    since: int


_VALUES: dict[str, Any] = {name: bindparam(name) for name in ("account_id", "shown", "since")}
_PUT = Statement(
    (_put := upsert(table).values(_VALUES)).on_conflict_do_update(
        index_elements=[table.c.account_id], set_={"shown": _put.excluded.shown}
    )
)
_GET = Statement(select(table).where(same(table.c.account_id)))
_REMOVE = Statement(delete(table).where(same(table.c.account_id)).returning(table.c.account_id))


def put(tx: Writing, account_id: int, shown: tuple[str, ...], now: int) -> None:
    """Publish, or change what is shown."""
    tx.execute(_PUT, account_id=account_id, shown=json.dumps(sorted(set(shown))), since=now)


def get(tx: Reading, account_id: int) -> Publication | None:
    """What a person publishes; None when nothing."""
    row = tx.one(_GET, account_id=account_id)
    if row is None:
        return None
    bound = accounts.identities(tx, account_id)
    wished = set(json.loads(row[1]))
    return Publication(row[0], tuple(subject for subject in bound if subject in wished), row[2])


def remove(tx: Writing, account_id: int) -> bool:
    """Publish no longer; false when nothing was published."""
    return tx.one(_REMOVE, account_id=account_id) is not None
