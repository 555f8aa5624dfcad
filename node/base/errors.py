"""The node's error classes: who is at fault, and whether trying again can help."""

from __future__ import annotations


class WaxsealError(Exception):
    """Root of every error the node raises on purpose; its text says what happened and what to do next."""


class ProtocolError(WaxsealError):
    """A breach of a protocol's rules, by either side."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    Args:
        message: what the peer did, for the log.
        reply: the line(s) to send before closing, without line ends; empty when nothing may be sent.
    """

    def __init__(self, message: str, reply: bytes = b"") -> None:
        super().__init__(message)
        self.reply = reply


class LocalProtocolError(ProtocolError):
    """Our own code asked an engine for something its state forbids: a bug here, never the peer's doing."""


class Temporary(WaxsealError):
    """It failed now and may work later (disk full, database locked, name server silent): answer 4xx, keep the mail."""


class Permanent(WaxsealError):
    """It failed and will fail again: answer 5xx, or tell the operator."""


class ConfigError(WaxsealError):
    """The settings cannot be used; the text names the setting, the line where known, and the remedy."""
