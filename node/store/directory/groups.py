"""Groups: addresses whose mail goes to others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select

from node.base.address import Address
from node.store.schema import group_member, mail_group
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Group:
    """One group.

    Attributes:
        key: `Address.key`.
        address: as it was written.
        inside: only people who log in here may write to it.
    """

    key: str
    address: str
    name: str
    inside: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A member: the address of a person, an alias or a group of this node; `may_send` as the group's address."""

    key: str
    address: str
    may_send: bool


_C, _M = mail_group.c, group_member.c
_ADD = Statement(adding(mail_group))
_REMOVE = Statement(delete(mail_group).where(same(_C.key)).returning(_C.key))
_FIND = Statement(select(mail_group).where(same(_C.key)))
_LISTING = Statement(select(mail_group).order_by(_C.key))
_ADD_MEMBER = Statement(adding(group_member))
_REMOVE_MEMBER = Statement(delete(group_member).where(same(_M.group_key), same(_M.member_key)).returning(_M.member_key))
_REMOVE_EVERYWHERE = Statement(delete(group_member).where(same(_M.member_key)))
_MEMBERS = Statement(
    select(_M.member_key, _M.address, _M.may_send)
    .where(same(_M.group_key))
    .order_by(_M.member_key)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).select_from(group_member).where(same(_M.group_key)))
_HOLDING = Statement(select(_M.group_key).where(same(_M.member_key)).order_by(_M.group_key))
_MAY_SEND = Statement(select(_M.member_key).where(same(_M.group_key), same(_M.member_key), _M.may_send == 1))


def add(tx: Writing, address: Address, name: str, *, inside: bool) -> None:
    """Make a group without members. Who calls has seen to it that the address is free."""
    tx.execute(_ADD, key=address.key, address=str(address), name=name, inside=int(inside))


def remove(tx: Writing, key: str) -> bool:
    """Take a group away with its memberships, in other groups too; false when there was none."""
    tx.execute(_REMOVE_EVERYWHERE, member_key=key)
    return tx.one(_REMOVE, key=key) is not None


def drop(tx: Writing, key: str) -> None:
    """Take a group away, and leave it a member where it is one: it may come back."""
    tx.execute(_REMOVE, key=key)


def forget_member(tx: Writing, key: str) -> None:
    """Take an address out of all groups."""
    tx.execute(_REMOVE_EVERYWHERE, member_key=key)


def find(tx: Reading, key: str) -> Group | None:
    """The group with this key (`Address.key`)."""
    row = tx.one(_FIND, key=key)
    return None if row is None else _made(row)


def listing(tx: Reading) -> list[Group]:
    """All groups, in order."""
    return [_made(row) for row in tx.execute(_LISTING)]


def put_member(tx: Writing, group: str, address: Address, *, may_send: bool) -> None:
    """Add a member, or change what one may; `group` is a key."""
    tx.execute(_REMOVE_MEMBER, group_key=group, member_key=address.key)
    tx.execute(_ADD_MEMBER, group_key=group, member_key=address.key, address=str(address), may_send=int(may_send))


def remove_member(tx: Writing, group: str, key: str) -> bool:
    """Take a member out; false when it was none."""
    return tx.one(_REMOVE_MEMBER, group_key=group, member_key=key) is not None


def members(tx: Reading, group: str, limit: int) -> list[Member]:
    """A group's members, in order."""
    return [Member(key, address, bool(may)) for key, address, may in tx.execute(_MEMBERS, group_key=group, limit=limit)]


def count(tx: Reading, group: str) -> int:
    """How many members a group has."""
    return int(tx.value(_COUNT, group_key=group))


def holding(tx: Reading, key: str) -> list[str]:
    """The keys of the groups that name this address as a member."""
    return [group for (group,) in tx.execute(_HOLDING, member_key=key)]


def may_send(tx: Reading, group: str, key: str) -> bool:
    """True when this very member may send as the group."""
    return tx.one(_MAY_SEND, group_key=group, member_key=key) is not None


def _made(row: Row) -> Group:
    key, address, name, inside = row
    return Group(key, address, name, bool(inside))
