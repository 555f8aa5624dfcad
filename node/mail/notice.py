"""A short note of the node to one of its people: plain text, UTF-8, nothing in it that a mail client could run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.base.address import Address
from node.mail.compose import date, one_line

_LINE = 900  # octets; RFC 5322 §2.1.1 allows 998


@dataclass(frozen=True, slots=True)
class Notice:
    """All that a note says.

    Attributes:
        host: our own name.
        reader: whom it is for.
        id: unique at this host; becomes the Message-ID.
        time: unix seconds.
        subject: ASCII.
        lines: the text, one line each; what others have named may stand in it.
    """

    host: str
    reader: Address
    id: str
    time: int
    subject: str
    lines: Sequence[str]


def notice(about: Notice) -> bytes:
    """The whole message, CRLF line ends; Auto-Submitted keeps vacation programs quiet (RFC 3834 §5)."""
    body = b"".join(_text(line) for line in about.lines)
    head = [
        f"From: Mail node {one_line(about.host)} <postmaster@{one_line(about.host)}>",
        f"To: <{one_line(str(about.reader))}>",
        f"Subject: {one_line(about.subject)}",
        f"Date: {date(about.time)}",
        f"Message-ID: <{one_line(about.id)}@{one_line(about.host)}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {'7bit' if body.isascii() else '8bit'}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _text(line: str) -> bytes:
    """One line on its own, cut between characters."""
    return one_line(line).encode("utf-8", "replace")[:_LINE].decode("utf-8", "ignore").encode() + b"\r\n"
