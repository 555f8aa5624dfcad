"""Account passwords, second factors, SCRAM's keys, blocked networks, roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and the tables."""
    op.add_column("app_password", sa.Column("scram", sa.LargeBinary(), nullable=True))
    op.create_table(
        "node_secret",
        _words("name"),
        _octets("value"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _of_account("account_password", _words("hash"), _number("changed"))
    _of_account("totp", _octets("secret"), _number("confirmed"), _number("last_step"), _number("created"))
    _of_account("account_role", _words("role"), _number("since"))
    op.create_table(
        "recovery_code",
        _number("account_id"),
        _octets("digest"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blocked_network",
        _words("network"),
        *(_number(name) for name in ("since", "until", "times", "failures", "names")),
        sa.PrimaryKeyConstraint("network"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_blocked_network_until", "blocked_network", ["until"])


def _of_account(name: str, *columns: sa.Column[int] | sa.Column[str] | sa.Column[bytes]) -> None:
    op.create_table(
        name,
        _number("account_id"),
        *columns,
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _octets(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
