"""Taking people away for good: everything that is theirs goes in one transaction, and nothing points to them after."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.directory.admin import Actor, domain_of, note, person_of
from node.store import accounts, domains, gates, held, roles
from node.store.accounts import Account
from node.store.database import Reading, Writing
from node.store.directory import aliases, delegates, groups, mirrored, quotas, reserved
from node.store.directory.quotas import Amount
from node.store.directory.reserved import FOREVER
from node.store.roles import Role

DAY = 86400
RESERVED_DAYS = 365  # unless something else is asked for


@dataclass(frozen=True, slots=True)
class Estate:
    """What somebody leaves behind.

    Attributes:
        mail: octets and messages.
        held: messages that are kept back for an administrator to decide.
        aliases, groups: addresses; groups that they are in by any of their addresses.
        shared_with: who else opens the mailbox.
    """

    account: Account
    mail: Amount
    held: int
    aliases: tuple[str, ...]
    groups: tuple[str, ...]
    shared_with: tuple[str, ...]


def estate(tx: Reading, actor: Actor, address: Address) -> Estate:
    """What would go with a person.

    Raises:
        Permanent: nobody has the address, they are not the actor's, or an owner whom only the operator takes away.
    """
    person = person_of(tx, actor, address)
    if actor.tenant is not None and roles.of_account(tx, person.id) is Role.OWNER:
        raise Permanent(f"{person.address} owns the node: only the operator takes them away")
    others = tuple(alias.address for alias in aliases.of_account(tx, person.id))
    keys = [parse_address(each).key for each in (person.address, *others)]
    return Estate(
        person,
        quotas.used(tx, person.id),
        held.count_for(tx, person.id),
        others,
        tuple(sorted({group for key in keys for group in groups.holding(tx, key)})),
        tuple(one.person.address for one in delegates.of_account(tx, person.id)),
    )


def remove_person(
    tx: Writing, actor: Actor, address: Address, *, reserve_days: int | None = RESERVED_DAYS, with_held: bool = False
) -> Estate:
    """Take a person away: mail, ways in, tokens, aliases; out of groups, shares, gates, quotas and catch-alls.

    What they sent and is still in the spool is delivered. The transparency log keeps its leaves, which say nothing of
    whose mail it was, and the audit trail its events.

    Args:
        reserve_days: how long nobody gets the address and the aliases; 0 for not at all, None for ever.
        with_held: drop what is kept back for them alone, which may be evidence.

    Raises:
        Permanent: as `estate`; or mail is kept back for them, and that was not asked for.
    """
    left = estate(tx, actor, address)
    if left.held and not with_held:
        raise Permanent(
            f"{left.held} messages are kept back for {left.account.address}: decide them (waxseal held list), "
            "or say --with-held to drop them"
        )
    domain = domain_of(tx, actor, address.domain)
    held.forget(tx, left.account.id)
    ends = FOREVER if reserve_days is None else int(time.time()) + reserve_days * DAY
    for each in (parse_address(left.account.address), *map(parse_address, left.aliases)):
        _forget(tx, each)
        if ends > time.time():
            reserved.put(tx, each.key, ends)
    accounts.remove(tx, left.account)
    details = f"{left.mail.messages} messages, {left.mail.storage} octets, {len(left.aliases)} aliases"
    note(tx, actor, "person-removed", domain, left.account.address, details)
    return left


def _forget(tx: Writing, address: Address) -> None:
    """Nothing names this address any more."""
    groups.forget_member(tx, address.key)
    aliases.remove(tx, address.key)
    quotas.remove(tx, "person", address.key)
    mirrored.remove(tx, address.key)
    for use in gates.USES:
        gates.remove(tx, use, address.key)
    for domain in domains.everything(tx):
        if domain.catch_all == address.key:
            domains.put(tx, replace(domain, catch_all=""))


def list_reserved(tx: Reading, actor: Actor) -> list[tuple[str, int]]:
    """Addresses that are kept back and that the actor may free, and until when (unix seconds)."""
    own = {domain.name for domain in domains.everything(tx, actor.tenant)}
    found = reserved.listing(tx)
    return [each for each in found if actor.tenant is None or each[0].rpartition("@")[2] in own]


def release(tx: Writing, actor: Actor, address: Address) -> None:
    """Let an address be given out again.

    Raises:
        Permanent: it is not kept back, or the domain is not the actor's.
    """
    domain = domain_of(tx, actor, address.domain)
    if not reserved.remove(tx, address.key):
        raise Permanent(f"{address} is not kept back; `waxseal account reserved` shows which addresses are")
    note(tx, actor, "address-released", domain, address.key)
