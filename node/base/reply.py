"""An SMTP reply as a value: code, enhanced code, text. Floors below the wire decide with it, the wire renders it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

MAX_LINE = 512  # octets with CRLF, RFC 5321 §4.5.3.1.5


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply (RFC 5321 §4.2): three digits, an enhanced status (RFC 3463) where there is one, and text.

    Attributes:
        code: 200 to 599.
        enhanced: for example "5.1.1", or "" for replies that carry none (greeting, EHLO, 3xx).
        text: one line, or several separated by a newline.
    """

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        """True for 2xx and 3xx."""
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        """True for 4xx: the peer keeps the mail and tries again."""
        return 400 <= self.code < 500

    def render(self) -> bytes:
        """The reply as it goes on the wire, CRLF included; text that cannot travel is replaced."""
        return _rendered(self.code, self.enhanced, self.text)

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}".replace("  ", " ")


@lru_cache(maxsize=256)
def _rendered(code: int, enhanced: str, text: str) -> bytes:
    prefix = f"{enhanced} " if enhanced else ""
    room = MAX_LINE - 6 - len(prefix)
    lines = [line.replace("\r", " ")[:room] for line in text.split("\n")]
    head = [f"{code}-{prefix}{line}\r\n" for line in lines[:-1]]
    return "".join([*head, f"{code} {prefix}{lines[-1]}\r\n"]).encode("utf-8", "replace")
