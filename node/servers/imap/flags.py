"""Flags between the store (bits and keywords) and the wire (names)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from node.store.messages import Flag
from node.wire.imap.flags import render_flags

NAMES = {
    Flag.ANSWERED: "\\Answered",
    Flag.FLAGGED: "\\Flagged",
    Flag.DELETED: "\\Deleted",
    Flag.SEEN: "\\Seen",
    Flag.DRAFT: "\\Draft",
}
BITS = {name: flag for flag, name in NAMES.items()}
SYSTEM = tuple(NAMES.values())
COMMON_KEYWORDS = ("$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing", "$Important")


def split(names: Iterable[str]) -> tuple[Flag, frozenset[str]]:
    """Names from the wire as the store takes them: the system flags' bits, and the keywords."""
    bits, keywords = Flag(0), set()
    for name in names:
        if name in BITS:
            bits |= BITS[name]
        else:
            keywords.add(name)
    return bits, frozenset(keywords)


@lru_cache(maxsize=4096)
def rendered(bits: int, keywords: frozenset[str] | str) -> bytes:
    """A message's flags as a parenthesised list. `keywords` is a set, or names joined by a space."""
    names = keywords.split() if isinstance(keywords, str) else sorted(keywords)
    return render_flags([*(name for flag, name in NAMES.items() if bits & flag), *names])
