"""Policies that were in force, oldest first: documents and since when. `node.anchor.policy` knows what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from node.store.schema_audit import policy
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        number: 1 for the node's first, and so on.
        hash: SHA-256 of the document, 32 bytes: what leaves name and what is published.
        document: canonical JSON.
        since: unix seconds; it was in force until the next one's `since`.
    """

    number: int
    hash: bytes
    document: bytes
    since: int


_C = policy.c
_ADD = Statement(adding(policy, "number").returning(_C.number))
_CURRENT = Statement(select(policy).order_by(_C.number.desc()).limit(1))
_NAME = Statement(select(_C.number, _C.hash).order_by(_C.number.desc()).limit(1))
_GET = Statement(select(policy).where(same(_C.hash)))
_LISTING = Statement(select(policy).where(_C.number > bindparam("after")).order_by(_C.number).limit(bindparam("limit")))


def add(tx: Writing, hash: bytes, document: bytes, since: int) -> Policy:
    """Put a policy in force; those before it stay on record."""
    return Policy(tx.value(_ADD, hash=hash, document=document, since=since), hash, document, since)


def current(tx: Reading) -> Policy | None:
    """The policy in force; None before the node's first start."""
    return _made(tx.one(_CURRENT))


def name(tx: Reading) -> tuple[int, bytes] | None:
    """Number and hash of the policy in force. A few microseconds: each delivery asks, in its own transaction, since
    a command in another process may have changed it a moment ago."""
    row = tx.one(_NAME)
    return None if row is None else (row[0], row[1])


def get(tx: Reading, hash: bytes) -> Policy | None:
    """The policy of this hash."""
    return _made(tx.one(_GET, hash=hash))


def listing(tx: Reading, after: int = 0, limit: int = 1000) -> list[Policy]:
    """Policies in the order in which they came into force, from behind number `after` on."""
    return [Policy(*row) for row in tx.execute(_LISTING, after=after, limit=limit)]


def _made(row: Row | None) -> Policy | None:
    return None if row is None else Policy(*row)
