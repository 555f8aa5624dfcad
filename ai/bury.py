"""Hides spam in ordinary text, as its senders do: to measure how much a classifier still sees."""

from __future__ import annotations

import base64
import html
import random
import re
from collections.abc import Iterable, Sequence

from ai.parts import Text, walk
from ai.view import text_view

WORDS = 600  # of ham put before or after; more than fills a window
_KEPT = re.compile(rb"^(?:from|reply-to|subject)[ \t]{0,8}:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_BODY = re.compile(r"(?i)<body[^>]{0,2000}>")
_END = re.compile(r"(?i)</body")


def ham_words(messages: Iterable[bytes], most: int = 200_000) -> list[str]:
    """The visible words of raw messages, in order, at most ``most``."""
    words: list[str] = []
    for raw in messages:
        words += text_view(raw).text.split()
        if len(words) >= most:
            break
    return words[:most]


def bury(raw: bytes, words: Sequence[str], seed: int, *, after: bool, count: int = WORDS) -> bytes | None:
    """A message that begins (or, with ``after``, ends) with ``count`` consecutive words of ham, chosen by ``seed``.

    Sender and subject stay; other fields and attachments go. None where a message has no readable text.
    """
    texts = [text for text in walk(raw).texts if text.characters.strip()]
    if not texts or len(words) < count:
        return None
    start = random.Random(seed).randrange(len(words) - count + 1)  # noqa: S311 - repeatable, not secret
    ham = " ".join(words[start : start + count])
    head = raw[: 1 << 16].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    fields = [match[0] for match in _KEPT.finditer(head)]
    parts = [_part(text, ham, after) for text in texts]
    top = b'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="waxseal-bury"\n\n'
    inside = b"".join(b"--waxseal-bury\n" + part + b"\n" for part in parts)
    return b"\n".join(fields) + b"\n" + top + inside + b"--waxseal-bury--\n"


def _part(text: Text, ham: str, after: bool) -> bytes:
    if text.subtype == "html":
        shown = _into_html(text.characters, f"<p>{html.escape(ham)}</p>", after)
    else:
        shown = f"{text.characters}\n\n{ham}\n" if after else f"{ham}\n\n{text.characters}"
    head = f"Content-Type: text/{text.subtype}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    return head.encode() + base64.encodebytes(shown.encode("utf-8", "replace"))


def _into_html(markup: str, paragraph: str, after: bool) -> str:
    if after:
        end = _END.search(markup)
        at = end.start() if end else len(markup)
    else:
        body = _BODY.search(markup)
        at = body.end() if body else 0
    return markup[:at] + paragraph + markup[at:]
