"""SMTP without I/O (RFC 5321 and extensions): bytes in, events out, replies to bytes. Server and client.

Whatever the peer sends, an engine gives events or raises `RemoteProtocolError`, and how the bytes are cut does not
matter.
"""

from node.wire.smtp.client import ClientConnection, to_crlf
from node.wire.smtp.events import (
    NEED_DATA,
    Challenge,
    Content,
    Credentials,
    Data,
    EndOfChunk,
    EndOfContent,
    Event,
    Hello,
    Help,
    Mail,
    NeedData,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    SaslResponse,
    StartTls,
    Vrfy,
)
from node.wire.smtp.server import ServerConnection, State

__all__ = [
    "NEED_DATA",
    "Challenge",
    "ClientConnection",
    "Content",
    "Credentials",
    "Data",
    "EndOfChunk",
    "EndOfContent",
    "Event",
    "Hello",
    "Help",
    "Mail",
    "NeedData",
    "Noop",
    "Quit",
    "Rcpt",
    "Refused",
    "Reset",
    "SaslResponse",
    "ServerConnection",
    "StartTls",
    "State",
    "Vrfy",
    "to_crlf",
]
