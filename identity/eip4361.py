"""Sign-In with Ethereum: the text a wallet shows and signs, built and read strictly (EIP-4361).

One difference to the standard's grammar, on the strict side: what a safe login needs is mandatory here
(statement, expiration time), and parts that only help an attacker are refused (user information in the domain).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from identity import ethereum
from identity.refusal import Reason, Refusal

MAX_LENGTH = 4096  # characters of the whole message
MAX_RESOURCES = 32
MAX_CHAIN_ID = 2**53 - 1  # what a wallet's JavaScript can hold exactly
SKEW = timedelta(seconds=60)  # how far a wallet's clock may run ahead of ours

# RFC 3986 appendix A, as far as it is used here. Character classes do not overlap: no backtracking.
_PCT = "%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|{_PCT})"
_HOST = rf"(?:\[[0-9A-Fa-f:.]{{2,45}}\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|{_PCT}){{1,255}})"
_AUTHORITY = rf"{_HOST}(?::[0-9]{{1,5}})?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]{0,31}"
_URI = rf"{_SCHEME}:(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/?(?:{_PCHAR}+(?:/{_PCHAR}*)*)?)"
_URI += rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"

_MESSAGE = re.compile(
    rf"""
    (?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY})\ wants\ you\ to\ sign\ in\ with\ your\ Ethereum\ account:\n
    (?P<address>0x[0-9A-Fa-f]{{40}})\n
    \n
    (?P<statement>[A-Za-z0-9\-._~:/?\#\[\]@!$&'()*+,;=\ ]+)\n
    \n
    URI:\ (?P<uri>{_URI})\n
    Version:\ (?P<version>1)\n
    Chain\ ID:\ (?P<chain_id>[0-9]{{1,16}})\n
    Nonce:\ (?P<nonce>[A-Za-z0-9]{{8,128}})\n
    Issued\ At:\ (?P<issued_at>{_TIME})\n
    Expiration\ Time:\ (?P<expires>{_TIME})
    (?:\nNot\ Before:\ (?P<not_before>{_TIME}))?
    (?:\nRequest\ ID:\ (?P<request_id>{_PCHAR}*))?
    (?P<resources>\nResources:(?:\n-\ {_URI})*)?
    \Z""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One sign-in message.

    Attributes:
        domain: authority that asks, for example "mail.example.org:8443".
        address: 20 octets.
        statement: one line of ASCII for the person.
        uri: the resource that is logged in to.
        chain_id: EIP-155 chain the session is bound to.
        nonce: at least 8 letters and digits.
        issued_at, expires, not_before: aware, to the microsecond.
        scheme: "" or the one that stands before the domain.
        request_id, resources: None when the field is absent, which differs from empty.
    """

    domain: str
    address: bytes
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires: datetime
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str = ""


def parse(text: str) -> Message | Refusal:
    """Read a sign-in message exactly as EIP-4361's grammar has it: no trimming, no guessing, no reordering."""
    if len(text) > MAX_LENGTH:
        return Refusal(Reason.TOO_LONG, f"the message is longer than {MAX_LENGTH} characters")
    match = _MESSAGE.match(text)
    if match is None:
        return Refusal(Reason.MALFORMED, "the message does not follow EIP-4361 with statement and expiration time")
    address = ethereum.from_checksum(match["address"])
    if address is None:
        return Refusal(Reason.ADDRESS_CHECKSUM, "the address does not carry a right EIP-55 checksum")
    resources = None if match["resources"] is None else tuple(match["resources"].split("\n- ")[1:])
    if resources is not None and len(resources) > MAX_RESOURCES:
        return Refusal(Reason.TOO_LONG, f"the message lists more than {MAX_RESOURCES} resources")
    try:
        issued_at, expires = _read_time(match["issued_at"]), _read_time(match["expires"])
        not_before = None if match["not_before"] is None else _read_time(match["not_before"])
    except (ValueError, OverflowError):
        return Refusal(Reason.MALFORMED, "a time in the message does not exist in the calendar")
    chain_id = int(match["chain_id"])
    if chain_id > MAX_CHAIN_ID:
        return Refusal(Reason.MALFORMED, "the chain id is too large")
    return Message(
        domain=match["domain"],
        address=address,
        statement=match["statement"],
        uri=match["uri"],
        chain_id=chain_id,
        nonce=match["nonce"],
        issued_at=issued_at,
        expires=expires,
        not_before=not_before,
        request_id=match["request_id"],
        resources=resources,
        scheme=match["scheme"] or "",
    )


def build(message: Message) -> str:
    """Write a sign-in message as the wallet is to show it.

    Raises:
        ValueError: a field holds what the grammar does not allow. Checked by reading the result back, so that a
            line break in a statement can never forge the fields below it.
    """
    prefix = f"{message.scheme}://" if message.scheme else ""
    lines = [
        f"{prefix}{message.domain} wants you to sign in with your Ethereum account:",
        ethereum.to_checksum(message.address),
        "",
        message.statement,
        "",
        f"URI: {message.uri}",
        "Version: 1",
        f"Chain ID: {message.chain_id}",
        f"Nonce: {message.nonce}",
        f"Issued At: {_write_time(message.issued_at)}",
        f"Expiration Time: {_write_time(message.expires)}",
    ]
    if message.not_before is not None:
        lines.append(f"Not Before: {_write_time(message.not_before)}")
    if message.request_id is not None:
        lines.append(f"Request ID: {message.request_id}")
    if message.resources is not None:
        lines += ["Resources:", *(f"- {resource}" for resource in message.resources)]
    text = "\n".join(lines)
    if (read := parse(text)) != message:
        raise ValueError(read.words if isinstance(read, Refusal) else "a field spills over into another")
    return text


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a message must say to log in here, now.

    Attributes:
        domain, uri: ours, compared letter for letter.
        chain_ids: those we accept.
        nonce: the one handed to this browser.
        lifetime: longest time between issue and expiry.
        statement: compared letter for letter; None where anything may be signed for.
    """

    domain: str
    uri: str
    chain_ids: frozenset[int]
    nonce: str
    lifetime: timedelta = timedelta(minutes=10)
    statement: str | None = None


def judge(message: Message, expected: Expectation, now: datetime) -> Refusal | None:
    """Hold a message against what we expect; None when it fits. `now` is aware. The signature is another step."""
    scheme = expected.uri.partition(":")[0]
    # A message signed for another site must never open this one: that is what phishing pages relay.
    if message.domain != expected.domain or message.scheme not in ("", scheme):
        return Refusal(Reason.WRONG_DOMAIN, f"the message was written for another site than {expected.domain}")
    if message.uri != expected.uri:
        return Refusal(Reason.WRONG_URI, f"the message was written for another address than {expected.uri}")
    if expected.statement is not None and message.statement != expected.statement:
        return Refusal(Reason.WRONG_STATEMENT, "the message was signed for something else")
    if message.chain_id not in expected.chain_ids:
        return Refusal(Reason.WRONG_CHAIN, f"chain {message.chain_id} is not accepted here")
    if message.nonce != expected.nonce:
        return Refusal(Reason.WRONG_NONCE, "the message carries another nonce than the one handed out")
    return _judge_times(message, expected, now)


def _judge_times(message: Message, expected: Expectation, now: datetime) -> Refusal | None:
    if message.issued_at > now + SKEW:
        return Refusal(Reason.ISSUED_IN_FUTURE, "the message is dated in the future; check the clock of this device")
    if message.not_before is not None and message.not_before > now + SKEW:
        return Refusal(Reason.NOT_YET_VALID, "the message is not valid yet")
    if message.expires <= now:
        return Refusal(Reason.EXPIRED, "the message has expired; ask for a new one")
    if message.expires - message.issued_at > expected.lifetime:
        return Refusal(Reason.LIFETIME_TOO_LONG, "the message would be valid for too long")
    return None


def verify(text: str, signature: bytes, expected: Expectation, now: datetime) -> Message | Refusal:
    """Decide whether a signed message logs its address in.

    1. The text follows the grammar. 2. It was written for us, for this browser, for now.
    3. The address it names signed these very octets.
    """
    message = parse(text)  # 1
    if isinstance(message, Refusal):
        return message
    refusal = judge(message, expected, now)  # 2
    if refusal is not None:
        return refusal
    signer = ethereum.recover(
        text.encode("utf-8"), signature
    )  # 3: over the text as it came, never as we would write it
    if isinstance(signer, Refusal):
        return signer
    if signer != message.address:
        return Refusal(Reason.WRONG_SIGNER, "the signature is not by the address in the message")
    return message


def _read_time(text: str) -> datetime:
    """RFC 3339 §5.6; digits beyond the microsecond are dropped, a leap second is refused."""
    head, fraction, offset = re.fullmatch(r"(.{19})(?:\.(\d+))?(.+)", text.upper(), re.ASCII).groups()  # type: ignore[union-attr]
    if offset[1:3] > "23" and offset != "Z":
        raise ValueError("offset of a day or more")
    micro = (fraction or "0").ljust(6, "0")[:6]
    return datetime.fromisoformat(f"{head}.{micro}{offset}").astimezone(UTC)


def _write_time(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return text.removesuffix(".000000") + "Z"
