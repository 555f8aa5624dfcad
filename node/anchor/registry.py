"""The contract `Registry` (contracts/Registry.sol) as functions: which key signs a log, on whose word, and when it did.

A registration is a claim: "the log of this origin is mine, and this key signs it", made by an account. Whoever has the
account from a source he trusts (the domain's DNS, see `domain_word`) knows the log's keys, all of them, and from which
block to which each was in force. Without that the registry only says who was the first to claim the origin.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from eth_hash.auto import keccak

from node.anchor.artifact import NoContract, load
from node.base.errors import Permanent, Temporary
from node.net.chain import abi
from node.net.chain.abi import AbiError
from node.net.chain.interface import Chain, Reverted, TxResult

CONTRACT = load("Registry")
ADDRESS = CONTRACT.address  # on every chain with the deterministic deployment proxy

REGISTER = abi.selector("register(string,bytes32)")
ROTATE = abi.selector("rotate(address,bytes32,bytes32,bytes32)")
REVOKE = abi.selector("revoke(address,bytes32,bytes32)")
OFFER = abi.selector("offer(address,bytes32,address)")
ACCEPT = abi.selector("accept(address,bytes32)")
FIRST = abi.selector("first(bytes32)")
LINE = abi.selector("line(address,bytes32)")
HISTORY = abi.selector("history(address,bytes32,bytes32,uint256)")

ERRORS = (
    "AlreadyRegistered()",
    "NotOwner(address)",
    "NotOffered(address)",
    "NotNewest(bytes32)",
    "NotInForce(bytes32)",
    "UnusableKey(bytes32)",
    "UnusableOrigin(uint256)",
)

NONE = bytes(32)
MAX_ORIGIN = 255  # octets
PAGE = 100  # keys a call: the embedded chain's gas is enough for twice as many
MAX_KEYS = 2000  # a weekly rotation for 38 years


class RegistryError(Permanent):
    """The registry refused; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Period:
    """A key and when it was in force.

    Attributes:
        key: Ed25519, 32 bytes.
        since: the first block.
        until: the first block in which it no longer was; None while it is.
        since_time, until_time: those blocks' times, Unix seconds.
        revoked: it ended by a revocation, not by a rotation.
    """

    key: bytes
    since: int
    until: int | None
    since_time: int
    until_time: int | None
    revoked: bool

    def covers(self, block: int) -> bool:
        """Whether it was in force in that block, that is in the state after it."""
        return self.since <= block and (self.until is None or block < self.until)


@dataclass(frozen=True, slots=True)
class Registration:
    """What an account has registered for a log, seen from one block.

    Attributes:
        origin: the log's name.
        account: who registered it, EIP-55; with the origin it names the registration for good.
        owner: who may change it now; the account, unless it was handed over.
        key: the key in force in the block that was asked for, 32 bytes; b"" when there was none.
        since: that key's first block; 0 when there is no key.
        until: the first block in which it no longer was in force; None while it is, or when there is no key.
        periods: all keys ever, newest first, whatever block was asked for.
    """

    origin: str
    account: str
    owner: str
    key: bytes
    since: int
    until: int | None
    periods: tuple[Period, ...]

    @property
    def newest(self) -> Period:
        """The last key of the line, in force or not."""
        return self.periods[0]

    def find(self, key: bytes) -> Period | None:
        """When that key was in force; None: never."""
        return next((period for period in self.periods if period.key == key), None)


def origin_hash(origin: str) -> bytes:
    """What the contract calls an origin: the Keccak-256 of its UTF-8 octets.

    Raises:
        RegistryError: it is empty, too long, or no text for a checkpoint's first line.
    """
    data = origin.encode("utf-8", "surrogatepass")
    if not 0 < len(data) <= MAX_ORIGIN or not origin.isprintable() or any(c.isspace() or c == "+" for c in origin):
        raise RegistryError(
            f"a log's origin has 1 to {MAX_ORIGIN} octets, no spaces and no plus sign, like mx.example.org/log"
        )
    return bytes(keccak(data))


async def lookup(
    chain: Chain, contract: str, origin: str, block: int | None = None, *, account: str | None = None
) -> Registration | None:
    """What is registered for a log. Reads the newest state: old blocks' keys stand in it for good.

    Args:
        contract: `ADDRESS`, unless the chain has no deployment proxy. The code there is compared.
        origin: the log's name, like "mx.example.org/log".
        block: which block's key to give as `key`; None for the one in force now.
        account: whose registration, from a source that knows (the domain, the operator). None takes the account that
            was first to register the origin: nobody can get in before it, but it may be a squatter's.

    Returns:
        None when the account (or nobody) has registered this origin.

    Raises:
        NoContract: something else stands at the address, or nothing.
        RegistryError: the origin or account is none.
        Temporary: the chain cannot be asked, or its answers contradict each other.
    """
    name = origin_hash(origin)
    await CONTRACT.check(chain, contract)
    try:
        who = _account(account) if account else await first(chain, contract, origin)
        if who is None:
            return None
        line = await chain.call(contract, LINE + abi.address(who) + name)
        owner, _, newest = abi.words(line, 3)
        if not any(newest):
            return None
        periods = await _periods(chain, contract, who, name, newest)
        holder = abi.read_address(owner) or ""
    except (AbiError, Reverted) as error:  # the code is right, so the answer was not the contract's
        raise Temporary(f"the chain's server cannot be believed about {origin}: {error}") from None
    found = periods[0] if block is None else next((period for period in periods if period.since <= block), None)
    if found is None or not (found.until is None if block is None else found.covers(block)):
        return Registration(origin, who, holder, b"", 0, None, periods)
    return Registration(origin, who, holder, found.key, found.since, found.until, periods)


async def first(chain: Chain, contract: str, origin: str) -> str | None:
    """The account that was the first to register an origin, EIP-55; None: nobody has."""
    (who,) = abi.words(await chain.call(contract, FIRST + origin_hash(origin)), 1)
    return abi.read_address(who)


async def register(chain: Chain, contract: str, origin: str, key: bytes) -> TxResult:
    """Register the sender's first key for a log.

    Raises:
        RegistryError: the sender has registered it already, or origin or key cannot be used.
    """
    origin_hash(origin)
    return await _send(chain, contract, REGISTER + abi.number(64) + _key(key) + abi.text(origin))


async def rotate(
    chain: Chain, contract: str, origin: str, newest: bytes, key: bytes, *, account: str | None = None
) -> TxResult:
    """Put another key in force from the next block on.

    Args:
        newest: the line's newest key, in force or revoked: who has an old idea of it changes nothing.
        account: whose registration, when it was handed to the sender by another account.

    Raises:
        RegistryError: the sender may not, `newest` is out of date, or the key was used before.
    """
    return await _send(chain, contract, ROTATE + _line(chain, origin, account) + newest + _key(key))


async def revoke(chain: Chain, contract: str, origin: str, key: bytes, *, account: str | None = None) -> TxResult:
    """Take the key in force out of force from the next block on: it leaks, or the log ends.

    Raises:
        RegistryError: the sender may not, or the key is not in force.
    """
    return await _send(chain, contract, REVOKE + _line(chain, origin, account) + key)


async def offer(chain: Chain, contract: str, origin: str, to: str, *, account: str | None = None) -> TxResult:
    """Offer the registration to another account (the zero address: to nobody any more), which has to accept.

    Raises:
        RegistryError: the sender may not.
    """
    return await _send(chain, contract, OFFER + _line(chain, origin, account) + abi.address(_account(to)))


async def accept(chain: Chain, contract: str, origin: str, account: str) -> TxResult:
    """Take over the registration of `account`, which its owner offered to the sender.

    Raises:
        RegistryError: it was not offered to the sender.
    """
    return await _send(chain, contract, ACCEPT + _line(chain, origin, account))


def _line(chain: Chain, origin: str, account: str | None) -> bytes:
    return abi.address(_account(account or chain.sender or "")) + origin_hash(origin)


def _account(text: str) -> str:
    try:
        return abi.read_address(abi.address(text)) or "0x" + "0" * 40
    except ValueError:
        raise RegistryError(f"{text!r} is no account: it needs 0x and 40 hexadecimal digits") from None


def _key(key: bytes) -> bytes:
    if len(key) != 32 or key == NONE:
        raise RegistryError("a log's key has 32 octets that are not all zero")
    return key


async def _send(chain: Chain, contract: str, data: bytes) -> TxResult:
    await CONTRACT.check(chain, contract)
    try:
        return await chain.send(contract, data)
    except Reverted as error:
        raise RegistryError(_refusal(error)) from None


def _refusal(error: Reverted) -> str:
    """What the contract's refusal means to the person who asked."""
    match abi.refusal(error.data, ERRORS):
        case "AlreadyRegistered", _:
            return "this account has registered that log before: rotate its key"
        case "NotOwner", [word]:
            owner = abi.read_address(word)
            return f"only {owner} may change this registration" if owner else "that log is not registered: register it"
        case "NotOffered", _:
            return "this registration was not offered to your account"
        case "NotNewest", [word]:
            return f"the newest key there is {word.hex()}: somebody changed it meanwhile; look again with `show`"
        case "NotInForce", [word]:
            return f"the key {word.hex()} is not in force: it was rotated out or revoked before"
        case "UnusableKey", [word]:
            return f"the key {word.hex()} was registered before, and a key serves once: make a new one"
        case _:
            return str(error)


async def _periods(chain: Chain, contract: str, account: str, name: bytes, newest: bytes) -> tuple[Period, ...]:
    """All keys of a line, newest first, page by page; each page begins with the last key of the one before."""
    question = HISTORY + abi.address(account) + name
    found: list[Period] = []
    start = NONE
    while True:
        answer = await chain.call(contract, question + start + abi.number(PAGE))
        page = [_period(row) for row in abi.rows(answer, 6, PAGE)]
        if start != NONE and (not page or page[0].key != start):
            raise AbiError("the pages of the key's history do not fit together")
        found += page if start == NONE else page[1:]
        if len(page) < PAGE:
            break
        if len(found) > MAX_KEYS:
            raise NoContract(f"{account} has registered more than {MAX_KEYS} keys for one log: nobody can follow that")
        start = page[-1].key
    _check(found, newest)
    return tuple(found)


def _period(row: list[bytes]) -> Period:
    since, until, since_time, until_time = (abi.read_number(word, 48) for word in row[1:5])
    revoked = abi.read_number(row[5], 1)
    return Period(row[0], since, until or None, since_time, until_time if until else None, bool(revoked))


def _check(periods: list[Period], newest: bytes) -> None:
    """The rules that the contract keeps; a server that tells of anything else lies, or the chain moved meanwhile."""
    if not periods or periods[0].key != newest:
        raise AbiError("the newest key is not the first of the history")
    if len({period.key for period in periods}) != len(periods) or any(period.key == NONE for period in periods):
        raise AbiError("a key stands in the history twice, or is zero")
    for period in periods:
        if not period.since or (period.until is not None and period.until < period.since):
            raise AbiError("a key ends before it begins")
        if period.revoked and period.until is None:
            raise AbiError("a key is revoked and in force")
    for later, earlier in itertools.pairwise(periods):
        if earlier.until is None or earlier.until > later.since:
            raise AbiError("two keys are in force at once")
