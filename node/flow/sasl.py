"""SASL exchanges of more than one step on the submission ports: SCRAM (RFC 5802, RFC 4954)."""

from __future__ import annotations

from node.auth import scram_login
from node.auth.gate import Entry
from node.auth.refusal import Refusal
from node.auth.scram_login import Passed, ScramExchange, ScramLogin
from node.base.reply import Reply
from node.flow.reception import Session
from node.wire.smtp import replies
from node.wire.smtp.sasl import challenge


def mechanisms(scram: ScramLogin | None, session: Session) -> tuple[str, ...]:
    """What this connection offers beside PLAIN and LOGIN, the best first."""
    return () if scram is None else scram_login.mechanisms(session.bindings)


async def converse(
    scram: ScramLogin, session: Session, mechanism: str, data: bytes, *, first: bool
) -> Entry | Refusal | Reply:
    """Take one response of the client: a 334 goes on; an entry, a refusal, or another reply ends the exchange.

    Args:
        first: the client has begun anew.

    Raises:
        Temporary: the store cannot be read now.
    """
    under_way, session.exchange = None if first else session.exchange, None
    match under_way:
        case None:
            begun = await scram.begin(mechanism, data, "smtp", session.peer[0], session.bindings)
            if isinstance(begun, Refusal):
                return begun
            session.exchange = begun
            return challenge(begun.challenge)
        case ScramExchange():
            passed = await under_way.finish(data)
            if isinstance(passed, Refusal):
                return passed
            session.exchange = passed
            return challenge(passed.words)
        case Passed(entry=entry):
            return replies.AUTH_BAD_RESPONSE if data else entry
