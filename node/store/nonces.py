"""Nonces of wallet logins: each is good once, for the web session it was given to, until it expires (EIP-4361)."""

from __future__ import annotations

from sqlalchemy import bindparam, delete

from node.store.schema import nonce as table
from node.store.statement import Statement, adding, same
from node.store.transaction import Writing

_PUT = Statement(adding(table))
_TAKE = Statement(delete(table).where(same(table.c.nonce)).returning(table.c.session, table.c.expires))
_EXPIRE = Statement(delete(table).where(table.c.expires <= bindparam("now")))


def put(tx: Writing, nonce: str, session: str, expires: int, now: int) -> None:
    """Remember a nonce just given out.

    Args:
        nonce: fresh and random; the same one twice is a bug.
        session: who may use it.
        expires: unix seconds from which it is worth nothing.
        now: unix seconds; what has expired by then goes.
    """
    tx.execute(_EXPIRE, now=now)  # logins that nobody finished must not pile up
    tx.execute(_PUT, nonce=nonce, session=session, expires=expires)


def take(tx: Writing, nonce: str, session: str, now: int) -> bool:
    """Use a nonce up. True once, for its own session and in time; whoever else names it burns it all the same."""
    row = tx.one(_TAKE, nonce=nonce)
    tx.execute(_EXPIRE, now=now)
    return row is not None and row[0] == session and row[1] > now
