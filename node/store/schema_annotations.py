"""The table of annotations of mailboxes."""

from __future__ import annotations

from node.store.columns import number, octets, of, table, words

annotation = table(
    "annotation",
    number("account_id", of("account.id"), primary_key=True),  # whose mailbox
    number("mailbox_id", primary_key=True),  # 0: of no mailbox, but of the server as this account sees it
    number("person_id", of("account.id"), primary_key=True, index=True),  # who sees it; the account itself: as below
    words("entry", primary_key=True),  # in lower case; /shared/... belongs to the account and is seen by all
    octets("value"),
    rowid=False,
)
