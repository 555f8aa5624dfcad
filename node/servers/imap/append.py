"""APPEND: the message streams from the client into an Incoming, then the service keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.base.errors import Temporary
from node.net.stream import Disconnected
from node.servers.imap.answer import Answer, Refused
from node.servers.imap.flags import split
from node.servers.imap.mailboxes import target
from node.servers.imap.quota import insist_on_room
from node.store.database import Reading
from node.store.incoming import Incoming
from node.store.mailboxes import Mailbox
from node.wire.imap.append import AppendStart
from node.wire.imap.events import AppendEnd, LiteralBytes, Malformed

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def append(session: Session, start: AppendStart) -> Answer:
    """APPEND (RFC 3501 §6.3.11) with APPENDUID (RFC 4315 §3). What is refused is refused before it is read."""
    account = session.account.id
    try:
        if start.size > session.server.limits.message:
            raise Refused("The message is too big", b"TOOBIG")  # RFC 7889 §4
        mailbox = await session.server.database.read(lambda tx: _with_room(tx, account, start))
    except Refused as refusal:
        await _refuse(session, start, refusal)
        raise
    session.engine.accept_literal()
    if start.waits:
        session.output.write(b"+ Ready for the message\r\n")
    incoming = session.server.new_incoming()
    try:
        problem = await _fill(session, incoming)
        if problem is not None:
            return problem
        flags, keywords = split(start.flags)
        message = await session.server.append(mailbox, incoming, flags, keywords, start.internaldate)
    finally:
        await incoming.aclose()
    await session.sync()
    return Answer("Appended", b"APPENDUID %d %d" % (mailbox.uidvalidity, message.uid))


def _with_room(tx: Reading, account_id: int, start: AppendStart) -> Mailbox:
    mailbox = target(tx, account_id, start.mailbox)
    insist_on_room(tx, account_id, start.size)
    return mailbox


async def _refuse(session: Session, start: AppendStart, refusal: Refused) -> None:
    """Have the message thrown away, unless it is so big that the connection has to end."""
    if not start.waits and start.size > session.server.limits.engine.skip:
        session.output.write(b"%b NO [%b] %b\r\n" % (start.tag, refusal.answer.code, str(refusal).encode()))
        await session.output.flush()
    session.engine.refuse_literal()


async def _fill(session: Session, incoming: Incoming) -> Answer | None:
    """Let the message in; an answer when the command turns out to be wrong or the disk full."""
    failure: Temporary | None = None
    while True:
        match await session.next_event(idle=False):
            case LiteralBytes(data):
                if failure is None:
                    try:
                        await incoming.write(data)
                    except Temporary as error:
                        failure = error  # the rest is read and thrown away, then the command fails
            case AppendEnd():
                if failure is not None:
                    raise failure
                return None
            case Malformed(reason=reason):
                return Answer(reason, kind=b"BAD")
            case _:
                raise Disconnected("the client left in the middle of APPEND")
