"""Small commands: what each line becomes."""

from __future__ import annotations

import pytest

from node.wire.imap.basic import Capability, Enable, Id, Logout, Namespace, StartTls
from node.wire.imap.commands import READERS, Command, State, read_command
from node.wire.imap.copy import Copy, Move
from node.wire.imap.expunge import Expunge
from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.login import Credentials, read_plain
from node.wire.imap.mailboxes import Check, Close, Create, Delete, Rename, Select, Subscribe, Unselect
from node.wire.imap.sequence import SequenceSet
from node.wire.imap.status import Status, StatusItem
from node.wire.imap.store import Change, Store

ONE = SequenceSet(((1, 1),))
SEEN = frozenset({"\\Seen"})


def read(line: bytes) -> Command:
    states = READERS.get(line.split()[0], READERS[b"NOOP"])[0]
    return read_command(Cursor(line), State.SELECTED if State.SELECTED in states else State.NOT_AUTHENTICATED)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"CAPABILITY", Capability()),
        (b"LOGOUT", Logout()),
        (b"STARTTLS", StartTls()),
        (b"NAMESPACE", Namespace()),
        (b"ID NIL", Id(())),
        (b'ID ("name" "mutt" "x" NIL)', Id(((b"name", b"mutt"), (b"x", None)))),
        (b"ID ()", Id(())),
        (b"ENABLE condstore X", Enable((b"CONDSTORE", b"X"))),
        (b"EXAMINE x", Select("x", readonly=True)),
        (b"CREATE a/b/", Create("a/b")),
        (b"DELETE a", Delete("a")),
        (b'RENAME a "b c"', Rename("a", "b c")),
        (b"SUBSCRIBE a", Subscribe("a", on=True)),
        (b"UNSUBSCRIBE a", Subscribe("a", on=False)),
        (b"CHECK", Check()),
        (b"CLOSE", Close()),
        (b"UNSELECT", Unselect()),
        (b"STATUS a (MESSAGES unseen)", Status("a", (StatusItem.MESSAGES, StatusItem.UNSEEN))),
        (b"EXPUNGE", Expunge()),
        (b"UID EXPUNGE 1", Expunge(ONE)),
        (b"COPY 1 a", Copy(ONE, False, "a")),
        (b"UID MOVE 1 a", Move(ONE, True, "a")),
        (b"STORE 1 FLAGS ()", Store(ONE, False, Change.SET, frozenset(), False)),
        (b"STORE 1 flags.silent \\seen", Store(ONE, False, Change.SET, SEEN, True)),
        (b"UID STORE 1 +FLAGS (\\Seen \\Recent)", Store(ONE, True, Change.ADD, SEEN, False)),
        (b"STORE 1 -FLAGS.SILENT (Foo \\SEEN)", Store(ONE, False, Change.REMOVE, SEEN | {"Foo"}, True)),
    ],
)
def test_commands(line: bytes, command: Command) -> None:
    assert read(line) == command


@pytest.mark.parametrize(
    "line",
    [b"ID", b'ID ("a")', b"ENABLE", b"SELECT", b'SELECT ""', b"RENAME a",
     b"STATUS a ()", b"STATUS a (BOGUS)", b"COPY 1", b"STORE 1 FLAGS",
     b"STORE 1 FLAGS (\\Bogus)", b"STORE 1 FLAGS (a", b"STORE 1 XFLAGS a",
     b"STORE 1 FLAGS " + b"k" * 101, b"STORE 1 FLAGS (" + b"k " * 200 + b"k)", b"UID", b"UID EXPUNGE", b"APPEND x y",
     b"EXPUNGE 1", b"ID (" + b" ".join([b'"a" "b"'] * 31) + b")"],
)  # fmt: skip
def test_refused(line: bytes) -> None:
    with pytest.raises(ParseError):
        read(line)


def test_plain() -> None:
    assert read_plain(b"\0ann\0pw") == Credentials("", "ann", "pw")
    for message in (b"", b"ann\0pw", b"\0\0pw", b"\0ann\0", b"\0\xff\0pw", b"a\0b\0c\0d"):
        with pytest.raises(ParseError):
            read_plain(message)
