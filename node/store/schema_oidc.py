"""The table of people who log in with an outside OpenID provider."""

from __future__ import annotations

from node.store.columns import number, of, table, words

oidc_subject = table(
    "oidc_subject",
    words("issuer", primary_key=True),
    words("subject", primary_key=True),  # as the issuer names the person for good
    number("account_id", of("account.id"), index=True),
    number("created"),
    rowid=False,
)
