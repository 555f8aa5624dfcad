"""What opens offloaded attachments: accounts' key pairs, and tenants' secrets for attachments kept once."""

from __future__ import annotations

from node.store.columns import number, octets, table, words

account_key = table(
    "account_key",
    number("account_id", primary_key=True),  # no reference: an account's end must not take a key that others read with
    octets("public"),
    octets("sealed"),
    rowid=False,
)

tenant_secret = table(
    "tenant_secret",
    words("tenant", primary_key=True),  # tenant.name, "" for the node's own domains
    octets("sealed"),
    rowid=False,
)
