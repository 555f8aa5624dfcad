"""Tables of the OAuth provider: clients, what people allowed them, and what is under way."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary

from node.store.columns import number, octets, of, table, words

oauth_client = table(
    "oauth_client",
    words("id", primary_key=True),
    words("name"),
    words("redirects"),  # JSON
    number("created", index=True),
    number("used"),  # when a person last allowed it something; 0 for never
    rowid=False,
)

oauth_grant = table(
    "oauth_grant",
    number("id", primary_key=True),
    number("account_id", of("account.id"), index=True),
    words("client_id", index=True),  # no reference: clients in the settings have no row
    words("client_name"),  # as it was when the person allowed it
    words("scopes"),
    number("created"),
    number("auth_time"),
    number("expires", index=True),
    Column("last_used", Integer),
    Column("family", LargeBinary, unique=True),  # SHA-256 of what all refresh tokens of the grant share
    Column("current", LargeBinary),  # SHA-256 of the rest of the one that is good
    reuse=False,  # access tokens name it
)

oauth_code = table(
    "oauth_code",
    octets("sha256", primary_key=True),
    number("grant_id", of("oauth_grant.id"), index=True),
    words("redirect_uri"),
    words("challenge"),
    words("nonce"),
    number("expires", index=True),
    number("used"),  # 1: brought once
    rowid=False,
)

oauth_device = table(
    "oauth_device",
    octets("sha256", primary_key=True),  # of the device's code
    words("user_code", unique=True),
    words("client_id"),
    words("client_name"),
    words("scopes"),
    number("expires", index=True),
    number("every"),  # seconds between two questions
    number("asked"),  # when it asked last
    words("state"),  # oauth.Waiting
    Column("grant_id", Integer, of("oauth_grant.id"), index=True),
    rowid=False,
)
