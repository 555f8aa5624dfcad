"""The panel: an ordered tuple of checks, asked one after the other about a whole message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from node.checks.opinion import Opinion, Verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """The message under judgement.

    Attributes:
        content: its first octets, at least the header and 64 KiB of body where there is so much.
        size: octets in all.
        sender: the reverse-path as text, "" for null.
        recipients: forward-paths as text.
        peer: network address of the client.
    """

    content: bytes
    size: int
    sender: str
    recipients: tuple[str, ...]
    peer: str


class ContentCheck(Protocol):
    """A check that looks at the whole message. It must not raise, store or send; it has a deadline of its own."""

    async def content(self, subject: Subject) -> Opinion: ...


@dataclass(frozen=True, slots=True)
class Panel:
    """All checks, in the order they are asked. A refusal ends the round."""

    checks: Sequence[ContentCheck]

    async def content(self, subject: Subject) -> Verdict:
        """Ask every check about the message; stop at the first refusal."""
        opinions: list[Opinion] = []
        for check in self.checks:
            opinion = await check.content(subject)
            opinions.append(opinion)
            if opinion.reply:
                break
        return Verdict(tuple(opinions))
