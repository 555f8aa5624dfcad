"""Hashed features of a message: what the linear model reads beside the transformer, and what online heads learn on."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise

from ai.marks import marks
from ai.view import View, model_text

BUCKETS = 1 << 18
MOST = 512  # features of one message
_CHARACTERS = 4000  # of a text
_WORD = re.compile(r"[^\W_]{1,30}|[^\w\s]")
# Scripts written without spaces are cut into pairs of characters.
_DENSE = re.compile("[\u0e00-\u0e7f\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")


def hashes(view: View) -> tuple[int, ...]:
    """At most MOST distinct numbers below BUCKETS: words, pairs of words, subject, sender, links, marks; ascending."""
    text = model_text(view)
    body, subject = _words(text.body[:_CHARACTERS]), _words(text.subject)
    named = [f"m:{mark}" for mark in marks(view)]
    named += [f"s:{word}" for word in subject] + [f"f:{word}" for word in _words(text.sender)]
    named += [f"l:{link}" for link in view.links[:6]] + [
        f"a:{name.rpartition('.')[2].lower()}" for name in view.attachments[:4]
    ]
    named += [f"S:{one} {two}" for one, two in pairwise(subject)]
    for at, word in enumerate(body):
        named.append(word)
        if at:
            named.append(f"{body[at - 1]} {word}")
        if len(named) > 2 * MOST:
            break
    distinct = dict.fromkeys(zlib.crc32(name.encode()) % BUCKETS for name in named)
    return tuple(sorted(list(distinct)[:MOST]))


def hash_of_mark(mark: str) -> int:
    """The feature of one mark."""
    return zlib.crc32(f"m:{mark}".encode()) % BUCKETS


def _words(text: str) -> list[str]:
    words: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if _DENSE.fullmatch(word):
            words += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            words.append(word)
    return words
