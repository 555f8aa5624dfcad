"""The directory: domains' settings, aliases, groups, shared mailboxes, quotas, tenants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables, and tell each account's domain from its address."""
    op.add_column("domain", _words("separator", "+"))
    op.add_column("domain", _number("tag_folders", 0))
    for name in ("catch_all", "tenant"):
        op.add_column("domain", _words(name, ""))
    op.add_column("account", _words("domain", ""))
    connection = op.get_bind()
    for id, key in connection.execute(sa.text("SELECT id, key FROM account")).fetchall():
        connection.execute(
            sa.text("UPDATE account SET domain = :domain WHERE id = :id"), {"domain": key.rpartition("@")[2], "id": id}
        )
    op.create_index("ix_account_domain", "account", ["domain"])
    _reached()
    _let_in()
    _table("quota", _words("use"), _words("target"), _number("storage"), _number("messages"), key=("use", "target"))
    _table("mirrored", _words("key"), _number("seen"), key=("key",))
    _changes()


def _reached() -> None:
    owner = sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE")
    _table("alias", _words("key"), _words("address"), _number("account_id"), _number("may_send"), owner, key=("key",))
    op.create_index("ix_alias_account_id", "alias", ["account_id"])
    _table("mail_group", _words("key"), _words("address"), _words("name"), _number("inside"), key=("key",))
    _table(
        "group_member",
        _words("group_key"),
        _words("member_key"),
        _words("address"),
        _number("may_send"),
        sa.ForeignKeyConstraint(["group_key"], ["mail_group.key"], ondelete="CASCADE"),
        key=("group_key", "member_key"),
    )
    op.create_index("ix_group_member_member_key", "group_member", ["member_key"])


def _let_in() -> None:
    _table(
        "delegate",
        _number("account_id"),
        _number("person_id"),
        _number("may_send"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["account.id"], ondelete="CASCADE"),
        key=("account_id", "person_id"),
    )
    op.create_index("ix_delegate_person_id", "delegate", ["person_id"])
    _table("tenant", _words("name"), key=("name",))
    _table(
        "tenant_admin",
        _words("tenant"),
        _number("account_id"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        key=("tenant", "account_id"),
    )
    op.create_index("ix_tenant_admin_account_id", "tenant_admin", ["account_id"])


def _changes() -> None:
    texts = [_words(name) for name in ("actor", "tenant", "kind", "target", "details")]
    _table("directory_change", _number("id"), _number("time"), *texts, key=("id",), rowid=True)
    op.create_index("ix_directory_change_time", "directory_change", ["time"])
    op.create_index("ix_directory_change_tenant", "directory_change", ["tenant"])


def _table(
    name: str,
    *parts: sa.Column[int] | sa.Column[str] | sa.ForeignKeyConstraint,
    key: tuple[str, ...],
    rowid: bool = False,
) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key), sqlite_strict=True, sqlite_with_rowid=rowid)


def _words(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=_default(default))


def _number(name: str, default: int | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=_default(default))


def _default(value: int | str | None) -> sa.TextClause | None:
    return None if value is None else sa.text(repr(value))
