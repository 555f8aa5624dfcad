"""ENS names, newcomers and invitations, shown credentials; what a gate does with who does not meet it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and the column."""
    _table("ens_name", _text("name"), _text("address"), _text("chain"), _int("checked"), key=["name"])
    op.create_index("ix_ens_name_checked", "ens_name", ["checked"])
    _table("newcomer", _bytes("token_sha256"), _text("subjects"), _int("expires"), key=["token_sha256"])
    op.create_index("ix_newcomer_expires", "newcomer", ["expires"])
    _table("invitation", _bytes("code_sha256"), _text("domain"), _text("note"), _int("expires"), key=["code_sha256"])
    op.create_index("ix_invitation_expires", "invitation", ["expires"])
    _table(
        "shown_credential",
        _int("account_id"),
        _bytes("digest"),
        _text("token"),
        _text("holder"),
        _int("shown"),
        _int("expires"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        key=["account_id", "digest"],
    )
    op.create_index("ix_shown_credential_expires", "shown_credential", ["expires"])
    # Who passes several gates has a last good answer of each. What was known is forgotten: it counts an hour at most.
    op.drop_table("gate_pass")
    _table(
        "gate_pass",
        _int("account_id"),
        _bytes("digest"),
        _int("time"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        key=["account_id", "digest"],
    )
    op.create_index("ix_gate_pass_time", "gate_pass", ["time"])
    op.add_column("gate", sa.Column("others", sa.Text(), server_default=sa.text("'filter'"), nullable=False))


def _table(name: str, *parts: sa.schema.SchemaItem, key: list[str]) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key), sqlite_strict=True, sqlite_with_rowid=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
