"""Words by which rules know a lure, in the languages that lures come in (``wording.toml``). A language that is missing
means one clue less there, never a refusal."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,255}")
_GAP = re.compile(r"[^\w.'@-]+")


def plain(text: str) -> str:
    """Text as the stems expect it: lower case, addresses left out, one blank between words and around all."""
    return f" {_GAP.sub(' ', _ADDRESS.sub(' ', text).casefold())} "


def says(text: str, stems: Iterable[str]) -> bool:
    """Whether one of the stems stands in a `plain` text."""
    return any(stem in text for stem in stems)


def _stems(text: str) -> tuple[str, ...]:
    words = (" ".join(word.split()) for word in text.split(","))
    return tuple(dict.fromkeys(word.replace("_", " ").casefold() for word in words if word))


_LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
MAILBOX = _stems(_LISTS["mailbox"])
PRESSURE = _stems(_LISTS["pressure"])
ADMINISTRATION = _stems(_LISTS["administration"])
IMPOSTOR_HASTE = _stems(_LISTS["impostor_haste"])
IMPOSTOR_MONEY = _stems(_LISTS["impostor_money"])
FILE_PASSWORD = _stems(_LISTS["file_password"])
LURE_WORDS = frozenset(_stems(_LISTS["lure_words"]))
