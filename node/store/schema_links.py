"""Tables of links instead of attachments: what was sent as a link, and who wants it so."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer

from node.store.columns import number, octets, of, table, words

link = table(  # one attachment that left this node as a link
    "link",
    octets("id", primary_key=True),  # 16 random octets, in the address
    # Rows whose account went stay until their blocks are gone.
    Column("account_id", Integer, ForeignKey("account.id", ondelete="SET NULL"), index=True),
    octets("cid"),  # of the sealed tree's root; empty while begun, and once its blocks are gone
    number("size"),  # octets of the content
    words("name"),  # of the file, as its sender's program gave it
    words("recipients"),  # for the sender's eyes
    number("created"),
    number("expires"),
    number("allowed"),  # downloads
    number("downloads"),  # begun so far
    number("revoked", default=0),  # when, 0: never
    octets("proof"),  # SHA-256 of what a download has to show; the key itself is nowhere here
    octets("ticket_key"),  # signs the tickets of downloads under way
    rowid=False,
)

link_choice = table(  # who chose for themselves; the others do as their domain does
    "link_choice",
    number("account_id", of("account.id"), primary_key=True),
    number("wanted"),
)
