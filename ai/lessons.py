"""Lessons, and the trainer that turns them into a head, one at a time.

FTRL-proximal (McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1) over features of
a message as a vector of length 1 at most, so that bounds can be told: a lesson's pull is its weight times the error, at
most its weight, and moves no message's correction by more than ``pull * rate / beta``. Each lesson names purses (its
sender, its account, its source): what all lessons of a purse pull together is bounded, so nobody moves a head further.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai.hashing import BUCKETS, MOST, hashes
from ai.heads import BIAS, DAY, LOOK_EVERY, MAX_PURSES, Head, cleaned, share_of
from ai.view import registrable, text_view

_SURE = 8.0  # log-odds of the model beyond which a lesson is as surprising as it gets
_LEAST = 1e-3  # a smaller pull is not worth a change
_FACTS = struct.Struct("<fII")
_MOST_PACKED = _FACTS.size + 3 * MOST


@dataclass(frozen=True, slots=True)
class Purse:
    """Whose pull is bounded together: ``key`` is any 32-bit number, ``most`` the sum of pulls that it may spend."""

    key: int
    most: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What a lesson keeps of a message: numbers, and no text.

    Attributes:
        hashes: its features, ascending.
        excess: the model's margin over the threshold for spam, in log-odds; 0 when there was no model.
        sender, domain: 32-bit digests of the address in From and of its domain; they bound, and are no features.
    """

    hashes: tuple[int, ...]
    excess: float
    sender: int
    domain: int

    def pack(self) -> bytes:
        """As bytes, compressed; `unpack_facts` reads them."""
        steps = (after - before for before, after in zip((0, *self.hashes), self.hashes, strict=False))
        packed = b"".join(step.to_bytes(3, "little") for step in steps)
        return zlib.compress(_FACTS.pack(self.excess, self.sender, self.domain) + packed, 9)


def facts_of(message: bytes, excess: float) -> Facts:
    """The facts of a raw message (whole or cut); bounded in time; never raises."""
    view = text_view(message)
    domain = registrable(view.from_domain)
    excess = struct.unpack("<f", struct.pack("<f", excess))[0]  # as it is kept
    return Facts(hashes(view), excess, digest(f"{view.from_user}@{view.from_domain}"), digest(f"@{domain}"))


def digest(text: str) -> int:
    """A purse's key."""
    return zlib.crc32(text.encode("utf-8", "replace"))


def unpack_facts(packed: bytes) -> Facts | None:
    """Facts from bytes; None where these are none."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, _MOST_PACKED + 1)
    except zlib.error:
        return None
    if not _FACTS.size <= len(content) <= _MOST_PACKED or (len(content) - _FACTS.size) % 3 or not unpacking.eof:
        return None
    excess, sender, domain = _FACTS.unpack_from(content)
    found, last = [], 0
    for at in range(_FACTS.size, len(content), 3):
        last += int.from_bytes(content[at : at + 3], "little")
        found.append(last)
    if not math.isfinite(excess) or last >= BUCKETS:
        return None
    return Facts(tuple(found), excess, sender, domain)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One correction.

    Attributes:
        facts: of the message.
        is_spam: what it is, says the teacher.
        weight: how much the teacher is believed, 0 to 1.
        time: unix seconds.
        purses: bounds that it falls under.
    """

    facts: Facts
    is_spam: bool
    weight: float
    time: int
    purses: tuple[Purse, ...] = ()


class Trainer:
    """Teaches a copy of a head; about 4 MiB while it lives. The same lessons in the same order give the same head."""

    def __init__(self, head: Head) -> None:
        self.policy = head.policy
        self._day, self._lessons, self._purses = head.day, head.lessons, dict(head.purses)
        places = np.append(head.at, np.uint32(BUCKETS))
        self._z, self._n, self._w = (np.zeros(BUCKETS + 1, np.float32) for _ in range(3))
        self._z[places], self._n[places] = head.z, head.n
        self._w[places] = self.policy.weights(head.z, head.n)

    def learn(self, lesson: Lesson) -> float:
        """Take a lesson in; return the pull it had. 0: nothing to learn, or its purses are empty."""
        self._age(max(self._day, lesson.time // DAY))
        weight = max(0.0, min(1.0, lesson.weight)) * self._left(lesson.purses)
        if weight < _LEAST:
            return 0.0
        places, share = _places(lesson.facts.hashes)
        raw = share * float(self._w[places[:-1]].sum(dtype=np.float64)) + BIAS * float(self._w[-1])
        correction = self.policy.correction(raw)
        if correction * (1.0 if lesson.is_spam else -1.0) >= self.policy.reach:
            return 0.0
        margin = max(-_SURE, min(_SURE, lesson.facts.excess)) + correction
        error = 1.0 / (1.0 + math.exp(-margin)) - float(lesson.is_spam)
        pull = weight * error
        if abs(pull) < _LEAST:
            return 0.0
        self._spend(lesson.purses, abs(pull))
        gradient = np.full(len(places), share * pull, np.float32)
        gradient[-1] = BIAS * pull
        self._step(places, gradient)
        self._lessons += 1
        if self._lessons % LOOK_EVERY == 0:
            self._prune()
        return abs(pull)

    def learn_all(self, lessons: Iterable[Lesson]) -> None:
        """Take them in, in this order."""
        for lesson in lessons:
            self.learn(lesson)

    def head(self) -> Head:
        """The head as it is now."""
        at = np.flatnonzero(self._n[:-1])
        places = np.append(at, BUCKETS)
        state = self._z[places], self._n[places]
        return Head(self.policy, self._day, self._lessons, at.astype(np.uint32), *state, dict(self._purses))

    def _age(self, day: int) -> None:
        """Halve the weights each half-life; what was learned long ago is learned anew as quickly as the first time."""
        if self._day and day > self._day:
            decay = self.policy.decay(day - self._day)
            at = np.flatnonzero(self._n)
            weights = self._w[at] * np.float32(decay)
            n = (self._n[at] * np.float32(decay * decay)).astype(np.float32)
            kept = -weights * self.policy.slowness(n) - np.sign(weights) * np.float32(self.policy.l1)
            self._n[at] = n
            self._z[at] = np.where(weights != 0, kept, self._z[at] * np.float32(decay))
            self._w[at] = self.policy.weights(self._z[at], self._n[at])
            left = {key: _single(spent * decay) for key, spent in self._purses.items()}
            self._purses = {key: spent for key, spent in left.items() if spent >= _LEAST}
        self._day = day

    def _step(self, places: NDArray[np.intp], gradient: NDArray[np.float32]) -> None:
        """FTRL-proximal for these coordinates."""
        n = self._n[places]
        grown = n + gradient * gradient
        sigma = (np.sqrt(grown) - np.sqrt(n)) / np.float32(self.policy.rate)
        z = (self._z[places] + gradient - sigma * self._w[places]).astype(np.float32)
        self._z[places], self._n[places] = z, grown
        self._w[places] = self.policy.weights(z, grown)

    def _prune(self) -> None:
        """Forget the lightest weights where there are too many; among equals those of higher features."""
        at = np.flatnonzero(self._n[:-1])
        if len(at) <= self.policy.most_weights:
            return
        order = np.argsort(-np.abs(self._w[at]), kind="stable")
        lost = at[order[self.policy.most_weights * 4 // 5 :]]
        for state in (self._z, self._n, self._w):
            state[lost] = 0

    def _left(self, purses: Sequence[Purse]) -> float:
        """The share of a lesson that its emptiest purse still pays for."""
        return min((max(0.0, 1.0 - self._purses.get(one.key, 0.0) / one.most) for one in purses), default=1.0)

    def _spend(self, purses: Sequence[Purse], pull: float) -> None:
        for one in purses:
            self._purses[one.key] = _single(min(self._purses.get(one.key, 0.0) + pull, one.most))
        if len(self._purses) > MAX_PURSES:  # the fullest stay: they are the ones that bound somebody
            fullest = sorted(self._purses.items(), key=lambda item: (-item[1], item[0]))
            self._purses = dict(fullest[: MAX_PURSES * 3 // 4])


def _places(features: Sequence[int]) -> tuple[NDArray[np.intp], float]:
    """Coordinates of the features and of the bias, and what each feature is in the vector."""
    found = cleaned(features)
    return np.append(found, BUCKETS).astype(np.intp), share_of(len(found))


def _single(value: float) -> float:
    """Rounded as it is kept, so that a head read back learns on exactly alike."""
    return float(np.float32(value))
