"""Tables of legal holds: whose mail must not go for good, and what was deleted while it must not."""

from __future__ import annotations

from sqlalchemy import ForeignKey

from node.store.columns import number, of, table, words

legal_hold = table(
    "legal_hold",
    number("id", primary_key=True),
    number("account_id", index=True),  # no reference: the account may go first
    words("address"),  # of the account then
    number("mailbox_id"),  # 0: all of them
    words("mailbox"),  # its name then, "" for all
    words("reason"),
    number("since"),
    reuse=False,  # an admin's command must not meet another hold
)

held_back = table(
    "held_back",
    number("id", primary_key=True),
    number("hold_id", of("legal_hold.id"), index=True),
    number("blob_id", ForeignKey("blob.id"), index=True),
    words("mailbox"),  # where it was
    number("uid"),
    number("size"),
    number("deleted"),
)
