"""From characters to the token window a model reads: beginning and end, joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW = 128
_TAIL = 40
_HEAD_CHARACTERS, _TAIL_CHARACTERS = 2400, 1000


def encode(tokenizer: Tokenizer, text: str, length: int = WINDOW) -> list[int]:
    """Token ids of a text's window, between the markers that BERT models expect. The same for training and serving.

    Raises ValueError when the tokenizer knows no such markers.
    """
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    if begin is None or end is None:
        raise ValueError("The tokenizer has no [CLS] and [SEP].")
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:  # what lies between fits no window: spare the tokenizer
        text = text[:_HEAD_CHARACTERS] + " " + text[-_TAIL_CHARACTERS:]
    return window(tokenizer.encode(text, add_special_tokens=False).ids, begin, end, length)


def window(ids: Sequence[int], begin: int, end: int, length: int = WINDOW) -> list[int]:
    """``[CLS] head tail [SEP]`` in at most ``length`` tokens; the middle of a long text is dropped."""
    room = length - 2
    kept = list(ids) if len(ids) <= room else [*ids[: room - _TAIL], *ids[-_TAIL:]]
    return [begin, *kept, end]
