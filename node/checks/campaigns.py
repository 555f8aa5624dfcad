"""Remembers what was just judged: a campaign's thousandth copy must not cost what its first did.

The rule, by which no spam inherits a ham's verdict through small edits:

1. **The same** releases and condemns. Two messages are the same when everything the models read of them is equal:
   subject, sender's name and domain, links, attachments, marks and the whole text, after the folding and neutral digits
   of `ai.view`. Then the models' answers are equal as well; only the work is saved.
2. **Nearly the same** may only condemn, to Junk and no further. It needs all of: a remembered message that went to Junk
   by the transformer's word; nine tenths of all features shared (Jaccard, exact, not estimated); the same sender domain
   or the same links; and the linear model leaning to spam on the *new* message by itself. Then the transformer's answer
   is borrowed, the linear model's is the message's own, and if both together do not reach the threshold the transformer
   is asked after all.

The last two conditions of (2) are there so that nobody can have honest mail condemned by sending a spoiled copy of it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ai.classifier import Margins, Reading
from ai.marks import mark_numbers
from ai.view import View, model_text, registrable

MOST = 4000  # messages remembered
SECONDS = 900.0  # and for how long
ALIKE = 0.9  # Jaccard index of features
LEAST_FEATURES = 24  # a shorter message is like too many others
_BANDS = 6  # of a MinHash: messages that agree in one band are compared
_ROWS = 4
_PRIME = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class _Spam:
    """A message called spam, as it is compared with later ones."""

    margins: Margins
    features: array[int]
    domain: str
    links: tuple[str, ...]
    bands: tuple[int, ...]
    until: float


class Campaigns:
    """Thread-safe; bounded in number and time.

    Args:
        most: messages remembered; the oldest go first.
        seconds: how long one is remembered.
        clock: seconds that only grow.
        secret: makes the comparison's random choices unknown to senders; at least 16 octets.
    """

    def __init__(
        self, secret: bytes, *, most: int = MOST, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret = secret[:64]
        self._most, self._seconds, self._clock = most, seconds, clock
        self._lock = threading.Lock()
        self._same: OrderedDict[bytes, tuple[float, Margins]] = OrderedDict()
        self._spam: OrderedDict[bytes, _Spam] = OrderedDict()
        self._bands: dict[int, bytes] = {}  # value of a band → the latest spam that had it
        numbers = hashlib.shake_128(self._secret).digest(8 * _BANDS * _ROWS)
        drawn = [int.from_bytes(numbers[at : at + 4], "big") % _PRIME for at in range(0, len(numbers), 4)]
        self._turns = tuple((1 + a % (_PRIME - 1), b) for a, b in zip(drawn[::2], drawn[1::2], strict=True))

    def digest(self, view: View) -> bytes:
        """A key that is equal exactly when the models read the same (rule 1)."""
        text = model_text(view)
        endings = [name.rpartition(".")[2].lower() for name in view.attachments]
        parts = (text.subject, text.sender, text.links, text.files, text.body, *view.links, *endings)
        told = (len(view.links), len(endings), view.from_domain, mark_numbers(view), *parts)
        return hashlib.blake2b(repr(told).encode("utf-8", "replace"), digest_size=32, key=self._secret).digest()

    def same(self, key: bytes) -> Margins | None:
        """The margins of the same message, None when there was none lately."""
        with self._lock:
            until, margins = self._same.get(key, (0.0, None))
            return margins if until > self._clock() else None

    def near(self, reading: Reading, linear: float) -> Margins | None:
        """Margins of a spam that is nearly the same, with this message's own ``linear`` margin; None where rule 2 does
        not hold. Whether they suffice for Junk is for the caller to see."""
        if linear <= 0 or len(reading.hashes) < LEAST_FEATURES:
            return None
        candidates = self._candidates(self._sketch(reading.hashes))
        domain, mine = registrable(reading.view.from_domain), set(reading.hashes)
        for spam in candidates:
            kin = (domain and domain == spam.domain) or (spam.links and spam.links == reading.view.links)
            if kin and _jaccard(mine, spam.features) >= ALIKE:
                return replace(spam.margins, linear=linear)
        return None

    def remember(self, key: bytes, reading: Reading, margins: Margins, *, is_spam: bool) -> None:
        """Keep what the models said of a message."""
        until = self._clock() + self._seconds
        spam = None
        if is_spam and margins.transformer is not None and len(reading.hashes) >= LEAST_FEATURES:
            domain = registrable(reading.view.from_domain)
            bands = self._sketch(reading.hashes)
            spam = _Spam(margins, array("I", reading.hashes), domain, reading.view.links, bands, until)
        with self._lock:
            self._same[key] = (until, margins)
            self._same.move_to_end(key)
            while len(self._same) > self._most:
                self._same.popitem(last=False)
            if spam:
                self._keep(key, spam)

    def _keep(self, key: bytes, spam: _Spam) -> None:
        self._spam[key] = spam
        self._spam.move_to_end(key)
        self._bands.update(dict.fromkeys(spam.bands, key))
        while len(self._spam) > self._most:
            gone, old = self._spam.popitem(last=False)
            for band in old.bands:
                if self._bands.get(band) == gone:
                    del self._bands[band]

    def _candidates(self, bands: Iterable[int]) -> list[_Spam]:
        """At most one for each band."""
        now = self._clock()
        with self._lock:
            keys = dict.fromkeys(self._bands.get(band) for band in bands)
            found = [self._spam.get(key) for key in keys if key is not None]
        return [spam for spam in found if spam is not None and spam.until > now]

    def _sketch(self, features: tuple[int, ...]) -> tuple[int, ...]:
        """Bands of a MinHash (Broder 1997): two sets agree in one of them the likelier, the more alike they are."""
        import numpy as np  # noqa: PLC0415 - loaded with the model; a node without one must not pay for it

        turns = np.array(self._turns, dtype=np.int64)
        numbers = np.fromiter(features, dtype=np.int64)
        least = ((turns[:, :1] * numbers + turns[:, 1:]) % _PRIME).min(axis=1).tolist()
        return tuple(hash((at, *least[at * _ROWS : at * _ROWS + _ROWS])) for at in range(_BANDS))


def _jaccard(mine: set[int], others: array[int]) -> float:
    shared = sum(number in mine for number in others)
    return shared / max(1, len(mine) + len(others) - shared)
