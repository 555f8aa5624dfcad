"""IMAP's ENVELOPE: the ten things a message list shows, prepared once (RFC 3501 §7.4.2)."""

from __future__ import annotations

from node.mail.address_list import Entry, Group, Mailbox, addresses
from node.mail.imap_string import nstring, string
from node.mail.part import Part

__all__ = ["Group", "Mailbox", "addresses", "envelope"]


def envelope(part: Part) -> bytes:
    """The envelope of a message: `part` is the top of a parsed message or of the one inside a message/rfc822.

    An absent field is NIL and an empty one is ""; address lists are NIL in both cases. Sender and Reply-To fall back to
    From. Encoded words stay encoded; values with 8-bit octets become literals.
    """
    head = part.head.get
    sender = _address_list(head(b"from"))
    own_sender = _address_list(head(b"sender"))
    reply_to = _address_list(head(b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(head(b"date")),
        nstring(head(b"subject")),
        sender,
        sender if own_sender == b"NIL" else own_sender,
        sender if reply_to == b"NIL" else reply_to,
        _address_list(head(b"to")),
        _address_list(head(b"cc")),
        _address_list(head(b"bcc")),
        nstring(head(b"in-reply-to")),
        nstring(head(b"message-id")),
    )


def _address_list(value: bytes | None) -> bytes:
    entries = addresses(value) if value else []
    return b"(%b)" % b"".join(map(_entry, entries)) if entries else b"NIL"


def _entry(entry: Entry) -> bytes:
    if isinstance(entry, Mailbox):
        return _mailbox(entry)
    # The group's start has a NIL host and its name as mailbox, its end is all NIL.
    return b"(NIL NIL %b NIL)%b(NIL NIL NIL NIL)" % (string(entry.name), b"".join(map(_mailbox, entry.members)))


def _mailbox(entry: Mailbox) -> bytes:
    name, route, local, domain = entry.name, entry.route, entry.local, entry.domain
    return b"(%b %b %b %b)" % (
        string(name) if name else b"NIL",
        string(route) if route else b"NIL",
        string(local),
        string(domain),
    )
