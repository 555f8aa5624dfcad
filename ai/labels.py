"""What a foreign sequence classifier's labels mean: its outputs as log-odds of our classes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ai.classes import CLASSES
from ai.manifest import ModelError

NEVER = -60.0  # log-odds of a class that a model does not know
_MEANINGS = {
    "spam": ("spam", "junk", "unsolicited", "unwanted"),
    "phishing": ("phishing", "phish", "spearphishing"),
    "scam": ("scam", "fraud", "419"),
    "malware": ("malware", "malware_lure", "virus", "malicious"),
    "bulk": ("bulk", "marketing", "promotion", "promotions", "promotional", "newsletter"),
}
_THREATS = ("phishing", "scam", "malware")


@dataclass(frozen=True, slots=True)
class Labels:
    """How to read one model's outputs.

    Attributes:
        names: of its outputs, in order.
        independent: every output is a log-odds of its own (multi-label); else one of them holds (softmax).
    """

    names: tuple[str, ...]
    independent: bool

    @property
    def ours(self) -> bool:
        """The trainer's own labels in its own order: outputs are used as they are."""
        return self.independent and self.names == CLASSES

    def margins(self, outputs: Sequence[float]) -> tuple[float, ...]:
        """Log-odds of each of CLASSES; a model without a spam label calls every threat spam."""
        if self.ours:
            return tuple(outputs)
        odds = list(outputs) if self.independent else [_against_others(outputs, at) for at in range(len(outputs))]
        known = {meaning(name): NEVER for name in self.names}
        for name, value in zip(self.names, odds, strict=True):
            known[meaning(name)] = max(known[meaning(name)], value)
        found = {name: known.get(name, NEVER) for name in CLASSES}
        if "spam" not in known:
            found["spam"] = max(found[name] for name in _THREATS)
        return tuple(max(NEVER, min(-NEVER, found[name])) for name in CLASSES)


def meaning(name: str) -> str:
    """The class that a label names, or "" (ham, "not spam", "safe" and everything unknown)."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return next((ours for ours, words in _MEANINGS.items() if slug in words), "")


def read_labels(names: Sequence[str], *, independent: bool) -> Labels:
    """Labels of a model. Raises ModelError when none of them is spam or a threat."""
    if not any(meaning(name) in ("spam", *_THREATS) for name in names):
        known = ", ".join(f"{ours} ({', '.join(words[1:])})" for ours, words in _MEANINGS.items())
        raise ModelError(
            f"The model's labels are {', '.join(map(repr, names)) or 'none'}; none of them names spam or a threat. "
            f"Write names that Waxseal knows into id2label of its config.json: {known}."
        )
    return Labels(tuple(names), independent)


def _against_others(outputs: Sequence[float], at: int) -> float:
    """log(p / (1 - p)) of one output of a softmax."""
    others = [value for number, value in enumerate(outputs) if number != at]
    if not others:
        return outputs[at]
    highest = max(others)
    return outputs[at] - highest - math.log(sum(math.exp(value - highest) for value in others))
