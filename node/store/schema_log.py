"""Tables of the transparency log. `node.anchor` knows what they mean."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer

from node.store.columns import number, octets, table, words

log_entry = table(  # what stands in no pack yet, and always the newest one: its index tells the log's size
    "log_entry",
    Column("index", Integer, primary_key=True, autoincrement=False),
    octets("entry"),
)

node = table("node", number("level", primary_key=True), number("index", primary_key=True), octets("hash"), rowid=False)

log_pack = table(  # full tiles that moved into the blob store, many to a blob
    "log_pack",
    number("level", primary_key=True),  # of the tiles (C2SP tlog-tiles), or -1: entry bundles
    number("first", primary_key=True),  # index of the first tile
    number("tiles"),
    number("blob_id", ForeignKey("blob.id"), index=True),
    rowid=False,
)

leaf = table(  # what the entries of messages were made of
    "leaf",
    Column("index", Integer, primary_key=True, autoincrement=False),
    octets("salt"),
    octets("message_sha256", index=True),
    words("direction"),
    number("time"),
    Column("outcome", Integer),  # anchor.leaf.Outcome's code; null, as is policy: a leaf of kind 1
    Column("policy", Integer),  # policy.number
)

checkpoint = table("checkpoint", number("size", primary_key=True), octets("note"), number("time"))
