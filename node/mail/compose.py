"""The header fields this node adds to mail. Whatever a peer claims, nothing it says can add a field or a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from node.base.address import Address

MAX_LINE = 78  # octets we fold at, RFC 5322 §2.1.1
MAX_CLAIM = 255  # octets of a name a peer claims

_ATOM_TEXT = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_PRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Trace:
    """How a message came here.

    Attributes:
        helo: the name the peer gave, as it gave it; hostile until proven otherwise.
        peer: the peer's IP address.
        peer_name: its verified reverse name, "" when there is none.
        host: our own name.
        protocol: "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "UTF8SMTPS" ... (RFC 3848, RFC 6531 §4.3).
        id: this node's id of the transaction.
        recipient: the one recipient, or None when there are several: one must not learn of another (RFC 5321 §7.2).
        tls: version and cipher such as "TLSv1.3 TLS_AES_256_GCM_SHA384", "" without.
        time: unix seconds.
    """

    helo: str
    peer: str
    host: str
    protocol: str
    id: str
    time: int
    peer_name: str = ""
    recipient: Address | None = None
    tls: str = ""


def received(trace: Trace) -> bytes:
    """The Received field of a message just accepted, folded, with its line end (RFC 5321 §4.4)."""
    literal = f"[IPv6:{_atom(trace.peer)}]" if ":" in trace.peer else f"[{_atom(trace.peer)}]"
    peer_name = _atom(trace.peer_name)
    clauses = [
        f"from {_claim(trace.helo)}",
        f"({peer_name} {literal})" if peer_name else f"({literal})",
    ]
    if trace.tls:
        clauses.append(f"(using {_comment(trace.tls)})")
    clauses += [
        f"by {_atom(trace.host) or 'localhost'}",
        f"with {_atom(trace.protocol)}",
        f"id {_atom(trace.id) or '-'}",
    ]
    if trace.recipient is not None:
        clauses.append(f"for <{one_line(str(trace.recipient))}>")
    return fold("Received", clauses, f"; {date(trace.time)}")


def return_path(sender: Address | None) -> bytes:
    """The Return-Path field that final delivery adds; None is the null sender (RFC 5321 §4.4)."""
    return f"Return-Path: <{one_line(str(sender)) if sender else ''}>\r\n".encode()


def fold(name: str, words: list[str], tail: str = "") -> bytes:
    """A structured field with line ends between words where it would grow too long; never inside a word."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > MAX_LINE and len(lines[-1]) > len(name) + 1:
            lines.append("")
        lines[-1] += f" {word}"
    if tail:
        lines[-1] += tail[:1]
        lines.append(tail[1:] if tail[1:2] == " " else f" {tail[1:]}")
    return "\r\n".join([lines[0], *(f"\t{line.lstrip()}" for line in lines[1:])]).encode() + b"\r\n"


@lru_cache(maxsize=4)  # many messages a second bear the same date
def date(time: int) -> str:
    """Unix seconds as a date-time of RFC 5322 §3.3, in UTC."""
    return formatdate(time).replace("-0000", "+0000")


def one_line(text: str) -> str:
    """Text with everything that could end a line or a field gone: the attack is a header smuggled in by a name."""
    return text if text.isprintable() else "".join(character for character in text if character.isprintable())


def _claim(helo: str) -> str:
    """A HELO name as an atom; a name that is none is shown as a quoted remark behind a word of ours."""
    helo = helo[:MAX_CLAIM]
    if helo and not _ATOM_TEXT.search(helo):
        return helo
    shown = _comment(helo)
    return f"unknown (HELO {shown})" if shown else "unknown"


def _atom(text: str) -> str:
    return _ATOM_TEXT.sub("", text[:MAX_CLAIM])


def _comment(text: str) -> str:
    """Text that may stand inside a comment: parentheses and backslashes would end or escape it."""
    return _PRINTABLE.sub("?", text[:MAX_CLAIM]).translate({ord("("): "?", ord(")"): "?", ord("\\"): "?"})
