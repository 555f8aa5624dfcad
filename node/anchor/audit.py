"""The audit trail: each administrative and security event is written down in the transaction that makes it true.

`record` is the one way in. Its row and its leaf in the log come to disk with what they tell of, or not at all.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from node.anchor.events import MAX_DETAILS, NODE, OPERATOR, Detail, Event, Kind, parse, tame
from node.anchor.leaf import SALT_SIZE
from node.anchor.log import Log
from node.base import metrics
from node.store import accounts, audit_events, security_events
from node.store.audit_events import StoredEvent
from node.store.database import Writing
from node.store.security_events import SecurityEvent

__all__ = ["NODE", "OPERATOR", "Detail", "Kind", "first_login", "key_in_use", "record", "security"]

_LOG = Log()
DAY = 86400


def record(  # noqa: PLR0917
    tx: Writing,
    kind: Kind,
    actor: str,
    subject: str = "",
    details: Mapping[str, Detail] | None = None,
    now: float | None = None,
) -> int:
    """Write an event down within the caller's transaction, and return its index in the log. About 100 µs.

    Texts are cut to what a document may hold, and what is not printable is replaced: an event is never lost because of
    a name in it.

    Args:
        actor: who did it: an address, `OPERATOR` or `NODE`.
        subject: whom or what it is about.
        details: up to 20; never a secret. Those that are "" are left out.
        now: unix seconds.
    """
    kept = [(name, each) for name, each in (details or {}).items() if each != ""][:MAX_DETAILS]
    event = Event(
        number=audit_events.last(tx) + 1,
        time=max(0, int(time.time() if now is None else now)),
        kind=kind,
        actor=tame(actor),
        subject=tame(subject),
        details={name: tame(each) if isinstance(each, str) else each for name, each in kept},
    )
    salt = secrets.token_bytes(SALT_SIZE)
    index = _LOG.append(tx, event.leaf(salt).entry)
    row = StoredEvent(
        *(index, event.number, event.time, event.kind.value, event.actor, event.subject), salt, event.document
    )
    audit_events.add(tx, row)
    tx.after(metrics.audit_events.labels(kind.value).inc)
    return index


def first_login(tx: Writing, address: str, before: int | None, now: int, details: Mapping[str, Detail]) -> None:
    """Write a mail client's login down, unless one with the same credential was already today (UTC): clients log in
    again and again, and a client that did so a minute ago tells nothing new.

    Args:
        before: unix seconds of the last login with it; None: there was none.
    """
    if before is None or before // DAY != now // DAY:
        record(tx, Kind.LOGIN, address, address, {"way": "client", **details}, now)


def key_in_use(tx: Writing, name: str, key: str) -> None:
    """Write down that one of the node's keys is in use, unless the last event about it said so already.

    Args:
        name: which one: "log", "keeper", "oauth".
        key: its public half, or what is derived of it.
    """
    subject = f"{name} key"
    row = audit_events.newest(tx, (Kind.KEY_IN_USE, Kind.KEY_ROTATED), subject)
    before = str(parse(row.document).details.get("key", "")) if row else ""
    if before != tame(key):
        kind = Kind.KEY_ROTATED if row else Kind.KEY_IN_USE
        record(tx, kind, NODE, subject, {"key": key, "before": before})


def security(tx: Writing, account_id: int, event: SecurityEvent, actor: str = "") -> None:
    """Keep a security event for the account's owner, and write it down in the audit trail.

    Args:
        actor: who did it; "": the account's owner.
    """
    security_events.add(tx, account_id, event)
    account = accounts.get(tx, account_id)
    address = account.address if account else f"account {account_id}"
    counted = {name: getattr(event, name) for name in ("messages", "recipients", "fresh") if getattr(event, name)}
    details = {
        "network": event.network,
        "app_password": event.app_password,
        "details": event.details,
        **counted,
    }
    record(tx, Kind(event.kind), actor or address, address, details, event.time)
