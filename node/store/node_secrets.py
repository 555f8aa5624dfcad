"""Secrets of the node itself that nobody outside ever sees: made once, kept with the data."""

from __future__ import annotations

import secrets

from sqlalchemy import select

from node.store.schema_passwords import node_secret
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

SIZE = 32  # octets

_GET = Statement(select(node_secret.c.value).where(same(node_secret.c.name)))
_ADD = Statement(adding(node_secret))


def get(tx: Reading, name: str) -> bytes | None:
    """The secret of this name; None until `need` made it."""
    row = tx.one(_GET, name=name)
    return None if row is None else row[0]


def need(tx: Writing, name: str) -> bytes:
    """The secret of this name, made at the first call: 32 random octets."""
    value = get(tx, name)
    if value is None:
        value = secrets.token_bytes(SIZE)
        tx.execute(_ADD, name=name, value=value)
    return value
