from __future__ import annotations

import pytest

from node.wire.imap.fetch import MACROS, Attribute, Fetch, Item, Section, Text, read_fetch
from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.sequence import SequenceSet


def items(text: bytes) -> tuple[Item, ...]:
    cursor = Cursor(b" 1 " + text)
    fetch = read_fetch(cursor, by_uid=False)
    cursor.end()
    return fetch.items


def test_items() -> None:
    assert read_fetch(Cursor(b" 1:* FLAGS"), by_uid=True) == Fetch(SequenceSet(((1, 0),)), True, (Attribute.FLAGS,))
    assert items(b"(uid Flags RFC822.SIZE UID)") == (Attribute.UID, Attribute.FLAGS, Attribute.SIZE)
    assert items(b"full") == MACROS[b"FULL"]
    assert items(b"BODY") == (Attribute.BODY,)
    assert items(b"(MODSEQ)") == (Attribute.MODSEQ,)


@pytest.mark.parametrize(
    ("text", "path", "kind", "label"),
    [
        (b"BODY[]", (), Text.WHOLE, b"BODY[]"),
        (b"body.peek[header]", (), Text.HEADER, b"BODY[HEADER]"),
        (b"BODY.PEEK[1.2.MIME]", (1, 2), Text.MIME, b"BODY[1.2.MIME]"),
        (b"BODY.PEEK[3.text]", (3,), Text.TEXT, b"BODY[3.TEXT]"),
        (b"BODY.PEEK[4]", (4,), Text.WHOLE, b"BODY[4]"),
        (b"BODY.PEEK[HEADER.FIELDS (From {2+}\r\nTo)]", (), Text.FIELDS, b"BODY[HEADER.FIELDS (From To)]"),
        (b'BODY.PEEK[2.HEADER.FIELDS.NOT ("X Y")]', (2,), Text.NOT_FIELDS, b'BODY[2.HEADER.FIELDS.NOT ("X Y")]'),
        (b"RFC822", (), Text.WHOLE, b"RFC822"),
        (b"RFC822.HEADER", (), Text.HEADER, b"RFC822.HEADER"),
        (b"RFC822.TEXT", (), Text.TEXT, b"RFC822.TEXT"),
    ],
)
def test_sections(text: bytes, path: tuple[int, ...], kind: Text, label: bytes) -> None:
    (section,) = items(text)
    assert isinstance(section, Section)
    assert (section.path, section.text, section.label) == (path, kind, label)
    assert section.peek == (b"PEEK" in text.upper() or text == b"RFC822.HEADER")


def test_partials() -> None:
    (section,) = items(b"BODY[]<10.200>")
    assert isinstance(section, Section)
    assert (section.start, section.count, section.label) == (10, 200, b"BODY[]")


@pytest.mark.parametrize(
    "text",
    [b"", b"()", b"(FLAGS", b"FLAGS)", b"(FLAGS  UID)", b"(ALL FAST)", b"X", b"BODY.PEEK", b"BODY[", b"BODY[MIME]",
     b"BODY[0]", b"BODY[1.]", b"BODY[.1]", b"BODY[1HEADER]", b"BODY[HEADER.FIELDS]", b"BODY[HEADER.FIELDS ()]",
     b"BODY[]<5>", b"BODY[]<0.0>", b"BODY[]<1.99999999999>", b"BODY[" + b"1." * 200 + b"1]", b"RFC822[]",
     b"(" + b"UID " * 200 + b"UID)", b"BODY[HEADER.FIELDS (" + b"a " * 1000 + b"a)]"],
)  # fmt: skip
def test_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        items(text)
