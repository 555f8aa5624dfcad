"""Whom accounts exchange mail with, what they sent, and messages kept back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the four tables."""
    _contact()
    _sent_id()
    _held()
    _held_recipient()


def _column(name: str, kind: type[sa.Integer] | type[sa.Text] = sa.Integer) -> sa.Column[object]:
    return sa.Column(name, kind(), nullable=False)


def _contact() -> None:
    op.create_table(
        "contact",
        *(_column(name) for name in ("account_id", "digest", "sent", "received", "junked", "first", "last")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "digest"),
        sqlite_autoincrement=False,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_contact_last", "contact", ["last"])


def _sent_id() -> None:
    op.create_table(
        "sent_id",
        *(_column(name) for name in ("digest", "account_id", "day")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", "account_id"),
        sqlite_autoincrement=False,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sent_id_account_id", "sent_id", ["account_id"])
    op.create_index("ix_sent_id_day", "sent_id", ["day"])


def _held() -> None:
    op.create_table(
        "held",
        *(_column(name) for name in ("id", "blob_id", "size")),
        *(_column(name, sa.Text) for name in ("sender", "author", "subject", "why", "verdict")),
        *(_column(name) for name in ("received", "expires")),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    for name in ("blob_id", "received", "expires"):
        op.create_index(f"ix_held_{name}", "held", [name])


def _held_recipient() -> None:
    op.create_table(
        "held_recipient",
        *(_column(name) for name in ("held_id", "account_id")),
        _column("address", sa.Text),
        sa.ForeignKeyConstraint(["held_id"], ["held.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("held_id", "account_id"),
        sqlite_autoincrement=False,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_held_recipient_account_id", "held_recipient", ["account_id"])
