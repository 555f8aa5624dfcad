"""Tables of names, of newcomers, and of the credentials that people have shown."""

from __future__ import annotations

from node.store.columns import number, octets, of, table, words

ens_name = table(
    "ens_name",
    words("name", primary_key=True),  # normalised (ENSIP-15)
    words("address"),  # 0x..., lower case
    words("chain"),  # CAIP-2
    number("checked", index=True),
    rowid=False,
)

newcomer = table(
    "newcomer",
    octets("token_sha256", primary_key=True),
    words("subjects"),  # proved, joined by a space
    number("expires", index=True),
    rowid=False,
)

invitation = table(
    "invitation",
    octets("code_sha256", primary_key=True),
    words("domain"),
    words("note"),
    number("expires", index=True),
    rowid=False,
)

shown_credential = table(
    "shown_credential",
    number("account_id", of("account.id"), primary_key=True),
    octets("digest", primary_key=True),  # SHA-256 of the token
    words("token"),
    words("holder"),  # the DID that showed it
    number("shown"),
    number("expires", index=True),
    rowid=False,
)
