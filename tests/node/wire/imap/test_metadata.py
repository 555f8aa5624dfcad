"""GETMETADATA and SETMETADATA as they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.commands import Command, State, read_command
from node.wire.imap.connection import ServerConnection
from node.wire.imap.events import LiteralWanted, Malformed, NeedData, Request
from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.metadata import MAX_ENTRIES, MAX_NAME, Depth, GetMetadata, SetMetadata
from node.wire.imap.render import astring, nstring8

MINE = "/private/comment"


def read(line: bytes) -> Command:
    return read_command(Cursor(line), State.AUTHENTICATED)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"GETMETADATA INBOX /private/comment", GetMetadata("INBOX", (MINE,))),
        (b'GETMETADATA "" ("/Shared/Comment" /shared/comment)', GetMetadata("", ("/shared/comment",))),
        (b"GETMETADATA (DEPTH 1) INBOX (/private)", GetMetadata("INBOX", ("/private",), Depth.CHILDREN)),
        (
            b"getmetadata (maxsize 1024 depth Infinity) a /shared",
            GetMetadata("a", ("/shared",), Depth.ALL, 1024),
        ),
        (b"GETMETADATA INBOX (MAXSIZE 0) (/private)", GetMetadata("INBOX", ("/private",), maxsize=0)),
        (b"GETMETADATA INBOX (/private/x]y)", GetMetadata("INBOX", ("/private/x]y",))),
        (b'SETMETADATA INBOX (/private/comment "a \\"b\\"")', SetMetadata("INBOX", ((MINE, b'a "b"'),))),
        (b"SETMETADATA a (/private/comment NIL)", SetMetadata("a", ((MINE, None),))),
        (b"SETMETADATA a (/private/comment ~{3}\r\na\0b)", SetMetadata("a", ((MINE, b"a\0b"),))),
        (
            b'SETMETADATA a (/private/comment {2+}\r\nab /shared/comment "")',
            SetMetadata("a", ((MINE, b"ab"), ("/shared/comment", b""))),
        ),
    ],
)
def test_commands(line: bytes, command: Command) -> None:
    assert read(line) == command


@pytest.mark.parametrize(
    "line",
    [b"GETMETADATA", b"GETMETADATA INBOX", b"GETMETADATA INBOX ()", b"GETMETADATA () INBOX /private",
     b"GETMETADATA (DEPTH 2) INBOX /private", b"GETMETADATA (DEPTH) INBOX /private",
     b"GETMETADATA (MAXSIZE x) INBOX /private", b"GETMETADATA (MAXSIZE 4294967296) INBOX /private",
     b"GETMETADATA (MAXSIZE 1 MAXSIZE 1) INBOX /private", b"GETMETADATA (DEPTH 0 DEPTH 0) INBOX /private",
     b"GETMETADATA (WIDTH 1) INBOX /private", b"GETMETADATA (DEPTH 1)INBOX /private",
     b"GETMETADATA (DEPTH 1) INBOX (DEPTH 1) (/private)",
     b"GETMETADATA INBOX /", b"GETMETADATA INBOX comment", b"GETMETADATA INBOX /privates",
     b"GETMETADATA INBOX /other/a",
     b"GETMETADATA INBOX /private/", b"GETMETADATA INBOX /private//a", b'GETMETADATA INBOX "/private/*"',
     b'GETMETADATA INBOX "/private/%"', b'GETMETADATA INBOX "/private/a b"', b'GETMETADATA INBOX "/private/\xc3\xa4"',
     b"GETMETADATA INBOX /private/" + b"a" * MAX_NAME,
     b"GETMETADATA INBOX (" + b" ".join([b"/private/a"] * (MAX_ENTRIES + 1)) + b")",
     b"SETMETADATA INBOX", b"SETMETADATA INBOX ()", b"SETMETADATA INBOX /private/comment NIL",
     b"SETMETADATA INBOX (/private/comment)", b"SETMETADATA INBOX (/private/comment x)",
     b"SETMETADATA INBOX (/private/comment {3}\r\na\0b)", b"SETMETADATA INBOX (/private/comment ~{4}\r\na\0b)",
     b'SETMETADATA INBOX (/private/comment ~"a")', b"SETMETADATA INBOX (/private/a NIL /private/A NIL)",
     b"SETMETADATA INBOX (" + b" ".join(b"/private/%d NIL" % n for n in range(MAX_ENTRIES + 1)) + b")"],
)  # fmt: skip
def test_refused(line: bytes) -> None:
    with pytest.raises(ParseError):
        read(line)


FRAGMENTS = st.sampled_from(
    [b"GETMETADATA ", b"SETMETADATA ", b"INBOX ", b'"" ', b"(", b")", b" ", b"DEPTH ", b"MAXSIZE ", b"infinity", b"1",
     b"/private/comment", b"/shared", b"/", b"*", b"NIL", b'"x"', b"~{1}\r\n\0", b"{2+}\r\nab", b"{99}\r\n"]
)  # fmt: skip


@given(st.lists(FRAGMENTS | st.binary(max_size=6), max_size=12).map(b"".join))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    for verb in (b"", b"GETMETADATA ", b"SETMETADATA "):
        try:
            command = read(verb + data)
        except ParseError:
            continue
        if isinstance(command, GetMetadata | SetMetadata):
            names = command.entries if isinstance(command, GetMetadata) else [name for name, _ in command.values]
            assert 0 < len(names) <= MAX_ENTRIES
            assert len(set(names)) == len(names)
            assert all(name == name.lower() and name.startswith(("/private", "/shared")) for name in names)


LEVEL = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*%/"), min_size=1, max_size=8)
ENTRY = st.tuples(st.sampled_from(["/private", "/shared"]), st.lists(LEVEL, max_size=3)).map(
    lambda parts: "/".join([parts[0], *parts[1]]).lower()
)
VALUES = st.dictionaries(ENTRY, st.none() | st.binary(max_size=40), min_size=1, max_size=5)


@given(VALUES, st.lists(st.integers(1, 7), max_size=80))
def test_what_is_written_is_read_however_it_is_cut(values: dict[str, bytes | None], cuts: list[int]) -> None:
    pairs = b" ".join(b"%b %b" % (astring(name.encode()), nstring8(value)) for name, value in values.items())
    left = b"t SETMETADATA INBOX (%b)\r\n" % pairs
    engine = ServerConnection(state=State.AUTHENTICATED)
    seen: list[object] = []
    while left:
        size = cuts.pop() if cuts else len(left)
        engine.receive(left[:size])
        left = left[size:]
        while not isinstance(event := engine.next_event(), NeedData):
            seen.append(event)
    assert [event for event in seen if not isinstance(event, LiteralWanted)] == [
        Request(b"t", SetMetadata("INBOX", tuple(values.items())))
    ]


@given(st.lists(FRAGMENTS | st.binary(max_size=6), max_size=10).map(b"".join), st.lists(st.integers(1, 9), max_size=60))
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    whole = b"t GETMETADATA " + data.replace(b"\n", b"") + b"\r\n"

    def run(pieces: list[bytes]) -> list[object]:
        engine, seen = ServerConnection(state=State.AUTHENTICATED), []
        for piece in pieces:
            engine.receive(piece)
            while not isinstance(event := engine.next_event(), NeedData):
                seen.append(event)
        return seen

    pieces, left = [], whole
    for size in cuts:
        pieces.append(left[:size])
        left = left[size:]
    assert run([*pieces, left]) == run([whole])
    assert all(isinstance(event, Request | Malformed | LiteralWanted) for event in run([whole]))
