"""Security events of an account: what was noticed and done, for its owner and the administrator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, delete, or_, select

from node.store.schema import account, security_event
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Writing

KEPT_SECONDS = 400 * 86400


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One event.

    Attributes:
        time: unix seconds.
        kind: "sending-slowed", "sending-held", "sending-locked", "sending-unlocked".
        network: where the client was, "" when it does not matter.
        app_password: the name of the one that was used, "" when none was.
        messages, recipients, fresh: of the last hour: messages taken, recipients asked for, and how many of these, as
            far as they were looked at, were never written to before.
        details: words from a closed list, joined by spaces; for an unlock, who did it.
    """

    time: int
    kind: str
    network: str = ""
    app_password: str = ""
    messages: int = 0
    recipients: int = 0
    fresh: int = 0
    details: str = ""


_C = security_event.c
_ADD = Statement(adding(security_event, "id"))
_RECENT = Statement(
    select(*(column for column in _C if column.name not in {"id", "account_id"}))
    .where(same(_C.account_id))
    .order_by(_C.id.desc())
    .limit(bindparam("limit"))
)
_LATEST = Statement(
    select(account.c.address, *(column for column in _C if column.name not in {"id", "account_id"}))
    .join_from(security_event, account, account.c.id == _C.account_id)
    .where(or_(bindparam("everywhere", type_=Integer) == 1, account.c.domain.in_(chosen("domains"))))
    .order_by(_C.id.desc())
    .limit(bindparam("limit"))
)
_EXPIRE = Statement(delete(security_event).where(_C.time < bindparam("before")).returning(_C.id))


def add(tx: Writing, account_id: int, event: SecurityEvent) -> None:
    """Keep an event."""
    tx.execute(
        _ADD,
        account_id=account_id,
        time=event.time,
        kind=event.kind,
        network=event.network,
        app_password=event.app_password,
        messages=event.messages,
        recipients=event.recipients,
        fresh=event.fresh,
        details=event.details,
    )


def recent(tx: Reading, account_id: int, limit: int = 50) -> list[SecurityEvent]:
    """An account's events, newest first."""
    return [SecurityEvent(*row) for row in tx.execute(_RECENT, account_id=account_id, limit=limit)]


def latest(tx: Reading, domains: Sequence[str] | None, limit: int) -> list[tuple[str, SecurityEvent]]:
    """The events of everybody in these domains, or of all, newest first, each with the address of whose it is."""
    within = {"everywhere": int(domains is None), "domains": json.dumps(domains or [])}
    rows = tx.execute(_LATEST, **within, limit=limit)
    return [(row[0], SecurityEvent(*row[1:])) for row in rows]


def expire(tx: Writing, now: int) -> int:
    """Forget what is older than `KEPT_SECONDS`; returns how many went."""
    return len(tx.execute(_EXPIRE, before=now - KEPT_SECONDS))
