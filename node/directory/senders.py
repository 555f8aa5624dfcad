"""Who may send as whom: in MAIL FROM, and in the From field (RFC 6409 §6.1, §8.1)."""

from __future__ import annotations

from collections.abc import Iterable

from node.base.address import Address, parse_address
from node.directory.resolve import exact_key
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Reading
from node.store.directory import aliases, delegates, groups


def may_send_as(tx: Reading, account: Account, addresses: Iterable[Address]) -> bool:
    """True when the account may send as every one of these.

    That is: its own address, its aliases where these may send, mailboxes shared with it for sending, groups whose
    member it is with that right; and each of these with a tag.
    """
    return all(_is_granted(tx, account, exact_key(tx, address)) for address in addresses)


def _is_granted(tx: Reading, account: Account, key: str) -> bool:
    other = accounts.by_key(tx, key)
    if other is not None:
        return other.id == account.id or delegates.may_send(tx, other.id, account.id)
    alias = aliases.find(tx, key)
    if alias is not None:
        return alias.may_send and alias.account.id == account.id
    return any(groups.may_send(tx, key, own) for own in _names_of(tx, account))


def _names_of(tx: Reading, account: Account) -> list[str]:
    names = [account.address, *(alias.address for alias in aliases.of_account(tx, account.id))]
    return [parse_address(name).key for name in names]


def same_house(tx: Reading, one: Address, other: Address) -> bool:
    """True when both addresses are of domains of one tenant, or both of the node's own."""
    first, second = domains.get(tx, one.domain), domains.get(tx, other.domain)
    return first is not None and second is not None and first.tenant == second.tenant
