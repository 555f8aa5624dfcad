"""Sign in with any chain's wallet: the text it shows and signs, built and read strictly (CAIP-122).

What differs from chain to chain is a `Form`: Ethereum's is EIP-4361 (`identity.eip4361`), Solana's stands here. One
difference to the standards' grammar, on the strict side: what a safe login needs is mandatory here (statement,
expiration time), and parts that only help an attacker are refused (user information in the domain).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from identity import solana
from identity.refusal import Reason, Refusal

MAX_LENGTH = 4096  # characters of the whole message
MAX_RESOURCES = 32
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


@dataclass(frozen=True, slots=True)
class Form:
    """What is peculiar to one kind of chain.

    Attributes:
        name: how the message calls the account, for example "Ethereum".
        standard: named in refusals.
        address, chain_id: regular expressions for these fields, without groups.
    """

    name: str
    standard: str
    address: str
    chain_id: str
    grammar: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grammar", _grammar(self.name, self.address, self.chain_id))


def _grammar(name: str, address: str, chain_id: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
        (?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY})\ wants\ you\ to\ sign\ in\ with\ your\ {name}\ account:\n
        (?P<address>{address})\n
        \n
        (?P<statement>[A-Za-z0-9\-._~:/?\#\[\]@!$&'()*+,;=\ ]+)\n
        \n
        URI:\ (?P<uri>{_URI})\n
        Version:\ (?P<version>1)\n
        Chain\ ID:\ (?P<chain_id>{chain_id})\n
        Nonce:\ (?P<nonce>[A-Za-z0-9]{{8,128}})\n
        Issued\ At:\ (?P<issued_at>{_TIME})\n
        Expiration\ Time:\ (?P<expires>{_TIME})
        (?:\nNot\ Before:\ (?P<not_before>{_TIME}))?
        (?:\nRequest\ ID:\ (?P<request_id>{_PCHAR}*))?
        (?P<resources>\nResources:(?:\n-\ {_URI})*)?
        \Z""",
        re.VERBOSE | re.ASCII,
    )


# Phantom's message format (github.com/phantom/sign-in-with-solana) has chains by name, the namespace's profile of
# CAIP-122 anything: "mainnet", "solana:mainnet", the start of the genesis block's hash.
SOLANA = Form("Solana", "Sign In With Solana", r"[1-9A-HJ-NP-Za-km-z]{32,44}", r"[A-Za-z0-9:_\-]{1,64}")


@dataclass(frozen=True, slots=True)
class Message:
    """One sign-in message.

    Attributes:
        domain: authority that asks, for example "mail.example.org:8443".
        address: as the chain's wallets write it.
        statement: one line of ASCII for the person.
        uri: the resource that is logged in to.
        chain_id: the chain the session is bound to, as the chain's wallets write it.
        nonce: at least 8 letters and digits.
        issued_at, expires, not_before: aware, to the microsecond.
        scheme: "" or the one that stands before the domain.
        request_id, resources: None when the field is absent, which differs from empty.
    """

    domain: str
    address: str
    statement: str
    uri: str
    chain_id: str
    nonce: str
    issued_at: datetime
    expires: datetime
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str = ""


def is_of(text: str, form: Form) -> bool:
    """Whether the first line names this kind of account; the rest may still be anything."""
    return text[:MAX_LENGTH].partition("\n")[0].endswith(f" wants you to sign in with your {form.name} account:")


def parse(text: str, form: Form = SOLANA) -> Message | Refusal:
    """Read a sign-in message exactly as the grammar has it: no trimming, no guessing, no reordering."""
    if len(text) > MAX_LENGTH:
        return Refusal(Reason.TOO_LONG, f"the message is longer than {MAX_LENGTH} characters")
    match = form.grammar.match(text)
    if match is None:
        words = f"the message does not follow {form.standard} with statement and expiration time"
        return Refusal(Reason.MALFORMED, words)
    resources = None if match["resources"] is None else tuple(match["resources"].split("\n- ")[1:])
    if resources is not None and len(resources) > MAX_RESOURCES:
        return Refusal(Reason.TOO_LONG, f"the message lists more than {MAX_RESOURCES} resources")
    try:
        issued_at, expires = _read_time(match["issued_at"]), _read_time(match["expires"])
        not_before = None if match["not_before"] is None else _read_time(match["not_before"])
    except (ValueError, OverflowError):
        return Refusal(Reason.MALFORMED, "a time in the message does not exist in the calendar")
    return Message(
        domain=match["domain"],
        address=match["address"],
        statement=match["statement"],
        uri=match["uri"],
        chain_id=match["chain_id"],
        nonce=match["nonce"],
        issued_at=issued_at,
        expires=expires,
        not_before=not_before,
        request_id=match["request_id"],
        resources=resources,
        scheme=match["scheme"] or "",
    )


def build(message: Message, form: Form = SOLANA) -> str:
    """Write a sign-in message as the wallet is to show it.

    Raises:
        ValueError: a field holds what the grammar does not allow. Checked by reading the result back, so that a
            line break in a statement can never forge the fields below it.
    """
    prefix = f"{message.scheme}://" if message.scheme else ""
    lines = [
        f"{prefix}{message.domain} wants you to sign in with your {form.name} account:",
        message.address,
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
    if (read := parse(text, form)) != message:
        raise ValueError(read.words if isinstance(read, Refusal) else "a field spills over into another")
    return text


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a message must say to log in here, now.

    Attributes:
        domain, uri: ours, compared letter for letter.
        chain_ids: those we accept, in the message's own type.
        nonce: the one handed to this browser.
        lifetime: longest time between issue and expiry.
        statement: compared letter for letter; None where anything may be signed for.
    """

    domain: str
    uri: str
    chain_ids: Collection[int] | Collection[str]
    nonce: str
    lifetime: timedelta = timedelta(minutes=10)
    statement: str | None = None


class SignIn(Protocol):
    """What every chain's message says, whatever the type of its address and chain."""

    @property
    def domain(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def chain_id(self) -> int | str: ...
    @property
    def nonce(self) -> str: ...
    @property
    def issued_at(self) -> datetime: ...
    @property
    def expires(self) -> datetime: ...
    @property
    def not_before(self) -> datetime | None: ...


def judge(message: SignIn, expected: Expectation, now: datetime) -> Refusal | None:
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


def _judge_times(message: SignIn, expected: Expectation, now: datetime) -> Refusal | None:
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
    """Decide whether a message signed by a Solana wallet logs its address in.

    1. The text follows the grammar, its address is a key. 2. It was written for us, for this browser, for now.
    3. The key it names signed these very octets.
    """
    message = parse(text)  # 1
    if isinstance(message, Refusal):
        return message
    key = solana.parse_address(message.address)
    if isinstance(key, Refusal):
        return key
    refusal = judge(message, expected, now)  # 2
    if refusal is None:
        refusal = solana.verify(text.encode("utf-8"), signature, key)  # 3: over the text as it came
    return refusal or message


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
