"""IMAP's BODY and BODYSTRUCTURE: a message's parts as clients show them without fetching any (RFC 3501 §7.4.2)."""

from __future__ import annotations

from node.mail.envelope import envelope
from node.mail.imap_string import nstring, parenthesized, string
from node.mail.parameters import Params, joined
from node.mail.part import Part


def body(part: Part) -> bytes:
    """The structure without extension data."""
    return _structure(part, extended=False)


def bodystructure(part: Part) -> bytes:
    """The structure with all extension data: MD5, disposition, language, location."""
    return _structure(part, extended=True)


def _structure(part: Part, *, extended: bool) -> bytes:
    kind = part.content_type[1].encode()
    if part.children:
        children = b"".join([_structure(child, extended=extended) for child in part.children])
        if not extended:
            return b"(%b %b)" % (children, string(kind))
        return b"(%b %b %b %b)" % (children, string(kind), _params(joined(part.params)), _extension(part))
    basic = _basic(part)
    if part.message is not None:
        message = _structure(part.message, extended=extended)
        basic += b" %b %b %d" % (envelope(part.message), message, part.lines)
    elif part.content_type[0] == "text":
        basic += b" %d" % part.lines
    if not extended:
        return b"(%b)" % basic
    md5 = nstring(part.head.get(b"content-md5"))
    return b"(%b %b %b)" % (basic, md5, _extension(part))


def _basic(part: Part) -> bytes:
    main, kind = part.content_type
    params = joined(part.params)
    if main == "text" and not any(name.lower() in {b"charset", b"charset*"} for name, _ in params):
        params = (*params, (b"charset", b"US-ASCII"))  # RFC 2045 §5.2
    return b'"%b" "%b" %b %b %b "%b" %d' % (
        main.encode(),
        kind.encode(),
        _params(params),
        nstring(part.head.get(b"content-id")),
        nstring(part.head.get(b"content-description")),
        part.encoding.encode(),
        part.body_end - part.body_start,
    )


def _params(params: Params) -> bytes:
    if not params:
        return b"NIL"
    return parenthesized([b"%b %b" % (string(name), string(value)) for name, value in params])


def _extension(part: Part) -> bytes:
    """Disposition, language and location."""
    head = part.head
    disposition = part.disposition
    shown = b"NIL" if disposition is None else b'("%b" %b)' % (disposition[0].encode(), _params(joined(disposition[1])))
    return b"%b %b %b" % (shown, _language(head.get(b"content-language")), nstring(head.get(b"content-location")))


def _language(value: bytes | None) -> bytes:
    tags = [tag.strip() for tag in value.split(b",")] if value else []
    tags = [tag for tag in tags if tag]
    return parenthesized(map(string, tags)) if tags else b"NIL"
