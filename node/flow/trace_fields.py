"""The header fields a message gets on its way in: where it came from, what was thought of it, what it lacked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from email.utils import formatdate

from node.flow.reception import Session, Transaction
from node.mail.compose import Trace, fold, received, return_path
from node.mail.headers import fields
from node.mailauth import authres
from node.mailauth.result import MethodResult


def trace_header(
    host: str,
    session: Session,
    transaction: Transaction,
    verdict: str = "",
    results: Sequence[MethodResult] = (),
) -> bytes:
    """Return-Path, our verdict, what authentication found, and Received, in that order (RFC 5321 §4.4, RFC 8601 §5)."""
    tls = f"{session.tls.version} {session.tls.cipher}" if session.tls else ""
    alone = transaction.recipients[0] if len(transaction.recipients) == 1 else None
    trace = Trace(
        helo=session.helo,
        peer=session.peer[0],
        host=host,
        protocol=_protocol(session, transaction),
        id=session.id,
        time=int(time.time()),
        recipient=alone,
        tls=tls,
    )
    header = [return_path(transaction.sender)]
    if verdict:
        *others, last = verdict.split("; ")
        header.append(fold("X-Waxseal-Verdict", [*(f"{part};" for part in others), last]))
    if results:
        header.append(authres.field(host, results, utf8=transaction.smtputf8))
    header.append(received(trace))
    return b"".join(header)


def _protocol(session: Session, transaction: Transaction) -> str:
    """The registered word for how it came (RFC 3848, RFC 6531 §4.3)."""
    if not session.extended:
        return "SMTP"
    base = "UTF8SMTP" if transaction.smtputf8 else "ESMTP"
    return base + ("S" if session.tls else "") + ("A" if session.account else "")


def missing_fields(head: bytes, host: str) -> bytes:
    """Date and Message-ID for a submitted message that came without (RFC 6409 §8.1 and §8.3)."""
    present = {entry.name.lower() for entry in fields(head, 0, len(head))}
    made = b""
    if b"date" not in present:
        made += f"Date: {formatdate(time.time(), localtime=False)}\r\n".encode()
    if b"message-id" not in present:
        made += f"Message-ID: <{secrets.token_urlsafe(18)}@{host}>\r\n".encode()
    return made
