"""What people prove themselves with beside wallets, and who has to stay outside."""

from __future__ import annotations

from node.store.columns import number, octets, of, table, words

node_secret = table("node_secret", words("name", primary_key=True), octets("value"), rowid=False)

account_password = table(
    "account_password",
    number("account_id", of("account.id"), primary_key=True),
    words("hash"),
    number("changed"),
)

totp = table(
    "totp",
    number("account_id", of("account.id"), primary_key=True),
    octets("secret"),
    number("confirmed"),  # 0 until a first code was typed
    number("last_step"),  # of the last code that was accepted; 0: none yet
    number("created"),
)

recovery_code = table(
    "recovery_code",
    number("account_id", of("account.id"), primary_key=True),
    octets("digest", primary_key=True),
    rowid=False,
)

blocked_network = table(
    "blocked_network",
    words("network", primary_key=True),
    number("since"),
    number("until", index=True),
    number("times"),  # the next block is longer
    number("failures"),
    number("names"),
    rowid=False,
)

account_role = table(
    "account_role",
    number("account_id", of("account.id"), primary_key=True),
    words("role"),  # roles.Role
    number("since"),
)
