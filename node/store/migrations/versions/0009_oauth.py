"""The OAuth provider: clients, what people allowed them, and what is under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "oauth_client",
        *(_words("id"), _words("name"), _words("redirects"), _number("created"), _number("used")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_oauth_client_created", "oauth_client", ["created"])
    _grant()
    _under_way()


def _grant() -> None:
    op.create_table(
        "oauth_grant",
        *(_number("id"), _number("account_id"), _words("client_id"), _words("client_name"), _words("scopes")),
        *(_number("created"), _number("auth_time"), _number("expires")),
        sa.Column("last_used", sa.Integer(), nullable=True),
        sa.Column("family", sa.LargeBinary(), nullable=True),
        sa.Column("current", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("family", name="uq_oauth_grant_family"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
        sqlite_autoincrement=True,
    )
    for column in ("account_id", "client_id", "expires"):
        op.create_index(f"ix_oauth_grant_{column}", "oauth_grant", [column])


def _under_way() -> None:
    op.create_table(
        "oauth_code",
        *(_octets("sha256"), _number("grant_id"), _words("redirect_uri"), _words("challenge"), _words("nonce")),
        *(_number("expires"), _number("used")),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "oauth_device",
        *(_octets("sha256"), _words("user_code"), _words("client_id"), _words("client_name"), _words("scopes")),
        *(_number("expires"), _number("every"), _number("asked"), _words("state")),
        sa.Column("grant_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256"),
        sa.UniqueConstraint("user_code", name="uq_oauth_device_user_code"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    for table in ("oauth_code", "oauth_device"):
        for column in ("grant_id", "expires"):
            op.create_index(f"ix_{table}_{column}", table, [column])


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _octets(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
