"""Tables of the directory: domains, and who else is reached or let in than the person whose account it is."""

from __future__ import annotations

from node.store.columns import number, of, table, words

domain = table(
    "domain",
    words("name", primary_key=True),
    words("separator", default="+"),  # between a name and its tag; "" for no tags
    number("tag_folders", default=0),  # 1: a tag that names a mailbox delivers there
    words("catch_all", default=""),  # Address.key, "" for none
    words("tenant", default=""),  # tenant.name, "" for the node's own
    rowid=False,
)

alias = table(
    "alias",
    words("key", primary_key=True),  # Address.key
    words("address"),
    number("account_id", of("account.id"), index=True),
    number("may_send"),
    rowid=False,
)

mail_group = table(
    "mail_group",
    words("key", primary_key=True),
    words("address"),
    words("name"),
    number("inside"),  # 1: only people who log in here may write to it
    rowid=False,
)

group_member = table(
    "group_member",
    words("group_key", of("mail_group.key"), primary_key=True),
    words("member_key", primary_key=True, index=True),  # of a person, an alias or a group
    words("address"),
    number("may_send"),
    rowid=False,
)

delegate = table(
    "delegate",
    number("account_id", of("account.id"), primary_key=True),  # the shared one
    number("person_id", of("account.id"), primary_key=True, index=True),
    number("may_send"),
    rowid=False,
)

reserved_address = table("reserved_address", words("key", primary_key=True), number("until"), rowid=False)

quota = table(
    "quota",
    words("use", primary_key=True),  # quotas.Use
    words("target", primary_key=True),  # Address.key, or a domain
    number("storage"),  # octets, 0 for no limit
    number("messages"),  # 0 for no limit
    rowid=False,
)

tenant = table("tenant", words("name", primary_key=True), rowid=False)

tenant_admin = table(
    "tenant_admin",
    words("tenant", of("tenant.name"), primary_key=True),
    number("account_id", of("account.id"), primary_key=True, index=True),
    rowid=False,
)

directory_change = table(
    "directory_change",
    number("id", primary_key=True),
    number("time", index=True),
    words("actor"),
    words("tenant", index=True),
    words("kind"),
    words("target"),
    words("details"),
)

mirrored = table(
    "mirrored",
    words("key", primary_key=True),  # Address.key of what another directory told
    number("seen"),
    rowid=False,
)
