"""The same interface for what reaches people or lets them in: aliases, groups, shared mailboxes, quotas."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from node.base.address import Address, normalize_domain, parse_address
from node.base.errors import Permanent
from node.directory.admin import (
    Actor,
    domain_of,
    free,
    insist_on_somebody,
    insist_on_tenant,
    note,
    person_of,
)
from node.directory.resolve import MAX_DEPTH, MAX_READERS
from node.store import accounts, domains, security_events
from node.store.accounts import Account
from node.store.database import Reading, Writing
from node.store.directory import aliases, delegates, groups, quotas
from node.store.directory.aliases import Alias
from node.store.directory.groups import Group, Member
from node.store.directory.quotas import Amount, Quota, Use
from node.store.security_events import SecurityEvent

MAX_ALIASES = 500  # of an account


def _event(tx: Writing, actor: Actor, account: Account, kind: str, details: str) -> None:
    """What the person concerned is to see among their security events."""
    security_events.add(tx, account.id, SecurityEvent(int(time.time()), kind, details=f"{details} by {actor.name}"))


def _is_theirs(tx: Reading, actor: Actor, address: str) -> bool:
    if actor.tenant is None:
        return True
    domain = domains.get(tx, parse_address(address).domain)
    return domain is not None and domain.tenant == actor.tenant


# --- aliases ----------------------------------------------------------------------------------------------------------


def list_aliases(tx: Reading, actor: Actor) -> list[Alias]:
    """The aliases that the actor may touch, in order."""
    return [alias for alias in aliases.listing(tx) if _is_theirs(tx, actor, alias.address)]


def add_alias(tx: Writing, actor: Actor, address: Address, owner: Address, *, may_send: bool = True) -> Alias:
    """Give a person another address.

    Raises:
        Permanent: it is somebody's already, the domain or the person is not the actor's, or of two tenants.
    """
    domain = free(tx, actor, address)
    insist_on_tenant(tx, owner, domain)
    person = person_of(tx, actor, owner)
    if len(aliases.of_account(tx, person.id)) >= MAX_ALIASES:
        raise Permanent(f"{person.address} has {MAX_ALIASES} aliases; remove one first, or set a catch-all")
    aliases.add(tx, address, person.id, may_send=may_send)
    note(tx, actor, "alias-added", domain, str(address), f"{person.address}{' sends' if may_send else ''}")
    _event(tx, actor, person, "alias-added", str(address))
    return Alias(str(address), person, may_send)


def remove_alias(tx: Writing, actor: Actor, address: Address) -> None:
    """Take an alias away, out of groups too.

    Raises:
        Permanent: there is none, or it is not the actor's.
    """
    found = aliases.find(tx, address.key)
    if found is None or not _is_theirs(tx, actor, found.address):
        raise Permanent(f"{address} is no alias; `waxseal alias list` shows which there are")
    aliases.remove(tx, address.key)
    _forget(tx, address)
    note(tx, actor, "alias-removed", domains.get(tx, address.domain), found.address, found.account.address)
    _event(tx, actor, found.account, "alias-removed", found.address)


def _forget(tx: Writing, address: Address) -> None:
    """Nothing points to an address any more that is nobody's now."""
    groups.forget_member(tx, address.key)
    for domain in domains.everything(tx):
        if domain.catch_all == address.key:
            domains.put(tx, domains.Domain(domain.name, domain.separator, domain.tag_folders, "", domain.tenant))


# --- groups -----------------------------------------------------------------------------------------------------------


def list_groups(tx: Reading, actor: Actor) -> list[tuple[Group, list[Member]]]:
    """The groups that the actor may touch, with their members."""
    found = [group for group in groups.listing(tx) if _is_theirs(tx, actor, group.address)]
    return [(group, groups.members(tx, group.key, MAX_READERS)) for group in found]


def add_group(tx: Writing, actor: Actor, address: Address, name: str = "", *, inside: bool = False) -> Group:
    """Make a group without members.

    Raises:
        Permanent: the address is somebody's already, or the domain is not the actor's.
    """
    domain = free(tx, actor, address)
    groups.add(tx, address, name, inside=inside)
    note(tx, actor, "group-added", domain, str(address), "inside" if inside else "")
    return Group(address.key, str(address), name, inside)


def _group_of(tx: Reading, actor: Actor, address: Address) -> Group:
    found = groups.find(tx, address.key)
    if found is None or not _is_theirs(tx, actor, found.address):
        raise Permanent(f"{address} is no group; first: waxseal group add {address}")
    return found


def remove_group(tx: Writing, actor: Actor, address: Address) -> None:
    """Take a group away, out of others too.

    Raises:
        Permanent: there is none, or it is not the actor's.
    """
    found = _group_of(tx, actor, address)
    groups.remove(tx, found.key)
    _forget(tx, address)
    note(tx, actor, "group-removed", domains.get(tx, address.domain), found.address)


def put_member(tx: Writing, actor: Actor, group: Address, member: Address, *, may_send: bool = False) -> None:
    """Add a person, an alias or a group to a group, or change what they may.

    Raises:
        Permanent: one of them is not there or of another tenant, it makes a loop, lies too deep or gets too large.
    """
    found = _group_of(tx, actor, group)
    domain = domain_of(tx, actor, group.domain)
    insist_on_somebody(tx, member)
    insist_on_tenant(tx, member, domain)
    if groups.count(tx, found.key) >= MAX_READERS:
        raise Permanent(f"{group} has {MAX_READERS} members: make groups of it, and name these as members")
    if groups.find(tx, member.key) is not None:
        if found.key in _below(tx, member.key):
            raise Permanent(f"{member} holds {group} already, or is it: mail would go round for ever")
        if _levels(member.key, partial(_inner, tx)) + _levels(found.key, partial(groups.holding, tx)) > MAX_DEPTH:
            raise Permanent(f"groups lie in one another at most {MAX_DEPTH} deep")
    groups.put_member(tx, found.key, member, may_send=may_send)
    if len(_people(tx, found.key)) > MAX_READERS:
        raise Permanent(f"{group} would reach more than {MAX_READERS} people")
    note(tx, actor, "member-added", domain, found.address, f"{member}{' sends' if may_send else ''}")


def remove_member(tx: Writing, actor: Actor, group: Address, member: Address) -> None:
    """Take a member out of a group.

    Raises:
        Permanent: they are none.
    """
    found = _group_of(tx, actor, group)
    if not groups.remove_member(tx, found.key, member.key):
        raise Permanent(f"{member} is no member of {group}; `waxseal group list` shows who is")
    note(tx, actor, "member-removed", domains.get(tx, group.domain), found.address, str(member))


def _inner(tx: Reading, key: str) -> list[str]:
    """The groups among a group's members."""
    return [member.key for member in groups.members(tx, key, MAX_READERS) if groups.find(tx, member.key) is not None]


def _below(tx: Reading, key: str) -> set[str]:
    """The group and all groups in it."""
    found, waiting = {key}, [key]
    while waiting:
        new = set(_inner(tx, waiting.pop())) - found
        found |= new
        waiting += new
    return found


def _people(tx: Reading, key: str) -> set[str]:
    return {
        member.key
        for group in _below(tx, key)
        for member in groups.members(tx, group, MAX_READERS)
        if groups.find(tx, member.key) is None
    }


def _levels(start: str, further: Callable[[str], Iterable[str]]) -> int:
    """How many groups lie one in another from this one on, itself counted; no more than are asked about."""
    count, level = 0, {start}
    while level and count <= MAX_DEPTH:
        count += 1
        level = {key for one in level for key in further(one)}
    return count


# --- shared mailboxes -------------------------------------------------------------------------------------------------


def share(tx: Writing, actor: Actor, mailbox: Address, person: Address, *, may_send: bool = False) -> None:
    """Let a person open another's mailbox with their own app passwords; with `may_send`, send as it, too.

    Raises:
        Permanent: one of them has no account, they are the same, or of two tenants.
    """
    shared, who = person_of(tx, actor, mailbox), person_of(tx, actor, person)
    if shared.id == who.id:
        raise Permanent(f"{mailbox} is {person}'s own")
    domain = domain_of(tx, actor, mailbox.domain)
    insist_on_tenant(tx, person, domain)
    delegates.put(tx, shared.id, who.id, may_send=may_send)
    rights = "reads and sends" if may_send else "reads"
    note(tx, actor, "shared", domain, shared.address, f"{who.address} {rights}")
    _event(tx, actor, shared, "mailbox-shared", f"{who.address} {rights}")
    _event(tx, actor, who, "mailbox-shared", f"{shared.address} {rights}")


def unshare(tx: Writing, actor: Actor, mailbox: Address, person: Address) -> None:
    """End that; open sessions end soon after.

    Raises:
        Permanent: it was not shared with them.
    """
    shared, who = person_of(tx, actor, mailbox), person_of(tx, actor, person)
    if not delegates.remove(tx, shared.id, who.id):
        raise Permanent(f"{mailbox} is not shared with {person}; `waxseal account shares {mailbox}` shows with whom")
    note(tx, actor, "unshared", domains.get(tx, mailbox.domain), shared.address, who.address)
    _event(tx, actor, shared, "mailbox-unshared", who.address)
    _event(tx, actor, who, "mailbox-unshared", shared.address)


# --- quotas -----------------------------------------------------------------------------------------------------------


def list_quotas(tx: Reading, actor: Actor) -> list[Quota]:
    """The quotas that concern what the actor may touch."""
    return [one for one in quotas.listing(tx) if _is_theirs(tx, actor, f"x@{one.target.rpartition('@')[2]}")]


def set_quota(tx: Writing, actor: Actor, target: str, limit: Amount, *, each: bool = False) -> None:
    """Limit a person (an address), a domain's people together (a domain), or each of them (a domain, `each`).

    A limit of 0 and 0 takes the quota away.

    Raises:
        AddressError: the target is neither an address nor a domain.
        Permanent: it is not there or not the actor's; or a tenant's administrator asks for more room for the whole.
    """
    use, key = _quota_target(tx, actor, target, each)
    if use == "domain" and actor.tenant is not None:
        raise Permanent("only the operator sets how much a whole domain may hold: ask for it")
    if min(limit) < 0:
        raise Permanent("a quota is 0 or more")
    if any(limit):
        quotas.put(tx, use, key, limit)
    elif not quotas.remove(tx, use, key):
        raise Permanent(f"{target} has no quota of its own; `waxseal quota show` shows all")
    domain = domains.get(tx, key.rpartition("@")[2])
    note(tx, actor, "quota-set", domain, key, f"{use} {limit.storage} octets, {limit.messages} messages")
    if use == "person" and (account := accounts.by_key(tx, key)):
        _event(tx, actor, account, "quota-set", f"{limit.storage} octets, {limit.messages} messages")


def _quota_target(tx: Reading, actor: Actor, target: str, each: bool) -> tuple[Use, str]:
    if "@" not in target:
        name = domain_of(tx, actor, normalize_domain(target)).name
        return ("each" if each else "domain"), name
    if each:
        raise Permanent("--each is for a domain: it limits everybody in it")
    address = parse_address(target)
    person_of(tx, actor, address)
    return "person", address.key
