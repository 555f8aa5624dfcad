"""LOGIN and AUTHENTICATE PLAIN, through the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.auth.gate import Entry
from node.auth.refusal import Reason
from node.auth.shared_mailboxes import joined
from node.servers.imap.answer import Answer, Refused
from node.servers.imap.basic import capabilities
from node.wire.imap.events import AuthResponse, Malformed
from node.wire.imap.lexer import ParseError
from node.wire.imap.login import Authenticate, Login, read_plain

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def login(session: Session, command: Login) -> Answer:
    """LOGIN (RFC 3501 §6.2.3)."""
    _insist_on_tls(session)
    return await _enter(session, command.username, command.password)


async def authenticate(session: Session, command: Authenticate) -> Answer:
    """AUTHENTICATE PLAIN (RFC 3501 §6.2.2, RFC 4616), with or without initial response (RFC 4959)."""
    _insist_on_tls(session)
    if command.mechanism != b"PLAIN":
        raise Refused("This mechanism is not on offer")
    message = command.initial
    if message is None:
        session.output.write(b"+ \r\n")
        session.engine.await_auth()
        match await session.next_event(idle=False):
            case AuthResponse(data) if data is not None:
                message = data
            case Malformed(reason=reason):
                return Answer(reason, kind=b"BAD")
            case _:
                return Answer("Cancelled", kind=b"BAD")
    try:
        credentials = read_plain(message)
    except ParseError as error:
        return Answer(str(error), kind=b"BAD")
    return await _enter(session, joined(credentials.authorize, credentials.username), credentials.password)


def _insist_on_tls(session: Session) -> None:
    if not session.may_login:
        raise Refused("Logging in needs TLS: use STARTTLS first, or the TLS port", b"PRIVACYREQUIRED")


async def _enter(session: Session, username: str, password: str) -> Answer:
    found = await session.server.gate.enter(username, password, "imap", session.connection.peer[0])
    if isinstance(found, Entry):
        await session.login(found)
        return Answer("Logged in", b"CAPABILITY " + capabilities(session))
    if found.temporary:
        raise Refused(found.words, b"UNAVAILABLE")  # RFC 5530 §3
    session.failed_logins += 1
    if session.failed_logins >= session.server.limits.failed_logins:
        session.bye("Too many failed logins")
    if found.reason is Reason.GATE_CLOSED:
        raise Refused(found.words[0].upper() + found.words[1:], b"AUTHORIZATIONFAILED")  # RFC 5530 §3
    # One text for every cause: a guesser must not learn whether the name exists.
    raise Refused("Name or password is wrong", b"AUTHENTICATIONFAILED")
