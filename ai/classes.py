"""The classes that the model tells apart. Several may hold at once: a phishing mail is spam, and often bulk."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = ("spam", "phishing", "scam", "malware", "bulk")


@dataclass(frozen=True, slots=True)
class Classes:
    """A probability (0 to 1) of each class. ``bulk`` says mass mail, wanted or not; it is no accusation."""

    spam: float = 0.0
    phishing: float = 0.0
    scam: float = 0.0
    malware: float = 0.0
    bulk: float = 0.0

    @property
    def worst_threat(self) -> float:
        return max(self.phishing, self.scam, self.malware)
