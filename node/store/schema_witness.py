"""Tables of witnessing: what others cosigned for us, what we cosigned for others, what was seen of any log."""

from __future__ import annotations

from node.store.columns import number, octets, table, words

cosignature = table(  # what witnesses said of our own log's checkpoints
    "cosignature",
    number("size", primary_key=True),
    octets("root", primary_key=True),
    words("witness", primary_key=True),  # the key's name
    words("line"),  # of the note, newline included
    number("time"),  # by the witness's clock
    rowid=False,
)

witnessed_log = table(  # the newest checkpoint we cosigned of each log; it never goes back
    "witnessed_log",
    words("origin", primary_key=True),
    number("size"),
    octets("root"),
    words("note"),
    number("time"),  # of the cosignature
    rowid=False,
)

seen_checkpoint = table(  # signed by the log, whoever showed it to us
    "seen_checkpoint",
    words("origin", primary_key=True),
    number("size", primary_key=True),
    octets("root", primary_key=True),
    words("note"),
    number("time"),
)

log_fork = table(  # evidence (node.anchor.fork) that a log has told two histories
    "log_fork",
    words("origin", primary_key=True),
    octets("digest", primary_key=True),  # SHA-256 of the document
    words("document"),
    number("time"),
)
