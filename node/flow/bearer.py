"""Access tokens on the submission ports: OAUTHBEARER (RFC 7628) and XOAUTH2."""

from __future__ import annotations

from identity.oauth import sasl
from node.auth.gate import Entry
from node.auth.oauth.door import TokenLogin
from node.auth.refusal import Refusal
from node.base.reply import Reply
from node.flow.reception import Session
from node.wire.smtp import SaslResponse, replies
from node.wire.smtp.sasl import challenge

_REFUSED = Reply(535, "5.7.8", "The access token is not good here; refresh it, or log in anew")  # RFC 4954 §6


async def bearer(tokens: TokenLogin, session: Session, response: SaslResponse) -> Entry | Refusal | Reply:
    """Judge a token. One that is not taken is explained in a challenge; whatever answers it ends the exchange.

    Raises:
        Temporary: the store cannot be read now.
    """
    if not response.first:  # RFC 7628 §3.2.3: ^A, or nothing for XOAUTH2
        return _REFUSED
    try:
        brought = sasl.read(response.mechanism, response.data)
    except sasl.SaslError:
        return replies.AUTH_BAD_RESPONSE
    found = await tokens.enter(brought.username, brought.token, "smtp", session.peer[0])
    if isinstance(found, Refusal) and not found.temporary and (told := tokens.challenge(found, "smtp")):
        return challenge(told)
    return found
