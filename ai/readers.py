"""From a view to token windows: as our own transformer was trained, or as one that others trained expects it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ai.manifest import ModelError
from ai.marks import mark_numbers
from ai.tokens import join
from ai.view import View, model_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHARACTERS = 3000  # looked at from each end of a text by a foreign tokenizer


class Reader(Protocol):
    """Makes the windows that an engine is asked about."""

    def windows(self, view: View, passage: str = "", without: Collection[int] = ()) -> list[list[int]]:
        """One to three lists of token ids. ``passage``: a part of the text to read beside its ends; ``without``: marks
        (positions in MARKS) to leave out, for explanations."""
        ...


class OwnReader:
    """Marks, head fields and text in the frame of `ai.tokens`."""

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._length = length

    def windows(self, view: View, passage: str = "", without: Collection[int] = ()) -> list[list[int]]:
        marked = [number for number in mark_numbers(view) if number not in without]
        return join(self._tokenizer, marked, model_text(view), self._length, passage)


class ForeignReader:
    """Subject and text as a person reads them, in the tokenizer's own frame: head and, of a long text, the tail.

    Args:
        path: ``tokenizer.json`` of the model's folder.
        length: tokens at most in a window.
    """

    def __init__(self, path: Path, length: int) -> None:
        self._head, self._tail = read_tokenizer(path), read_tokenizer(path)
        for tokenizer, direction in ((self._head, "right"), (self._tail, "left")):
            tokenizer.no_padding()
            tokenizer.enable_truncation(length, direction=direction)
        self._length = length

    def windows(self, view: View, passage: str = "", without: Collection[int] = ()) -> list[list[int]]:
        text = f"{view.subject}\n{view.text}"
        found: list[list[int]] = [self._head.encode(text[:_CHARACTERS]).ids]
        if len(text) > _CHARACTERS or len(found[0]) >= self._length:
            found.append(self._tail.encode(text[-_CHARACTERS:]).ids)
        return [ids for ids in found if ids] or [[0]]


def read_tokenizer(path: Path) -> Tokenizer:
    """Read ``tokenizer.json``. Raises ModelError."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - a node without a classifier must not pay for it

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # it raises bare exceptions of its own
        raise ModelError(f"Cannot load the model in {path.parent}: {error}") from error
