"""Anchors on several chains, provisional until they are final; a journal of what was signed for chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and the table."""
    for column in (
        sa.Column("block_hash", sa.LargeBinary(), server_default=sa.text("x''"), nullable=False),
        sa.Column("sender", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("confirmed", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("gas", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fee", sa.Text(), server_default=sa.text("'0'"), nullable=False),
    ):
        op.add_column("anchor", column)
    op.create_index("ix_anchor_chain_size", "anchor", ["chain", "size"])
    op.create_table(
        "chain_transaction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash", name="uq_chain_transaction_hash"),
        sqlite_strict=True,
    )
    op.create_index("ix_chain_transaction_chain_sender_nonce", "chain_transaction", ["chain", "sender", "nonce"])
