"""Messages other parsers are tested with: mime4j's and mail-parser's, beside the standard library's reading of them."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from functools import cache
from pathlib import Path

import pytest

from node.mail.base64_parts import large_base64
from node.mail.envelope import Group, addresses
from node.mail.headers import unfolded
from node.mail.layout import pack, unpack
from node.mail.part import Part, parse
from node.mail.summary import summarize
from node.mail.text import plain

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "mime"
FILES = sorted(path for path in VECTORS.rglob("*") if path.suffix in {".eml", ".msg"}) if VECTORS.is_dir() else []

pytestmark = pytest.mark.skipif(not FILES, reason=f"no test messages under {VECTORS}")

# Two delimiter lines in a row: an empty part here and in Dovecot, passed over by the library.
DOUBLED = re.compile(rb"^(--[^\r\n]+)\r?\n\1\r?\n", re.MULTILINE)


def spans_nest(part: Part) -> bool:
    inner = part.children or ((part.message,) if part.message else ())
    at = part.body_start
    for child in inner:
        if not at <= child.header_start <= child.body_start <= child.body_end <= part.body_end:
            return False
        at = child.body_end
    return part.header_start <= part.body_start <= part.body_end and all(map(spans_nest, inner))


@cache
def messages() -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in FILES]


def test_every_message_parses() -> None:
    for name, data in messages():
        part = parse(data)
        assert spans_nest(part), name
        summarize(data)
        plain(data, part)
        large_base64(data, 1)
        layout = unpack(pack(part))
        whole = layout.find(())
        assert whole is not None
        assert data[whole.header_start : whole.body_start] + data[whole.body_start : whole.body_end] == data


def kinds(message: Message) -> list[str]:
    """The types the library sees, in the order of the message."""
    children = message.get_payload() if message.is_multipart() else []
    assert isinstance(children, list)
    return [message.get_content_type(), *(kind for child in children for kind in kinds(child))]


def defective(message: Message) -> bool:
    return any(part.defects for part in message.walk())


def test_types_agree_with_the_standard_library() -> None:
    """Wherever the library finds no fault; types it opens that we keep closed (delivery-status) are cut out."""
    compared = 0
    for name, data in messages():
        reading = message_from_bytes(data, policy=compat32)
        if defective(reading) or DOUBLED.search(data) or b"message/" in data.lower().replace(b"message/rfc822", b""):
            continue
        compared += 1
        assert ["/".join(part.content_type) for part in parse(data).walk()] == kinds(reading), name
    assert compared > 100


def test_addresses_agree_with_mail_parser() -> None:
    cases = json.loads((VECTORS / "stalwart-mail-parser" / "address.json").read_text())
    for case in cases:
        found = json.dumps(case["expected"])
        header = unfolded(case["header"].encode())
        if "(" in found or "test  . example" in found or "invalid@" in case["header"] or "@node.test" in found:
            continue  # it puts comments into names, keeps blanks and routes in addresses, ends at a bare line feed
        expected = [each or "" for each in re.findall(r'"address": (?:"([^"]*)"|null)', found)]
        boxes = [box for each in addresses(header) for box in (each.members if isinstance(each, Group) else (each,))]
        got = [(box.local + b"@" + box.domain).decode() for box in boxes]
        assert [each.removesuffix("@MISSING_DOMAIN").removesuffix("MISSING_MAILBOX") for each in got] == expected
