"""The one internal interface to change the directory: domains, people, tenants. Commands and every API go through it.

Each function gets a transaction and an `Actor`. A tenant's administrator sees and changes what is the tenant's alone;
what is somebody else's is told like what does not exist. Each change leaves a row in `directory_change`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from node.anchor import audit, policy
from node.base.address import Address, normalize_domain, parse_address
from node.base.errors import Permanent
from node.store import accounts, domains, part_keys, roles
from node.store.accounts import Account
from node.store.database import Reading, Writing
from node.store.directory import aliases, delegates, directory_changes, groups, quotas, reserved, tenants
from node.store.directory.directory_changes import DirectoryChange
from node.store.domains import Domain
from node.store.roles import Role

SEPARATORS = "+-_=#."
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change.

    Attributes:
        name: as changes are signed: "operator", or an address.
        tenant: the one whose domains and people they may touch; None for the whole node.
    """

    name: str
    tenant: str | None


OPERATOR = Actor("operator", None)
"""Whoever has the machine."""


def administrator(tx: Reading, account: Account, tenant: str) -> Actor:
    """An account as the administrator of a tenant.

    Raises:
        Permanent: it is none.
    """
    domain = domains.get(tx, parse_address(account.address).domain)
    if tenant not in tenants.administered_by(tx, account.id) or domain is None or domain.tenant != tenant:
        raise Permanent(f"{account.address} does not administer a tenant {tenant}")
    return Actor(account.address, tenant)


def actor_for(tx: Reading, account: Account) -> Actor | None:
    """What an account may administer by its role; None for nothing.

    An owner has the whole node. An administrator has the tenant that their own address belongs to, and nothing where
    it belongs to none: the node itself is its owner's.
    """
    role = roles.of_account(tx, account.id)
    if role is Role.OWNER:
        return Actor(account.address, None)
    domain = domains.get(tx, parse_address(account.address).domain)
    if role is not Role.ADMIN or domain is None or not domain.tenant:
        return None
    return Actor(account.address, domain.tenant)


def administers(tx: Reading, account: Account) -> Actor | None:
    """What an account may administer in any way: by its role, or because the tenant of its own domain names it."""
    actor = actor_for(tx, account)
    domain = domains.get(tx, parse_address(account.address).domain)
    if actor is None and domain and domain.tenant and domain.tenant in tenants.administered_by(tx, account.id):
        return Actor(account.address, domain.tenant)
    return actor


def note(tx: Writing, actor: Actor, kind: str, domain: Domain | None, target: str, details: str = "") -> None:  # noqa: PLR0917
    """Write a change down, in the audit trail, too; what a domain does with its mail is part of the policy."""
    tenant = domain.tenant if domain else ""
    directory_changes.add(tx, DirectoryChange(int(time.time()), actor.name, tenant, kind, target, details[:500]))
    audit.record(tx, audit.Kind(kind), actor.name, target, {"tenant": tenant, "details": details})
    if kind.startswith("domain-") or kind == "person-removed":  # whose gates went along
        policy.refresh(tx)


# --- what one may see -------------------------------------------------------------------------------------------------


def domain_of(tx: Reading, actor: Actor, name: str) -> Domain:
    """A domain that the actor may touch.

    Raises:
        AddressError: it is no domain.
        Permanent: there is none of that name, or it is not theirs.
    """
    found = domains.get(tx, normalize_domain(name))
    if found is None or actor.tenant not in {None, found.tenant}:
        raise Permanent(f"{name} is no domain of this node; first: waxseal domain add {name}")
    return found


def person_of(tx: Reading, actor: Actor, address: Address) -> Account:
    """A person that the actor may touch: their domain must be.

    Raises:
        Permanent: nobody has the address, or they are not theirs.
    """
    found = accounts.find(tx, address)
    if found is not None and actor.tenant is not None:
        domain = domains.get(tx, address.domain)
        found = found if domain and domain.tenant == actor.tenant else None
    if found is None:
        raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
    return found


def free(tx: Reading, actor: Actor, address: Address) -> Domain:
    """The domain of an address that is nobody's yet, and that the actor may give out.

    Raises:
        Permanent: it is somebody's, or the domain is not theirs.
    """
    domain = domain_of(tx, actor, address.domain)
    if accounts.find(tx, address) is not None:
        raise Permanent(f"{address} has an account already")
    if reserved.until(tx, address.key) is not None:
        raise Permanent(f"{address} is kept back; first: waxseal account release {address}")
    if aliases.find(tx, address.key) is not None:
        raise Permanent(f"{address} is an alias already; first: waxseal alias remove {address}")
    if groups.find(tx, address.key) is not None:
        raise Permanent(f"{address} is a group already; first: waxseal group remove {address}")
    return domain


def is_same_tenant(tx: Reading, address: Address, domain: Domain) -> bool:
    """True when the address's domain belongs to the same tenant."""
    other = domains.get(tx, address.domain)
    return other is not None and other.tenant == domain.tenant


def insist_on_tenant(tx: Reading, address: Address, domain: Domain) -> None:
    """Nothing crosses from one tenant to another.

    Raises:
        Permanent: this would.
    """
    if not is_same_tenant(tx, address, domain):
        raise Permanent(
            f"{address} and {domain.name} do not belong to the same tenant; `waxseal tenant list` shows whose"
        )


# --- domains ----------------------------------------------------------------------------------------------------------


def list_domains(tx: Reading, actor: Actor) -> list[Domain]:
    """The domains that the actor may touch, in order."""
    return domains.everything(tx, actor.tenant)


def add_domain(tx: Writing, actor: Actor, name: str, tenant: str = "") -> Domain:
    """Make the node host of a domain; adding it again changes nothing.

    Raises:
        AddressError: it is no domain.
        Permanent: only the operator gives domains out: whoever may add any name takes others' mail.
    """
    name = normalize_domain(name)
    if actor.tenant is not None:
        raise Permanent("only the operator adds domains: ask for it")
    present = domains.get(tx, name)
    if present is not None:
        if tenant and present.tenant != tenant:
            raise Permanent(f"{name} is there already; first: waxseal tenant give {tenant} {name}")
        return present
    if tenant:
        insist_on_a(tx, tenant)
    domains.add(tx, name)
    made = replace(Domain(name), tenant=tenant)
    domains.put(tx, made)
    note(tx, actor, "domain-added", made, name)
    return made


def change_domain(  # noqa: PLR0917
    tx: Writing,
    actor: Actor,
    name: str,
    separator: str | None = None,
    tag_folders: bool | None = None,
    catch_all: Address | None = None,
) -> Domain:
    """Change how a domain reads its addresses; what is None stays. `no_catch_all` takes a catch-all away.

    Raises:
        Permanent: the separator is none, or the catch-all is nobody's address, or another tenant's.
    """
    domain = domain_of(tx, actor, name)
    if separator is not None:
        if len(separator) > 1 or separator not in SEPARATORS:
            raise Permanent(f'a separator is one of {" ".join(SEPARATORS)}, or "" for none')
        domain = replace(domain, separator=separator)
    if tag_folders is not None:
        domain = replace(domain, tag_folders=tag_folders)
    if catch_all is not None:
        insist_on_somebody(tx, catch_all)
        insist_on_tenant(tx, catch_all, domain)
        domain = replace(domain, catch_all=catch_all.key)
    domains.put(tx, domain)
    note(tx, actor, "domain-changed", domain, domain.name, _told(domain))
    return domain


def no_catch_all(tx: Writing, actor: Actor, name: str) -> Domain:
    """Refuse what is nobody's in a domain."""
    domain = replace(domain_of(tx, actor, name), catch_all="")
    domains.put(tx, domain)
    note(tx, actor, "domain-changed", domain, domain.name, _told(domain))
    return domain


def remove_domain(tx: Writing, actor: Actor, name: str, *, with_people: bool = False) -> None:
    """Be host of a domain no longer. Its people keep the mail they have; new mail for them goes elsewhere.

    Raises:
        Permanent: it has people, and that was not asked for; or the actor is no operator.
    """
    domain = domain_of(tx, actor, name)
    if actor.tenant is not None:
        raise Permanent("only the operator removes domains: ask for it")
    if not with_people and (somebody := accounts.of_domain(tx, domain.name, 1)):
        raise Permanent(
            f"{somebody[0].address} and maybe others have accounts in {domain.name}: they would get no more mail; "
            "say --with-people if you mean it"
        )
    for alias in aliases.listing(tx):
        if (key := parse_address(alias.address)).domain == domain.name:
            aliases.remove(tx, key.key)
    for group in groups.listing(tx):
        if parse_address(group.address).domain == domain.name:
            groups.remove(tx, group.key)
    for use in ("each", "domain"):
        quotas.remove(tx, use, domain.name)
    for other in domains.everything(tx):
        if other.catch_all.endswith(f"@{domain.name}"):
            domains.put(tx, replace(other, catch_all=""))
    domains.remove(tx, domain.name)
    note(tx, actor, "domain-removed", domain, domain.name)


def insist_on_somebody(tx: Reading, address: Address) -> None:
    """The address is a person's, an alias or a group.

    Raises:
        Permanent: it is nobody's.
    """
    if not (accounts.find(tx, address) or aliases.find(tx, address.key) or groups.find(tx, address.key)):
        raise Permanent(f"{address} is nobody here: name a person, an alias or a group of this node")


def _told(domain: Domain) -> str:
    return f"separator={domain.separator} tag-folders={int(domain.tag_folders)} catch-all={domain.catch_all or '-'}"


# --- people -----------------------------------------------------------------------------------------------------------


def list_people(tx: Reading, actor: Actor) -> list[Account]:
    """The people that the actor may touch, by address."""
    if actor.tenant is None:
        return accounts.listing(tx)
    own = {domain.name for domain in domains.everything(tx, actor.tenant)}
    return [account for account in accounts.listing(tx) if account.address.rpartition("@")[2] in own]


def add_person(tx: Writing, actor: Actor, address: Address, name: str = "") -> Account:
    """Open an account, with its first mailboxes.

    Raises:
        Permanent: the address is somebody's, or the domain is not the actor's.
    """
    domain = free(tx, actor, address)
    made = accounts.add(tx, address, name)
    note(tx, actor, "person-added", domain, made.address)
    return made


# --- tenants ----------------------------------------------------------------------------------------------------------


def insist_on_a(tx: Reading, tenant: str) -> None:
    """There is such a tenant.

    Raises:
        Permanent: there is none.
    """
    if not tenants.exists(tx, tenant):
        raise Permanent(f"there is no tenant {tenant}; first: waxseal tenant add {tenant}")


def _only_operator(actor: Actor) -> None:
    if actor.tenant is not None:
        raise Permanent("only the operator changes tenants: ask for it")


def add_tenant(tx: Writing, actor: Actor, name: str) -> None:
    """Make a tenant.

    Raises:
        Permanent: the name is taken, or no name; or the actor is no operator.
    """
    _only_operator(actor)
    if not _TENANT.match(name):
        raise Permanent("a tenant's name has 1 to 64 of a-z, 0-9, dot, hyphen and underscore, like acme")
    if tenants.exists(tx, name):
        raise Permanent(f"there is a tenant {name} already")
    tenants.add(tx, name)
    note(tx, actor, "tenant-added", None, name)


def remove_tenant(tx: Writing, actor: Actor, name: str) -> None:
    """Take a tenant away.

    Raises:
        Permanent: it has domains.
    """
    _only_operator(actor)
    insist_on_a(tx, name)
    if left := domains.everything(tx, name):
        raise Permanent(f"{name} has domains: {', '.join(one.name for one in left)}; give them to another first")
    tenants.remove(tx, name)
    note(tx, actor, "tenant-removed", None, name)


def deduplicate(tx: Writing, actor: Actor, name: str, sealed: bytes | None) -> bool:
    """Keep equal attachments of a tenant's people once from now on, or no longer; False when that was so.

    Args:
        name: of the tenant, "" for the node's own domains.
        sealed: a fresh secret, sealed under the node's key; None ends it.

    Raises:
        Permanent: there is no such tenant.
    """
    _only_operator(actor)
    if name:
        insist_on_a(tx, name)
    if (part_keys.secret_of(tx, name) is None) is (sealed is None):
        return False
    if sealed is None:
        part_keys.remove_secret(tx, name)
    else:
        part_keys.put_secret(tx, name, sealed)
    note(tx, actor, "tenant-changed", None, name, "attachments kept once" if sealed else "attachments kept apart")
    return True


def give_domain(tx: Writing, actor: Actor, name: str, tenant: str) -> Domain:
    """Make a domain, with its people, a tenant's; "" takes it back to the node.

    Raises:
        Permanent: something in it reaches over to a domain that stays where it is.
    """
    _only_operator(actor)
    if tenant:
        insist_on_a(tx, tenant)
    domain = replace(domain_of(tx, actor, name), tenant=tenant)
    domains.put(tx, domain)
    for one, other in _ties(tx):
        if domain.name in {one.domain, other.domain} and one.domain != other.domain:
            first, second = domains.get(tx, one.domain), domains.get(tx, other.domain)
            if first and second and first.tenant != second.tenant:
                raise Permanent(f"{one} and {other} are tied together: untie them first, or move both domains")
    note(tx, actor, "domain-given", domain, domain.name, tenant)
    return domain


def _ties(tx: Reading) -> list[tuple[Address, Address]]:
    """Pairs of addresses of which one reaches the other, or opens it."""
    found = [(parse_address(alias.address), parse_address(alias.account.address)) for alias in aliases.listing(tx)]
    for group in groups.listing(tx):
        members = groups.members(tx, group.key, 1_000_000)
        found += [(parse_address(group.address), parse_address(member.address)) for member in members]
    found += [(parse_address(shared.address), parse_address(one.address)) for shared, one in delegates.everything(tx)]
    for domain in domains.everything(tx):
        if domain.catch_all:
            found.append(
                (Address("postmaster", domain.name), Address("postmaster", domain.catch_all.rpartition("@")[2]))
            )
    return found


def put_admin(tx: Writing, actor: Actor, tenant: str, address: Address) -> None:
    """Let a person of a tenant administer it.

    Raises:
        Permanent: they are not of it.
    """
    _only_operator(actor)
    insist_on_a(tx, tenant)
    person = person_of(tx, Actor(actor.name, tenant), address)
    tenants.put_admin(tx, tenant, person.id)
    note(tx, actor, "admin-added", domains.get(tx, address.domain), person.address, tenant)


def remove_admin(tx: Writing, actor: Actor, tenant: str, address: Address) -> None:
    """End that.

    Raises:
        Permanent: they did not.
    """
    _only_operator(actor)
    person = person_of(tx, OPERATOR, address)
    if not tenants.remove_admin(tx, tenant, person.id):
        raise Permanent(f"{address} does not administer {tenant}")
    note(tx, actor, "admin-removed", domains.get(tx, address.domain), person.address, tenant)
