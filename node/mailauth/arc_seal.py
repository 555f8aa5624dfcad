"""Sealing: a forwarder's own set on a message's ARC chain (RFC 8617 §5.1)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from node.mail.compose import one_line
from node.mailauth.arc import AAR, AMS, AS, MAX_SETS, ArcResult, arc_sets, relaxed
from node.mailauth.canonical import BodyHash, HeaderField
from node.mailauth.dkim_sign import SIGNED, SigningKey, choose, sealed_field
from node.mailauth.dkim_tags import without_space
from node.mailauth.result import Result

# Sealed where they are there. No over-signing: the next forwarder may rightly add any of them.
MESSAGE = (
    b"from",
    b"reply-to",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"dkim-signature",
    *SIGNED,
)


def seal(
    fields: Sequence[HeaderField], body: BodyHash, found: ArcResult, results: str, key: SigningKey, *, now: int
) -> bytes:
    """The three fields to put before a message that is forwarded; b"" where none may be added.

    Call it last of all, on the message as it leaves; `found` is what the chain came to as it arrived.

    Args:
        fields: the message's header.
        body: of the form `dkim_sign.BODY`.
        results: what Authentication-Results says, from the authserv-id on; on one line.
        now: unix seconds.
    """
    number, status = _next(fields, found)
    if not status:
        return b""
    names = [name for name in MESSAGE for one in fields if one.name == name]
    shared = [("i", str(number)), ("a", key.algorithm), ("d", key.domain), ("s", key.selector), ("t", str(now))]
    body_tags = [
        ("c", "relaxed/relaxed"),
        ("h", b":".join(names).decode("ascii")),
        ("bh", b64encode(body.digest).decode()),
    ]
    message = sealed_field(b"ARC-Message-Signature", [*shared, *body_tags, ("b", "")], key, choose(fields, names))
    said = b"ARC-Authentication-Results: i=%d; %s\r\n" % (number, one_line(results).encode())
    # Nothing can be said of a broken chain, so its seal covers the own set alone (§5.1.2).
    before = [] if status == "fail" else [one for arc_set in arc_sets(fields) for one in arc_set.fields]
    own = (HeaderField(AAR, said), HeaderField(AMS, message))
    covered = b"".join(map(relaxed, [*before, *own]))
    return sealed_field(b"ARC-Seal", [*shared, ("cv", status), ("b", "")], key, covered) + message + said


def _next(fields: Sequence[HeaderField], found: ArcResult) -> tuple[int, str]:
    """The number of the own set and the chain's state for `cv=`; "" where the chain has to stay as it is."""
    if found.result is Result.NONE:
        return 1, "none"
    if found.length >= MAX_SETS or found.result not in {Result.PASS, Result.FAIL}:
        return 0, ""
    if found.result is Result.FAIL and _is_given_up(fields):
        return 0, ""
    return found.length + 1, str(found.result)


def _is_given_up(fields: Sequence[HeaderField]) -> bool:
    """Whether an earlier hand said already that the chain is broken: once is enough (§5.1.2)."""
    return any(one.name == AS and b"cv=fail" in without_space(one.value) for one in fields)
