"""How strongly a browser session was opened; addresses that nobody gets again for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table. Sessions from before open no administration: log in once more."""
    op.add_column("web_session", sa.Column("strong", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "reserved_address",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
