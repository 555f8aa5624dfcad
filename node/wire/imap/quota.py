"""GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import mailbox

MAX_RESOURCES = 20


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA (RFC 9208 §4.1.1)."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT (RFC 9208 §4.1.2); the mailbox need not exist."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA (RFC 9208 §4.1.3)."""

    root: str


def read_get_quota(cursor: Cursor) -> GetQuota:
    """` "ann@example.org"`."""
    cursor.space()
    return GetQuota(_root(cursor))


def read_get_quota_root(cursor: Cursor) -> GetQuotaRoot:
    """` INBOX`."""
    cursor.space()
    return GetQuotaRoot(mailbox(cursor))


def read_set_quota(cursor: Cursor) -> SetQuota:
    """` "ann@example.org" (STORAGE 512)`."""
    cursor.space()
    root = _root(cursor)
    cursor.space()
    cursor.expect(b"(")
    count = 0
    while not cursor.skip(b")"):
        if count:
            cursor.space()
        cursor.atom()
        cursor.space()
        cursor.number()
        count += 1
        if count > MAX_RESOURCES:
            raise ParseError("too many resources")
    return SetQuota(root)


def _root(cursor: Cursor) -> str:
    return cursor.astring().decode("utf-8", "replace")
