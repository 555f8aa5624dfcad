"""LOGIN and AUTHENTICATE, through the gate."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

from identity.oauth import sasl
from node.auth.gate import Entry
from node.auth.refusal import Reason, Refusal
from node.auth.shared_mailboxes import joined
from node.servers.imap.answer import Answer, Refused
from node.servers.imap.basic import capabilities, mechanisms
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
    """AUTHENTICATE (RFC 3501 §6.2.2), with or without initial response (RFC 4959)."""
    _insist_on_tls(session)
    if command.mechanism not in mechanisms(session):
        raise Refused("This mechanism is not on offer")
    message = command.initial
    if message is None:
        asked = await _ask(session, b"")
        if isinstance(asked, Answer):
            return asked
        message = asked
    return await _MECHANISMS[command.mechanism](session, command.mechanism, message)


async def _plain(session: Session, _mechanism: bytes, message: bytes) -> Answer:
    """RFC 4616."""
    try:
        credentials = read_plain(message)
    except ParseError as error:
        return Answer(str(error), kind=b"BAD")
    return await _enter(session, joined(credentials.authorize, credentials.username), credentials.password)


async def _scram(session: Session, mechanism: bytes, message: bytes) -> Answer:
    """RFC 5802 §5: the client's first and final messages, each answered; then the client's empty last word."""
    assert session.server.scram is not None
    peer, bindings = session.connection.peer[0], session.connection.channel_bindings()
    exchange = await session.server.scram.begin(mechanism.decode("ascii"), message, "imap", peer, bindings)
    if isinstance(exchange, Refusal):
        _turn_away(session, exchange)
    final = await _ask(session, exchange.challenge)
    if isinstance(final, Answer):
        return final
    passed = await exchange.finish(final)
    if isinstance(passed, Refusal):
        _turn_away(session, passed)
    last = await _ask(session, passed.words)
    if isinstance(last, Answer) or last:
        return last if isinstance(last, Answer) else Answer("Nothing more was expected", kind=b"BAD")
    return await _welcome(session, passed.entry)


async def _bearer(session: Session, mechanism: bytes, message: bytes) -> Answer:
    """RFC 7628 §3.2: a token that is not taken is explained in a challenge; whatever answers it ends the exchange."""
    tokens = session.server.tokens
    assert tokens is not None
    try:
        brought = sasl.read(mechanism.decode("ascii"), message)
    except sasl.SaslError as error:
        return Answer(str(error), kind=b"BAD")
    found = await tokens.enter(brought.username, brought.token, "imap", session.connection.peer[0])
    if not isinstance(found, Refusal):
        return await _welcome(session, found)
    if not found.temporary and (told := tokens.challenge(found, "imap")):
        await _ask(session, told)
    _turn_away(session, found)


_Mechanism = Callable[["Session", bytes, bytes], Awaitable[Answer]]
_MECHANISMS: dict[bytes, _Mechanism] = {
    b"PLAIN": _plain,
    b"SCRAM-SHA-256": _scram,
    b"SCRAM-SHA-256-PLUS": _scram,
    b"OAUTHBEARER": _bearer,
    b"XOAUTH2": _bearer,
}


async def _ask(session: Session, challenge: bytes) -> bytes | Answer:
    """Send a challenge; the client's response, or how its giving up is answered."""
    session.output.write(b"+ " + b64encode(challenge) + b"\r\n")
    session.engine.await_auth()
    match await session.next_event(idle=False):
        case AuthResponse(data) if data is not None:
            return data
        case Malformed(reason=reason):
            return Answer(reason, kind=b"BAD")
    return Answer("Cancelled", kind=b"BAD")


def _insist_on_tls(session: Session) -> None:
    if not session.may_login:
        raise Refused("Logging in needs TLS: use STARTTLS first, or the TLS port", b"PRIVACYREQUIRED")


async def _enter(session: Session, username: str, password: str) -> Answer:
    found = await session.server.gate.enter(username, password, "imap", session.connection.peer[0])
    if isinstance(found, Refusal):
        _turn_away(session, found)
    return await _welcome(session, found)


async def _welcome(session: Session, entry: Entry) -> Answer:
    await session.login(entry)
    return Answer("Logged in", b"CAPABILITY " + capabilities(session))


def _turn_away(session: Session, refusal: Refusal) -> NoReturn:
    if refusal.temporary:
        raise Refused(refusal.words, b"UNAVAILABLE")  # RFC 5530 §3
    session.failed_logins += 1
    if session.failed_logins >= session.server.limits.failed_logins:
        session.bye("Too many failed logins")
    if refusal.reason is Reason.GATE_CLOSED:
        raise Refused(refusal.words[0].upper() + refusal.words[1:], b"AUTHORIZATIONFAILED")  # RFC 5530 §3
    # One text for every cause: a guesser must not learn whether the name exists.
    raise Refused("Name or password is wrong", b"AUTHENTICATIONFAILED")
