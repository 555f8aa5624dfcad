"""Finds the passage of a long text that speaks most for spam: a cover of harmless words must not hide what it covers.

The linear model looks at every passage, which costs a millisecond; the transformer then reads the worst one beside the
text's two ends (`ai.tokens`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai.hashing import located_words, numbers_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS, STEP = 70, 35  # of a passage, and between the beginnings of two
Weigh = Callable[[Sequence[int]], "NDArray[np.float64]"]
"""The linear model's weights of hashed features."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The worst passage. ``is_inside``: it is worse than both ends of the text, which are read in any case."""

    text: str
    is_inside: bool


def worst_passage(body: str, weigh: Weigh) -> Passage | None:
    """The passage of WORDS words with the greatest sum of weights; None for a text too short to have several."""
    body = body.casefold()  # may change its length; the transformer reads no capitals anyway
    words, starts = located_words(body)
    if len(words) <= 2 * WORDS:
        return None
    import numpy as np  # noqa: PLC0415 - a node without a classifier must not pay for it

    singles, pairs = numbers_of(words)
    weights = weigh(singles)
    weights[1:] += weigh(pairs)
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    begins = np.array([*range(0, len(words) - WORDS, STEP), len(words) - WORDS])
    margins = (sums[begins + WORDS] - sums[begins]) / math.sqrt(2 * WORDS)
    worst = int(margins.argmax())
    first = int(begins[worst])
    end = starts[first + WORDS] if first + WORDS < len(words) else len(body)
    return Passage(body[starts[first] : end].strip(), 0 < worst < len(begins) - 1)
