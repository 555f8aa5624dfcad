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


def hashes(view: View, passage: str | None = None) -> tuple[int, ...]:
    """At most MOST distinct numbers below BUCKETS: words, pairs of words, subject, sender, links, marks; ascending.

    ``passage``: a part of the text to look at instead of the whole.
    """
    text = model_text(view)
    body, subject = _words((text.body if passage is None else passage)[:_CHARACTERS]), _words(text.subject)
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


def located_words(text: str) -> tuple[list[str], list[int]]:
    """The words of a model's text, and where each begins."""
    words: list[str] = []
    starts: list[int] = []
    for found in _WORD.finditer(text.casefold()):
        pieces = _pieces(found[0])
        words += pieces
        starts += [found.start()] * len(pieces)
    return words, starts


def numbers_of(words: list[str]) -> tuple[list[int], list[int]]:
    """The features of n words, and of the n - 1 pairs of neighbours."""
    singles = [zlib.crc32(word.encode()) % BUCKETS for word in words]
    return singles, [zlib.crc32(f"{one} {two}".encode()) % BUCKETS for one, two in pairwise(words)]


def hash_of_mark(mark: str) -> int:
    """The feature of one mark."""
    return zlib.crc32(f"m:{mark}".encode()) % BUCKETS


def _words(text: str) -> list[str]:
    return [piece for word in _WORD.findall(text.casefold()) for piece in _pieces(word)]


def _pieces(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)] if _DENSE.fullmatch(word) else [word]
