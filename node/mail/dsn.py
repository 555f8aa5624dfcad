"""Delivery status notifications: what a sender is told when a message did not arrive (RFC 3464, RFC 6522)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from node.base.address import Address
from node.mail.compose import date, one_line

MAX_RETURNED = 1 << 16  # octets of the original's header that go back
MAX_DIAGNOSTIC = 1000  # octets of what the remote side said
_LINE = 998  # octets without the line end, RFC 5322 §2.1.1


@dataclass(frozen=True, slots=True)
class Failure:
    """What became of one recipient.

    Attributes:
        recipient: the address mail could not be brought to.
        action: "failed" or "delayed" (RFC 3464 §2.3.3).
        status: enhanced status such as "5.1.1" (RFC 3463).
        diagnostic: the remote side's last reply, or our own words; hostile text.
        remote: the host that said so, "" when none did.
        last_attempt: unix seconds, 0 when there was none.
    """

    recipient: Address
    action: str
    status: str
    diagnostic: str
    remote: str = ""
    last_attempt: int = 0


@dataclass(frozen=True, slots=True)
class Notification:
    """All that a notification says.

    Attributes:
        host: our own name.
        sender: whom it goes to: the envelope sender of the original. The null sender gets none (RFC 5321 §6.1).
        id: unique at this host; becomes the Message-ID.
        time, arrived: unix seconds of now and of the original's arrival.
        failures: at least one.
        original: the original's header block; the content does not go back, it may be long or harmful.
        envelope_id: the ENVID the sender gave (RFC 3461 §4.4), "" without.
    """

    host: str
    sender: Address
    id: str
    time: int
    arrived: int
    failures: tuple[Failure, ...]
    original: bytes
    envelope_id: str = ""


def notification(about: Notification) -> bytes:
    """The whole message, CRLF line ends. Send it from the null sender <>, so that it can start no loop.

    Auto-Submitted keeps vacation programs quiet (RFC 3834 §3.1.7); addresses beyond ASCII make it the
    internationalized form (RFC 6533).
    """
    wide = not all(str(address).isascii() for address in (about.sender, *(each.recipient for each in about.failures)))
    original = _header_copy(about.original)
    human = _human(about)
    status = _status(about, wide=wide)
    boundary = _boundary(human, status, original)
    global_or_plain = ("global-delivery-status", "global-headers") if wide else ("delivery-status", "rfc822-headers")
    status_type, copy_type = f"message/{global_or_plain[0]}", f"{'message' if wide else 'text'}/{global_or_plain[1]}"
    delayed = all(each.action == "delayed" for each in about.failures)
    head = [
        f"From: Mail Delivery System <MAILER-DAEMON@{one_line(about.host)}>",
        f"To: <{one_line(str(about.sender))}>",
        f"Subject: {'Delayed mail, still being tried' if delayed else 'Undelivered mail returned to sender'}",
        f"Date: {date(about.time)}",
        f"Message-ID: <{one_line(about.id)}@{one_line(about.host)}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
    ]
    parts = [("text/plain; charset=utf-8", human), (status_type, status), (copy_type, original)]
    body = b"".join(_part(boundary, kind, content) for kind, content in parts)
    return "\r\n".join([*head, "", ""]).encode() + body + f"--{boundary}--\r\n".encode()


def _part(boundary: str, kind: str, content: bytes) -> bytes:
    encoding = "7bit" if content.isascii() else "8bit"
    head = f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _human(about: Notification) -> bytes:
    delayed = all(each.action == "delayed" for each in about.failures)
    opening = (
        "Your message has not been delivered yet. This host keeps trying; you need do nothing."
        if delayed
        else "Your message could not be delivered to the people named below, and this host has given up."
    )
    lines = [f"This is the mail system at {one_line(about.host)}.", "", opening, ""]
    for each in about.failures:
        where = f"{one_line(each.remote)} said" if each.remote else "reason"
        lines += [f"  <{one_line(str(each.recipient))}>", f"    {where}: {_diagnostic(each.diagnostic)}", ""]
    return _text(lines)


def _status(about: Notification, *, wide: bool) -> bytes:
    """The machine's part: one block about the message, one for each recipient (RFC 3464 §2.1)."""
    kind = "utf-8" if wide else "rfc822"  # RFC 6533 §3
    lines = [f"Reporting-MTA: dns; {one_line(about.host)}"]
    if about.envelope_id:
        lines.append(f"Original-Envelope-Id: {one_line(about.envelope_id)}")
    lines.append(f"Arrival-Date: {date(about.arrived)}")
    for each in about.failures:
        lines += [
            "",
            f"Final-Recipient: {kind}; {one_line(str(each.recipient))}",
            f"Action: {each.action}",
            f"Status: {each.status}",
        ]
        if each.remote:
            lines.append(f"Remote-MTA: dns; {one_line(each.remote)}")
            lines.append(f"Diagnostic-Code: smtp; {_diagnostic(each.diagnostic)}")
        else:
            lines.append(f"Diagnostic-Code: x-waxseal; {_diagnostic(each.diagnostic)}")
        if each.last_attempt:
            lines.append(f"Last-Attempt-Date: {date(each.last_attempt)}")
    return _text(lines)


def _text(lines: Sequence[str]) -> bytes:
    return b"".join(line.encode("utf-8", "replace")[:_LINE] + b"\r\n" for line in lines)


def _diagnostic(text: str) -> str:
    """A remote side's words on one line."""
    return one_line(" ".join(text.split()))[:MAX_DIAGNOSTIC] or "no reason given"


def _header_copy(header: bytes) -> bytes:
    """The original's header with clean line ends, cut at a line when it is very long."""
    header = header[: MAX_RETURNED + 1]
    if len(header) > MAX_RETURNED:
        header = header[: header.rfind(b"\n") + 1]
    lines = header.replace(b"\0", b"").splitlines()
    return b"".join(line[:_LINE] + b"\r\n" for line in lines if line)


def _boundary(*contents: bytes) -> str:
    """A delimiter that stands in none of the contents; found by their hash, so a sender cannot prepare for it."""
    digest = hashlib.sha256(b"\0".join(contents)).hexdigest()
    while any(digest.encode() in content for content in contents):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return f"=_{digest[:40]}"
