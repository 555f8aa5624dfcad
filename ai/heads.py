"""Online heads: what people's corrections have taught, as an addition to the frozen model's margin.

A head is a logistic model over the hashed features of `ai.hashing`, trained one lesson at a time by `ai.lessons`. It
never replaces the model: it answers with a correction in log-odds, bounded by ``reach``, that halves with each
half-life. A head is a value: several threads may ask it.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ai.hashing import BUCKETS, MOST, hashes
from ai.view import text_view

DAY = 86_400  # seconds; weights decay once a day
MAX_PURSES = 4096
LOOK_EVERY = 64  # lessons between two looks at the number of weights
BIAS = 0.03  # the bias's share of a message's vector: what is learned about every message at once
FEW = 64  # features; each of a shorter message weighs no more than one of these
_MAGIC = b"WXHD"
_HEADER = struct.Struct("<4sHIIqIIff")  # magic, version, scheme, policy, day, lessons, weights, bias z and n
_VERSION = 1

Floats = NDArray[np.float32]
Features = NDArray[np.uint32]


class HeadError(ValueError):
    """These bytes are no head of this version; it has to be made again from its lessons."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a head learns.

    Attributes:
        rate, beta, l1: FTRL-proximal's; ``rate / beta`` is the most that a lesson of pull 1 moves anything (log-odds).
        reach: a correction lies between -reach and reach.
        doubt: a weighted sum of so many log-odds counts half, a larger one more, a smaller one less: what a message
            has in common with a lesson by chance must not move it as much as what makes the two alike.
        half_life: days after which a weight counts half.
        most_weights: kept; the lightest go first.
    """

    rate: float
    beta: float
    l1: float
    reach: float
    doubt: float
    half_life: float
    most_weights: int

    @property
    def fingerprint(self) -> int:
        """Changes with every figure: a head that was taught otherwise is made again."""
        return zlib.crc32(repr(self).encode())

    def decay(self, days: int) -> float:
        """What is left of a weight after so many days."""
        return float(2.0 ** (-max(0, days) / self.half_life))

    def correction(self, raw: float) -> float:
        """From the weighted sum; rises no faster than it."""
        size = abs(raw)
        return math.copysign(min(self.reach, size * size / (size + self.doubt) if size else 0.0), raw)

    def slowness(self, n: Floats) -> Floats:
        """The denominator of FTRL-proximal's weight, from the sum of squared gradients."""
        slowness: Floats = (np.float32(self.beta) + np.sqrt(n)) / np.float32(self.rate)
        return slowness

    def weights(self, z: Floats, n: Floats) -> Floats:
        """FTRL-proximal's weights from its state; a small ``z`` weighs nothing."""
        l1 = np.float32(self.l1)
        return np.where(np.abs(z) <= l1, np.float32(0), -(z - np.sign(z) * l1) / self.slowness(n)).astype(np.float32)


PERSON = Policy(rate=3.0, beta=0.1, l1=0.005, reach=12.0, doubt=6.0, half_life=180.0, most_weights=1 << 15)
NODE = Policy(rate=0.2, beta=0.1, l1=0.005, reach=3.0, doubt=0.0, half_life=90.0, most_weights=1 << 17)


class Head:
    """What was learned until a day; made by `ai.lessons.Trainer` or from bytes.

    Args:
        day: days since 1970 of the youngest lesson.
        lessons: how many changed something.
        at: features, ascending, each once, below `BUCKETS`.
        z, n: FTRL-proximal's state of each of them, and of the bias behind them.
        purses: what each purse has spent.
    """

    __slots__ = ("_w", "at", "day", "lessons", "n", "policy", "purses", "z")

    def __init__(  # noqa: PLR0917
        self, policy: Policy, day: int, lessons: int, at: Features, z: Floats, n: Floats, purses: Mapping[int, float]
    ) -> None:
        self.policy = policy
        self.day = day
        self.lessons = lessons
        self.at = at
        self.z = z
        self.n = n
        self.purses = purses
        self._w = policy.weights(z, n)

    @classmethod
    def empty(cls, policy: Policy) -> Head:
        """A head that has learned nothing."""
        return cls(policy, 0, 0, np.zeros(0, np.uint32), np.zeros(1, np.float32), np.zeros(1, np.float32), {})

    def __len__(self) -> int:
        return len(self.at)

    @property
    def octets(self) -> int:
        """Memory that it takes, roughly."""
        return 16 * len(self.at) + 100 * len(self.purses) + 500

    def correction(self, features: Sequence[int], time: float) -> float:
        """What to add to the margin, between -reach and reach; ``time`` in unix seconds."""
        if not len(self.at):
            return 0.0
        asked = cleaned(features)
        places = np.minimum(np.searchsorted(self.at, asked), len(self.at) - 1)
        known = self.at[places] == asked
        raw = share_of(len(asked)) * float(self._w[places[known]].sum(dtype=np.float64)) + BIAS * float(self._w[-1])
        raw *= self.policy.decay(int(time // DAY) - self.day)
        return self.policy.correction(raw)

    def to_bytes(self) -> bytes:
        """The head, compact and checked: `from_bytes` gives one that answers and learns alike."""
        bias = float(self.z[-1]), float(self.n[-1])
        about = (self.day, self.lessons, len(self.at))
        header = _HEADER.pack(_MAGIC, _VERSION, scheme(), self.policy.fingerprint, *about, *bias)
        purses = sorted(self.purses.items())
        parts = (
            np.diff(self.at, prepend=np.uint32(0)).astype("<u4"),
            self.z[:-1].astype("<f4"),
            self.n[:-1].astype("<f4"),
            np.array([key for key, _ in purses], "<u4"),
            np.array([spent for _, spent in purses], "<f4"),
        )
        content = header + zlib.compress(b"".join(part.tobytes() for part in parts), 1)
        return content + struct.pack("<I", zlib.crc32(content))

    @classmethod
    def from_bytes(cls, content: bytes, policy: Policy) -> Head:
        """Read a head back.

        Raises HeadError for anything but the bytes of a whole head, taught under this policy and these features.
        """
        day, lessons, weights, bias, body = _opened(content, policy)
        purses, rest = divmod(len(body) - 12 * weights, 8)
        if purses < 0 or rest or purses > MAX_PURSES:
            raise HeadError("its parts do not add up")
        steps = np.frombuffer(body, "<u4", weights).astype(np.uint64)
        at = np.cumsum(steps)
        z = np.append(np.frombuffer(body, "<f4", weights, 4 * weights), np.float32(bias[0])).astype(np.float32)
        n = np.append(np.frombuffer(body, "<f4", weights, 8 * weights), np.float32(bias[1])).astype(np.float32)
        keys = np.frombuffer(body, "<u4", purses, 12 * weights).tolist()
        spent = np.frombuffer(body, "<f4", purses, 12 * weights + 4 * purses)
        if not all(bool(np.isfinite(part).all()) for part in (z, n, spent)) or (n < 0).any() or (spent < 0).any():
            raise HeadError("its figures are none")
        if (steps[1:] == 0).any() or (weights and int(at[-1]) >= BUCKETS):
            raise HeadError("it has features that there are not")
        return cls(policy, day, lessons, at.astype(np.uint32), z, n, dict(zip(keys, spent.tolist(), strict=True)))


def _opened(content: bytes, policy: Policy) -> tuple[int, int, int, tuple[float, float], bytes]:
    """Day, lessons, number of weights, bias and the unpacked rest."""
    if len(content) < _HEADER.size + 4 or content[:4] != _MAGIC:
        raise HeadError("no head at all")
    if zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
        raise HeadError("damaged")
    _, version, features, taught, day, lessons, weights, *bias = _HEADER.unpack_from(content)
    if (version, features, taught) != (_VERSION, scheme(), policy.fingerprint):
        raise HeadError("taught under another version, other features or another policy")
    if weights > policy.most_weights + LOOK_EVERY * MOST or not 0 <= day < 1 << 40:
        raise HeadError("too large")
    most = 12 * weights + 8 * MAX_PURSES
    unpacking = zlib.decompressobj()
    try:
        body = unpacking.decompress(content[_HEADER.size : -4], most + 1)
    except zlib.error as error:
        raise HeadError("damaged") from error
    if len(body) > most or not unpacking.eof or unpacking.unused_data:
        raise HeadError("its parts do not add up")
    return day, lessons, weights, (bias[0], bias[1]), body


def share_of(features: int) -> float:
    """What each of so many features is in a message's vector, whose length is 1, or less for very short messages."""
    return math.sqrt((1 - BIAS**2) / max(FEW, features))


def cleaned(features: Sequence[int]) -> Features:
    """Ascending, each once, none outside of what there is, at most MOST."""
    found = sorted({each for each in features if 0 <= each < BUCKETS})
    return np.array(found[:MOST], np.uint32)


_SAMPLE = (
    b"From: Nora Lindqvist <nora@mail.example.co.uk>\r\nReply-To: x@elsewhere.test\r\n"
    b"Subject: Re: Caf\xc3\xa9 50% OFF now\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Hello <b>you</b>, \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c 1,250 EUR f\xc3\xbcr 3 Tage! "
    b'<a href="https://shop.example/track?id=42">www.other.example</a> '
    b'<span style="display:none">hidden</span></p><img src="https://cdn.example/x.png">\r\n'
)


@lru_cache(maxsize=1)
def scheme() -> int:
    """A number for the way in which features are made: other features, another number, and heads are made again."""
    return zlib.crc32(repr((BUCKETS, hashes(text_view(_SAMPLE)))).encode())
