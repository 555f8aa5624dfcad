"""CAPABILITY, NOOP, LOGOUT, STARTTLS, ID, ENABLE, NAMESPACE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identity.oauth import sasl
from node.auth import scram_login
from node.base.log import get_log
from node.servers.imap.answer import Answer, Refused
from node.wire.imap.basic import Enable, Id
from node.wire.imap.commands import State
from node.wire.imap.render import status

if TYPE_CHECKING:
    from node.servers.imap.session import Session

log = get_log(__name__)

_ALWAYS = b"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE"
_AFTER_LOGIN = (
    b" IDLE NAMESPACE UIDPLUS UNSELECT MOVE CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH STATUS=SIZE"
    b" APPENDLIMIT=%d QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE"  # RFC 9208 §3.1
    b" METADATA"
)


def capabilities(session: Session) -> bytes:
    """What the client may do now (RFC 3501 §6.1.1); it changes with TLS and login."""
    if session.engine.state is not State.NOT_AUTHENTICATED:
        return _ALWAYS + _AFTER_LOGIN % session.server.limits.message
    starttls = b" STARTTLS" if session.server.tls and not session.connection.tls else b""
    login = b"".join(b" AUTH=" + name for name in mechanisms(session)) if session.may_login else b" LOGINDISABLED"
    return _ALWAYS + starttls + login


def mechanisms(session: Session) -> tuple[bytes, ...]:
    """What a client may log in with on this connection."""
    scram, tokens = session.server.scram, session.server.tokens
    proofs = scram_login.mechanisms(session.connection.channel_bindings()) if scram else ()
    offered = (*proofs, *(sasl.MECHANISMS if tokens else ()))
    return (*(name.encode("ascii") for name in offered), b"PLAIN")


async def capability(session: Session) -> Answer:
    """CAPABILITY (RFC 3501 §6.1.1)."""
    session.output.write(b"* CAPABILITY " + capabilities(session) + b"\r\n")
    return Answer("Listed")


async def noop(session: Session) -> Answer:
    """NOOP, and CHECK, which has nothing to do here (RFC 3501 §6.1.2, §6.4.1)."""
    await session.sync()
    return Answer("Done")


async def logout(session: Session) -> Answer:
    """LOGOUT (RFC 3501 §6.1.3)."""
    session.bye("Goodbye")
    return Answer("Logged out")


async def start_tls(session: Session, tag: bytes) -> Answer | None:
    """STARTTLS (RFC 3501 §6.2.1); its tagged OK is the last thing in clear."""
    if session.server.tls is None or session.connection.tls is not None:
        raise Refused("TLS is not on offer here")
    session.engine.start_tls()
    session.output.write(status(tag, b"OK", "Begin TLS"))
    await session.output.flush()
    await session.connection.start_tls(session.server.tls)
    return None


async def identify(session: Session, command: Id) -> Answer:
    """ID (RFC 2971 §3.1)."""
    log.debug("imap client", fields=len(command.fields), name=dict(command.fields).get(b"name"))
    session.output.write(b'* ID ("name" "Waxseal")\r\n')
    return Answer("Pleased to meet you")


async def enable(session: Session, _command: Enable) -> Answer:
    """ENABLE (RFC 5161 §3.1): we have nothing that needs enabling yet, and say so."""
    session.output.write(b"* ENABLED\r\n")
    return Answer("Enabled")


async def namespace(session: Session) -> Answer:
    """NAMESPACE (RFC 2342 §5): one personal namespace."""
    session.output.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return Answer("Listed")
