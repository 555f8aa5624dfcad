"""From a view to the token windows a model reads: ``[CLS] marks subject | sender | links | files [SEP] text [SEP]``.

A long message has two windows, with the beginning and with the end of its text, and a third where a passage between
them looks worse (`ai.passages`); each carries the head fields. Marks are single tokens of their own (the ``[unused]``
places of BERT's vocabulary).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai.marks import MARKS, mark_numbers
from ai.view import ModelText, View, model_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW = 128  # tokens
FIRST_MARK = 1  # id of [unused0]
_SUBJECT, _SENDER, _LINKS, _FILES = 26, 14, 12, 8  # tokens kept of each head field
_CHARACTERS = 1000  # looked at from each end of a text: more than fills a window
_FIELD = 300


def windows(tokenizer: Tokenizer, view: View, length: int = WINDOW) -> list[list[int]]:
    """One or two lists of at most ``length`` token ids. The same for training and serving.

    Raises ValueError when the tokenizer lacks BERT's markers.
    """
    return join(tokenizer, mark_numbers(view), model_text(view), length)


def join(
    tokenizer: Tokenizer, marked: Sequence[int], text: ModelText, length: int = WINDOW, passage: str = ""
) -> list[list[int]]:
    """The windows of a text whose marks are given as positions in MARKS: head, tail, ``passage``, if there are such."""
    begin, end, bar = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "|"))
    if begin is None or end is None or bar is None:
        raise ValueError("The tokenizer has no [CLS], [SEP] and |.")
    body = text.body
    first, last = (body, "") if len(body) <= _CHARACTERS else (body[:_CHARACTERS], _from_word(body[-_CHARACTERS:]))
    fields = [text.subject[:_FIELD], text.sender[:_FIELD], text.links[:_FIELD], text.files[:_FIELD], first, last]
    fields.append(passage[:_CHARACTERS])
    ids = [encoding.ids for encoding in tokenizer.encode_batch(fields, add_special_tokens=False)]
    head = [begin, *(FIRST_MARK + number for number in marked if number < len(MARKS))]
    for kept, most in zip(ids[:4], (_SUBJECT, _SENDER, _LINKS, _FILES), strict=True):
        head += [*kept[:most], bar]
    head[-1] = end
    room = max(8, length - len(head) - 1)
    found = [[*head, *ids[4][:room], end]]
    if tail := ids[5] or ids[4][room:]:
        found.append([*head, *tail[-room:], end])
    if ids[6]:
        found.append([*head, *ids[6][:room], end])
    return found


def _from_word(text: str) -> str:
    """Without the broken word at the beginning."""
    space = text.find(" ", 0, 100)
    return text[space + 1 :]
