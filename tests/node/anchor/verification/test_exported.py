"""What real programs make of a message when they export it, and the rules that undo it."""

from __future__ import annotations

import hashlib
import mailbox
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import exported
from node.anchor.exported import LIMIT, RULES, find, oddities, ways

MESSAGE = (
    b"Return-Path: <nora@other.test>\r\nReceived: from other.test by waxseal.test\r\n\tfor <ann@waxseal.test>;\r\n"
    b" Sat, 21 Nov 2026 20:00:00 +0000\r\nFrom: Nora <nora@other.test>\r\nTo: ann@waxseal.test\r\nSubject: tea\r\n"
    b"Date: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <1@other.test>\r\n\r\n"
    b"See you on Tuesday.\r\n\r\nFrom here on it is downhill.\r\n>From the hill it is not.\r\nNora\r\n"
)
ENDS = [b"\r\nbye\r\n", b"\r\nbye", b"\r\nbye\r\n\r\n", b"\r\n", b""]


def undone(content: bytes, message: bytes = MESSAGE) -> tuple[str, ...]:
    way = find(content, {hashlib.sha256(message).digest()})
    assert way is not None, content
    assert way.content == message
    assert set(way.rules) <= set(RULES)
    return way.rules


def lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def test_exact_bytes_need_no_rule() -> None:
    assert undone(MESSAGE) == ()


def python_mbox(folder: Path, content: bytes) -> bytes:
    box = mailbox.mbox(folder / "box")
    box.add(content)
    box.close()
    return (folder / "box").read_bytes()


def python_mbox_parsed(folder: Path, content: bytes) -> bytes:
    box = mailbox.mbox(folder / "box")
    entry = mailbox.mboxMessage(message_from_bytes(content, policy=policy.compat32))
    entry.set_flags("RO")
    box.add(entry)
    box.close()
    return (folder / "box").read_bytes()


def python_maildir(folder: Path, content: bytes) -> bytes:
    box = mailbox.Maildir(folder / "box")
    box.add(content)
    return next((folder / "box" / "new").iterdir()).read_bytes()


def python_mmdf(folder: Path, content: bytes) -> bytes:
    """MMDF's separators are the container's, not the message's: `get_bytes` gives what is between them."""
    box = mailbox.MMDF(folder / "box")
    key = box.add(content)
    box.flush()
    content = box.get_bytes(key)
    box.close()
    return content


def thunderbird(folder: Path, content: bytes) -> bytes:
    """A local folder as Thunderbird documents and writes it: separator without sender, its own fields first."""
    own = b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00800000\nX-Mozilla-Keys: " + b" " * 80 + b"\n"
    return b"From - Sat Nov 21 20:00:00 2026\n" + own + lf(content).replace(b"\nFrom ", b"\n>From ") + b"\n"


def thunderbird_windows(folder: Path, content: bytes) -> bytes:
    return thunderbird(folder, content).replace(b"\n", b"\r\n")


def procmail(folder: Path, content: bytes) -> bytes:
    """A delivery agent: the Return-Path goes into the separator, what it knows stands on top."""
    rest = lf(content).partition(b"\n")[2].replace(b"\nFrom ", b"\n>From ")
    return b"From nora@other.test  Sat Nov 21 20:00:00 2026\nDelivered-To: ann@elsewhere.test\n" + rest + b"\n"


def windows_editor(folder: Path, content: bytes) -> bytes:
    """Opened and saved: a byte order mark, and line ends doubled by a program in text mode."""
    return b"\xef\xbb\xbf" + content.replace(b"\r\n", b"\r\r\n")


def old_mac(folder: Path, content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\r")


EXPORTS: dict[Callable[[Path, bytes], bytes], tuple[str, ...]] = {
    python_mbox: ("from-line", "line-ends", "unquote", "end"),
    python_mbox_parsed: ("from-line", "line-ends", "added-fields", "unquote", "end"),
    python_maildir: (),
    python_mmdf: ("unquote",),
    thunderbird: ("from-line", "line-ends", "added-fields", "unquote", "end"),
    thunderbird_windows: ("from-line", "added-fields", "unquote", "end"),
    procmail: ("from-line", "line-ends", "return-path", "added-fields", "unquote", "end"),
    windows_editor: ("bom", "line-ends"),
    old_mac: ("line-ends",),
}


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_what_programs_write_is_undone(export: Callable[[Path, bytes], bytes], tmp_path: Path) -> None:
    content = export(tmp_path, MESSAGE)
    assert undone(content) == EXPORTS[export]
    if EXPORTS[export]:
        assert oddities(content)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_however_the_message_ends(export: Callable[[Path, bytes], bytes], end: bytes, tmp_path: Path) -> None:
    message = b"Return-Path: <nora@other.test>\r\nSubject: x\r\n\r\nhello" + end
    undone(export(tmp_path, message), message)


def test_fields_that_only_look_added() -> None:
    """The message itself came with a Status field, and with a Return-Path of its own; the client added another."""
    message = b"Return-Path: <a@b.test>\r\nStatus: urgent\r\nSubject: x\r\n\r\nhi\r\n"
    added = message.replace(b"Subject", b"Status: RO\r\nX-Status: A\r\nSubject")
    assert undone(added, message) == ("added-fields",)
    assert undone(b"Delivered-To: me@there.test\r\n" + added, message) == ("added-fields",)


def test_no_rule_makes_up_what_is_not_there() -> None:
    assert find(MESSAGE.replace(b"Tuesday", b"Thursday"), {hashlib.sha256(MESSAGE).digest()}) is None
    assert find(MESSAGE.replace(b"Subject: tea\r\n", b""), {hashlib.sha256(MESSAGE).digest()}) is None


def test_several_messages_in_one_file_are_told(tmp_path: Path) -> None:
    two = python_mbox(tmp_path, MESSAGE) + b"\nFrom - Sat Nov 21 20:00:01 2026\nSubject: second\n\nhi\n\n"
    assert any("several messages" in words for words in oddities(two))


@given(st.binary(max_size=400))
def test_any_bytes_are_tried_in_bounds(content: bytes) -> None:
    tried = list(ways(content))
    assert tried[0].rules == ()
    assert len(tried) <= LIMIT
    assert all(way.rules for way in tried[1:])
    assert isinstance(oddities(content), list)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = b"From x\n" + b"Status: 1\nReturn-Path: <a>\n" * 2000 + b"\n" + b">From \n" * 5000
    assert len(list(ways(hostile))) <= LIMIT
    monkeypatch.setattr(exported, "OCTETS", 3 * len(MESSAGE))
    assert len(list(ways(python_like(MESSAGE)))) <= 3


def python_like(content: bytes) -> bytes:
    return b"From x Sat Nov 21 20:00:00 2026\n" + lf(content) + b"\n"


FIELDS = st.lists(
    st.sampled_from(
        [
            b"From: a@b.test\r\n",
            b"Subject: x\r\n folded\r\n",
            b"Status: hm\r\n",
            b"Return-Path: <>\r\n",
            b"Lines: 3\r\n",
        ]
    ),
    max_size=4,
)
LINES = st.lists(st.sampled_from([b"hello", b"From me", b">From you", b"", b"  ", b">>From them"]), max_size=4)


@given(FIELDS, LINES, st.sampled_from([thunderbird, thunderbird_windows, old_mac, windows_editor]))
def test_random_messages_come_back(fields: list[bytes], lines: list[bytes], export: Any) -> None:
    message = b"Subject: first\r\n" + b"".join(fields) + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    undone(export(Path(), message), message)
