"""The table of replicas: which sealed tree goes to which place, and how far that is."""

from __future__ import annotations

from sqlalchemy import Index

from node.store.columns import number, octets, table, words

replica = table(
    "replica",
    octets("root", primary_key=True),  # CID of the tree, binary; no reference: the row outlives the part until dropped
    words("place", primary_key=True),  # as the settings name it: kubo:home
    number("state"),  # replicas.State
    number("size"),  # octets of the content
    words("request"),  # what the place calls it, "" where it needs no such name
    number("attempts"),  # in vain, in a row
    number("due"),  # not before
    number("since"),  # when it came into this state
    words("error"),  # of the last attempt
    rowid=False,
)
Index("ix_replica_due", replica.c.place, replica.c.due)
