"""Tables of the audit trail and of policies. `node.anchor` knows what their documents mean."""

from __future__ import annotations

from sqlalchemy import Column, Integer

from node.store.columns import number, octets, table, words

policy = table(  # append-only
    "policy",
    number("number", primary_key=True),
    octets("hash", unique=True),  # SHA-256 of the document
    octets("document"),
    number("since"),
    reuse=False,  # leaves name it
)

audit_event = table(  # append-only
    "audit_event",
    Column("index", Integer, primary_key=True, autoincrement=False),  # of its leaf in the log
    number("number", unique=True),  # 1, 2, 3 ...
    number("time", index=True),
    words("kind", index=True),
    words("actor", index=True),
    words("subject"),
    octets("salt"),
    octets("document"),
)
