"""Every command there is: who reads its arguments, and in which states it may come (RFC 3501 §6)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from node.wire.imap import (
    append,
    basic,
    copy,
    expunge,
    fetch,
    listing,
    login,
    mailboxes,
    metadata,
    quota,
    search,
    status,
    store,
)
from node.wire.imap.lexer import Cursor, ParseError

Command = (
    basic.Capability
    | basic.Noop
    | basic.Logout
    | basic.StartTls
    | basic.Namespace
    | basic.Idle
    | basic.Id
    | basic.Enable
    | login.Login
    | login.Authenticate
    | mailboxes.Select
    | mailboxes.Create
    | mailboxes.Delete
    | mailboxes.Rename
    | mailboxes.Subscribe
    | mailboxes.Check
    | mailboxes.Close
    | mailboxes.Unselect
    | listing.List
    | listing.Lsub
    | status.Status
    | quota.GetQuota
    | quota.GetQuotaRoot
    | quota.SetQuota
    | metadata.GetMetadata
    | metadata.SetMetadata
    | fetch.Fetch
    | search.Search
    | store.Store
    | copy.Copy
    | copy.Move
    | expunge.Expunge
)


class State(Enum):
    """RFC 3501 §3."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()
    LOGOUT = auto()


class Step(Enum):
    """What moves a session from one state to another; the session reports it when it has happened."""

    LOGIN = auto()
    SELECT = auto()
    UNSELECT = auto()
    LOGOUT = auto()


NEXT: dict[tuple[State, Step], State] = {
    (State.NOT_AUTHENTICATED, Step.LOGIN): State.AUTHENTICATED,
    (State.AUTHENTICATED, Step.SELECT): State.SELECTED,
    (State.AUTHENTICATED, Step.UNSELECT): State.AUTHENTICATED,  # a SELECT that failed (RFC 3501 §6.3.1)
    (State.SELECTED, Step.SELECT): State.SELECTED,
    (State.SELECTED, Step.UNSELECT): State.AUTHENTICATED,
    (State.NOT_AUTHENTICATED, Step.LOGOUT): State.LOGOUT,
    (State.AUTHENTICATED, Step.LOGOUT): State.LOGOUT,
    (State.SELECTED, Step.LOGOUT): State.LOGOUT,
    (State.LOGOUT, Step.LOGOUT): State.LOGOUT,
}

_ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_BEFORE = frozenset({State.NOT_AUTHENTICATED})
_AFTER = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})

Reader = Callable[[Cursor], Command]
_FETCH, _SEARCH, _STORE = fetch.read_fetch, search.read_search, store.read_store


def _bare(make: Callable[[], Command]) -> Reader:
    """The reader of a command without arguments."""
    return lambda _cursor: make()


READERS: dict[bytes, tuple[frozenset[State], Reader]] = {
    b"CAPABILITY": (_ANY, _bare(basic.Capability)),
    b"NOOP": (_ANY, _bare(basic.Noop)),
    b"LOGOUT": (_ANY, _bare(basic.Logout)),
    b"ID": (_ANY, basic.read_id),
    b"STARTTLS": (_BEFORE, _bare(basic.StartTls)),
    b"LOGIN": (_BEFORE, login.read_login),
    b"AUTHENTICATE": (_BEFORE, login.read_authenticate),
    b"ENABLE": (_AFTER, basic.read_enable),
    b"NAMESPACE": (_AFTER, _bare(basic.Namespace)),
    b"IDLE": (_AFTER, _bare(basic.Idle)),
    b"SELECT": (_AFTER, mailboxes.read_select),
    b"EXAMINE": (_AFTER, mailboxes.read_examine),
    b"CREATE": (_AFTER, mailboxes.read_create),
    b"DELETE": (_AFTER, mailboxes.read_delete),
    b"RENAME": (_AFTER, mailboxes.read_rename),
    b"SUBSCRIBE": (_AFTER, mailboxes.read_subscribe),
    b"UNSUBSCRIBE": (_AFTER, mailboxes.read_unsubscribe),
    b"LIST": (_AFTER, listing.read_list),
    b"LSUB": (_AFTER, listing.read_lsub),
    b"STATUS": (_AFTER, status.read_status),
    b"GETQUOTA": (_AFTER, quota.read_get_quota),
    b"GETQUOTAROOT": (_AFTER, quota.read_get_quota_root),
    b"SETQUOTA": (_AFTER, quota.read_set_quota),
    b"GETMETADATA": (_AFTER, metadata.read_get_metadata),
    b"SETMETADATA": (_AFTER, metadata.read_set_metadata),
    b"CHECK": (_SELECTED, _bare(mailboxes.Check)),
    b"CLOSE": (_SELECTED, _bare(mailboxes.Close)),
    b"UNSELECT": (_SELECTED, _bare(mailboxes.Unselect)),
    b"EXPUNGE": (_SELECTED, _bare(expunge.Expunge)),
    b"FETCH": (_SELECTED, partial(_FETCH, by_uid=False)),
    b"SEARCH": (_SELECTED, partial(_SEARCH, by_uid=False)),
    b"STORE": (_SELECTED, partial(_STORE, by_uid=False)),
    b"COPY": (_SELECTED, partial(copy.read_copy, by_uid=False)),
    b"MOVE": (_SELECTED, partial(copy.read_move, by_uid=False)),
    b"UID FETCH": (_SELECTED, partial(_FETCH, by_uid=True)),
    b"UID SEARCH": (_SELECTED, partial(_SEARCH, by_uid=True)),
    b"UID STORE": (_SELECTED, partial(_STORE, by_uid=True)),
    b"UID COPY": (_SELECTED, partial(copy.read_copy, by_uid=True)),
    b"UID MOVE": (_SELECTED, partial(copy.read_move, by_uid=True)),
    b"UID EXPUNGE": (_SELECTED, expunge.read_uid_expunge),
}


def read_command(cursor: Cursor, state: State) -> Command:
    """Read what follows the tag and its space.

    Raises:
        ParseError: unknown, not now, or not IMAP.
    """
    verb = cursor.atom().upper()
    if verb == b"UID":
        cursor.space()
        verb = b"UID " + cursor.atom().upper()
    if verb == b"APPEND":
        raise ParseError("APPEND takes its message as a literal")
    if verb not in READERS:
        raise ParseError("unknown command")
    states, reader = READERS[verb]
    if state not in states:
        raise ParseError(f"{verb.decode()} is not allowed now")
    command = reader(cursor)
    cursor.end()
    return command


def read_append(tag: bytes, cursor: Cursor, state: State) -> append.AppendStart:
    """Read APPEND up to its message; `cursor` stands behind the verb."""
    if state not in _AFTER:
        raise ParseError("APPEND is not allowed now")
    return append.read_append(tag, cursor)
