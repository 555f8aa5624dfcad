"""Tables of what stands on chains, and of what was signed for them. `node.store.anchors` knows what they mean."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary
from sqlalchemy import text as sql

from node.store.columns import number, octets, table, words

anchor = table(
    "anchor",
    number("id", primary_key=True),
    number("size", index=True),
    octets("root"),
    number("chain"),
    words("contract"),
    words("tx_hash"),
    number("block"),
    number("time"),
    Column("block_hash", LargeBinary, nullable=False, server_default=sql("x''")),
    words("sender", default=""),
    number("confirmed", default=1),
    number("gas", default=0),
    words("fee", default="0"),  # wei: more than an integer column holds
)
Index("ix_anchor_chain_size", anchor.c.chain, anchor.c.size)

chain_transaction = table(
    "chain_transaction",
    number("id", primary_key=True),
    number("chain"),
    words("sender"),
    number("nonce"),
    octets("hash", unique=True),
    words("to"),
    octets("raw"),
    number("time"),
    number("state"),  # anchors.State
)
Index(
    "ix_chain_transaction_chain_sender_nonce",
    chain_transaction.c.chain,
    chain_transaction.c.sender,
    chain_transaction.c.nonce,
)
