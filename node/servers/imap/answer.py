"""How a command ended: the tagged response as a value, and the refusal that a command raises."""

from __future__ import annotations

from dataclasses import dataclass

from node.base.errors import WaxsealError


@dataclass(frozen=True, slots=True)
class Answer:
    """A tagged status response (RFC 3501 §7.1).

    Attributes:
        text: for people.
        code: a response code without brackets, such as b"READ-WRITE".
        kind: b"OK", b"NO" or b"BAD".
    """

    text: str
    code: bytes = b""
    kind: bytes = b"OK"


class Refused(WaxsealError):
    """The command cannot be done; the client gets NO with this text and response code (RFC 5530)."""

    def __init__(self, text: str, code: bytes = b"") -> None:
        super().__init__(text)
        self.answer = Answer(text, code, b"NO")
