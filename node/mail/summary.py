"""What IMAP asks for again and again, computed once when a message arrives."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

from node.mail.bodystructure import body, bodystructure
from node.mail.envelope import envelope
from node.mail.layout import pack
from node.mail.part import Part, parse


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """Finished IMAP answers and the packed layout; bytes to be stored beside the message."""

    envelope: bytes
    body: bytes
    bodystructure: bytes
    layout: bytes


def summarize(buffer: bytes | bytearray | memoryview | mmap) -> MessageSummary:
    """Summarize a whole message. Never raises; see node.mail.part.parse."""
    return summary_of(parse(buffer))


def summary_of(part: Part) -> MessageSummary:
    """Summarize a message parsed already."""
    return MessageSummary(envelope(part), body(part), bodystructure(part), pack(part))
