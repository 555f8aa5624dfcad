"""Names of chains and of accounts on them, the same for every kind of chain (CAIP-2, CAIP-10), read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from identity import ethereum, solana
from identity.refusal import Reason, Refusal

MAX_LENGTH = 171  # characters of a CAIP-10 id: 8, 32 and 128, and two colons
_CHAIN = re.compile(r"(?P<namespace>[-a-z0-9]{3,8}):(?P<reference>[-_a-zA-Z0-9]{1,32})\Z", re.ASCII)
_ACCOUNT = re.compile(r"(?P<chain>[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}):(?P<address>[-.%a-zA-Z0-9]{1,128})\Z", re.ASCII)
_EIP155 = re.compile(r"(?:0|[1-9][0-9]{0,31})\Z", re.ASCII)  # one spelling for a number: no leading zeros
_GENESIS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChainId:
    """A chain: `eip155` and its EIP-155 number, `solana` and the start of its genesis block's hash, or another."""

    namespace: str
    reference: str

    def __str__(self) -> str:
        return f"{self.namespace}:{self.reference}"


@dataclass(frozen=True, slots=True)
class AccountId:
    """An account on a chain; addresses of kinds we know stand in their one canonical spelling (EIP-55, base58)."""

    chain: ChainId
    address: str

    def __str__(self) -> str:
        return f"{self.chain}:{self.address}"


def parse_chain(text: str) -> ChainId | Refusal:
    """Read a CAIP-2 name, "eip155:1"."""
    match = _CHAIN.match(text[: MAX_LENGTH + 1])
    if match is None:
        return Refusal(Reason.MALFORMED, f"{text[:40]!r} is no CAIP-2 name of a chain, such as eip155:1")
    namespace, reference = match["namespace"], match["reference"]
    form = {"eip155": _EIP155, "solana": _GENESIS}.get(namespace)
    if form is not None and not form.match(reference):
        return Refusal(Reason.MALFORMED, f"{reference!r} names no chain of {namespace}")
    return ChainId(namespace, reference)


def parse_account(text: str) -> AccountId | Refusal:
    """Read a CAIP-10 id, "eip155:1:0x...".

    An address of `eip155` in one case only is taken and gets its checksum; one in mixed case must carry the right one.
    """
    match = _ACCOUNT.match(text[: MAX_LENGTH + 1])
    if match is None:
        return Refusal(Reason.MALFORMED, f"{text[:40]!r} is no CAIP-10 id of an account, such as eip155:1:0x...")
    chain = parse_chain(match["chain"])
    if isinstance(chain, Refusal):
        return chain
    address = _canonical(chain.namespace, match["address"])
    return address if isinstance(address, Refusal) else AccountId(chain, address)


def _canonical(namespace: str, address: str) -> str | Refusal:
    if namespace == "eip155":
        try:
            return ethereum.checksum_address(address)
        except ValueError as error:
            return Refusal(Reason.ADDRESS_CHECKSUM, str(error))
    if namespace == "solana":
        key = solana.parse_address(address)
        return key if isinstance(key, Refusal) else solana.format_address(key)
    return address


def wallet_subject(text: str) -> str | Refusal:
    """The name under which a wallet that somebody typed is bound to a person.

    Args:
        text: `0x...` (a key's account, the same on every chain), a CAIP-10 id of `eip155` (that, or a contract wallet:
            whose it is on one chain says nothing about another), of `solana`, or a Solana address.
    """
    text = text.strip()
    if ":" not in text:
        return _key_subject(text)
    account = parse_account(text)
    if isinstance(account, Refusal):
        return account
    match account.chain.namespace:
        case "eip155":
            return str(account).lower()
        case "solana":  # an ed25519 key is the same on every cluster
            return f"solana:{account.address}"
        case other:
            return Refusal(Reason.MALFORMED, f"wallets of {other} cannot log in: name one of eip155 or solana")


def _key_subject(text: str) -> str | Refusal:
    if 32 <= len(text) <= 44 and not text.startswith("0x"):  # only Ethereum's have a zero in them: base58 has none
        key = solana.parse_address(text)
        return key if isinstance(key, Refusal) else solana.subject(key)
    try:
        return ethereum.subject(bytes.fromhex(ethereum.checksum_address(text)[2:]))
    except ValueError as error:
        return Refusal(Reason.ADDRESS_CHECKSUM, str(error))
