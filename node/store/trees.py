"""The sealed trees in the block store, whatever needs them: parts of messages, and links that strangers open."""

from __future__ import annotations

from node.store import links, parts
from node.store.transaction import Reading


def roots(tx: Reading) -> list[bytes]:
    """The CID of every tree that somebody needs, each once."""
    return list(dict.fromkeys(parts.roots(tx) + links.roots(tx)))
