"""GETQUOTA, GETQUOTAROOT, SETQUOTA, and the refusal of what would be over the quota (RFC 9208)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.store.database import Reading
from node.store.directory import quotas
from node.store.directory.quotas import Amount
from node.wire.imap.mutf7 import encode
from node.wire.imap.quota import GetQuota, GetQuotaRoot, SetQuota
from node.wire.imap.render import astring

if TYPE_CHECKING:
    from node.servers.imap.session import Session

_UNIT = 1024  # octets of STORAGE, §5.1


async def get_quota(session: Session, command: GetQuota) -> Answer:
    """GETQUOTA (RFC 9208 §4.1.1). An account with a limit has one root, called by its address."""
    line = await _line(session)
    if line is None or command.root != session.account.address:
        raise Refused("There is no such quota", b"NONEXISTENT")
    session.output.write(line)
    return Answer("Told")


async def get_quota_root(session: Session, command: GetQuotaRoot) -> Answer:
    """GETQUOTAROOT (RFC 9208 §4.1.2): every mailbox has the account's root, or none where nothing limits it."""
    line = await _line(session)
    root = b" " + _root(session) if line else b""
    session.output.write(b"* QUOTAROOT %b%b\r\n" % (astring(encode(command.mailbox)), root))
    if line:
        session.output.write(line)
    return Answer("Told")


async def set_quota(_session: Session, _command: SetQuota) -> Answer:
    """SETQUOTA (RFC 9208 §4.1.3) is for administrators, who have a command of their own."""
    raise Refused("Only an administrator sets quotas", b"NOPERM")


def insist_on_room(tx: Reading, account_id: int, storage: int, messages: int = 1) -> None:
    """Refuse what does not fit (RFC 9208 §4.3.1)."""
    if not quotas.has_room(tx, account_id, storage, messages):
        raise Refused("That would be over the quota: delete something first, or ask for more", b"OVERQUOTA")


def _root(session: Session) -> bytes:
    return astring(session.account.address.encode())


async def _line(session: Session) -> bytes | None:
    """The QUOTA response (RFC 9208 §4.2.1), or None where nothing limits the account."""
    account_id = session.account.id

    def query(tx: Reading) -> tuple[Amount, Amount] | None:
        limit = quotas.limit_of(tx, account_id)
        return None if limit is None else (quotas.used(tx, account_id), limit)

    found = await session.server.database.read(query)
    if found is None:
        return None
    used, limit = found
    resources = []
    if limit.storage:  # usage rounds up, so that it never looks as if there were room
        resources.append(b"STORAGE %d %d" % (-(-used.storage // _UNIT), limit.storage // _UNIT))
    if limit.messages:
        resources.append(b"MESSAGE %d %d" % (used.messages, limit.messages))
    return b"* QUOTA %b (%b)\r\n" % (_root(session), b" ".join(resources))
