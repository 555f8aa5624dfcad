"""The panel: checks that are asked about a whole message at the same time, and reviews that hear them first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from node.base.log import get_log
from node.checks.opinion import Opinion, Reason, Verdict

log = get_log(__name__)
PIECE = 256 << 10  # octets a check reads at a time


class Source(Protocol):
    """Where the whole message lies."""

    async def read(self, start: int, length: int) -> bytes:
        """Octets from `start` on, fewer at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The message under judgement.

    Attributes:
        content: its first octets, at least the header and 64 KiB of body where there is so much.
        size: octets in all.
        sender: the reverse-path as text, "" for null.
        recipients: forward-paths as text.
        peer: network address of the client.
        helo: the name the client gave itself; hostile until proven otherwise.
        source: the whole content, for checks that want more than `content`; None when that is all there is.
    """

    content: bytes
    size: int
    sender: str
    recipients: tuple[str, ...]
    peer: str
    helo: str = ""
    source: Source | None = None

    @property
    def readable(self) -> int:
        """Octets that `pieces` gives."""
        return len(self.content) if self.source is None else self.size

    def pieces(self) -> Pieces:
        """The whole message for `async for`, at most PIECE octets at a time."""
        return Pieces(self)


class Pieces:
    """Reads a message piece by piece. An iterator, not a generator: nothing is left to clean up when it is dropped."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._at = 0

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        subject, start = self._subject, self._at
        if subject.source is None or len(subject.content) == subject.size:
            piece = subject.content[start : start + PIECE]
        else:
            piece = await subject.source.read(start, PIECE)
        if not piece:
            raise StopAsyncIteration
        self._at += len(piece)
        return piece


class ContentCheck(Protocol):
    """A check that looks at the whole message. It must not raise, store or send; it has a deadline of its own."""

    async def content(self, subject: Subject) -> Opinion: ...


class Review(Protocol):
    """A check that needs the others' opinions first. The same rules hold."""

    async def review(self, subject: Subject, opinions: tuple[Opinion, ...]) -> tuple[Opinion, ...]:
        """All opinions as they stand afterwards, in order: those heard, changed where that is its task, and its own."""
        ...


@dataclass(frozen=True, slots=True)
class Panel:
    """All checks, in the order in which their opinions count, whoever answers first.

    Attributes:
        checks: asked at the same time; none depends on another.
        reviews: asked afterwards, one after the other, unless the message is refused by then.
        arriving: told client, HELO and sender when a message is about to come; starts work, waits for nothing.
    """

    checks: Sequence[ContentCheck]
    reviews: Sequence[Review] = ()
    arriving: Callable[[str, str, str], None] | None = None

    async def content(self, subject: Subject) -> Verdict:
        """Ask everybody about the message. A refusal drops the opinions behind it and ends the round."""
        opinions = await self._ask(subject)
        for review in self.reviews:
            if any(opinion.reply for opinion in opinions):
                break
            try:
                opinions = await review.review(subject, opinions)
            except Exception:  # a review's bug must not cost mail
                log.exception("check.crashed", check=type(review).__name__)
        return Verdict(opinions)

    async def _ask(self, subject: Subject) -> tuple[Opinion, ...]:
        said: dict[int, Opinion] = {}
        scopes = [trio.CancelScope() for _ in self.checks]

        async def ask(index: int, check: ContentCheck) -> None:
            with scopes[index]:
                said[index] = await _opinion(check, subject)
                if said[index].reply:
                    for behind in scopes[index + 1 :]:
                        behind.cancel()

        async with trio.open_nursery() as nursery:
            for index, check in enumerate(self.checks):
                nursery.start_soon(ask, index, check)
        last = min((index for index, opinion in said.items() if opinion.reply), default=len(self.checks))
        return tuple(said[index] for index in sorted(said) if index <= last)


async def _opinion(check: ContentCheck, subject: Subject) -> Opinion:
    try:
        return await check.content(subject)
    except Exception:  # a check's bug must not cost mail
        log.exception("check.crashed", check=type(check).__name__)
        return Opinion(Reason.CHECK_FAILED)
