"""The log's entries in a table of their own, apart from what messages' leaves are made of; full tiles in blobs."""

from __future__ import annotations

import hashlib
import struct

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_STEP = 10_000  # leaves at a time
_FORM = struct.Struct(">B32s32sBQ")  # a message leaf of version 1: the only kind so far
_DIRECTIONS = {"received": 1, "submitted": 2}


def upgrade() -> None:
    """Add tables, fill the entries' one, take the leaf hash away: it is the entry's."""
    op.create_table(
        "log_entry",
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index"),
        sqlite_autoincrement=False,
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "log_pack",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("tiles", sa.Integer(), nullable=False),
        sa.Column("blob_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"]),
        sa.PrimaryKeyConstraint("level", "first"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_pack_blob_id", "log_pack", ["blob_id"])
    _fill(op.get_bind())
    op.drop_column("leaf", "leaf_hash")


def _fill(connection: sa.Connection) -> None:
    start = 0
    while True:
        rows = connection.exec_driver_sql(
            'SELECT "index", leaf_hash, salt, message_sha256, direction, time FROM leaf '
            'WHERE "index" >= ? ORDER BY "index" LIMIT ?',
            (start, _STEP),
        ).fetchall()
        if not rows:
            return
        entries = [(index, _entry(index, leaf_hash, *leaf)) for index, leaf_hash, *leaf in rows]
        connection.exec_driver_sql('INSERT INTO log_entry ("index", entry) VALUES (?, ?)', entries)
        start = rows[-1][0] + 1


def _entry(index: int, leaf_hash: bytes, *leaf: object) -> bytes:  # salt, hash of the message, direction, time
    """The entry, made again from the leaf and compared with the hash that went into the tree."""
    salt, message_sha256, direction, time = leaf
    encoded = _FORM.pack(1, salt, message_sha256, _DIRECTIONS[str(direction)], time)
    entry = hashlib.sha256(encoded).digest()
    if hashlib.sha256(b"\x00" + entry).digest() != leaf_hash:
        raise ValueError(
            f"leaf {index} of the log is not what was logged: restore the database from a backup made before it changed"
        )
    return entry
