"""Who runs the node: what the operator and owners alone may do, such as giving roles."""

from __future__ import annotations

import time

from node.anchor import audit
from node.base.address import Address
from node.base.errors import Permanent
from node.directory.admin import Actor, person_of
from node.store import accounts, blocked_networks, roles, security_events, web_sessions
from node.store.accounts import Account
from node.store.database import Reading, Writing
from node.store.roles import Role
from node.store.security_events import SecurityEvent


def list_staff(tx: Reading, actor: Actor) -> list[tuple[Account, Role]]:
    """Everybody with a role, by address.

    Raises:
        Permanent: the actor is a tenant's.
    """
    _only_owners(actor)
    found = [(accounts.get(tx, id), role) for id, role in roles.listing(tx).items()]
    return sorted(((who, role) for who, role in found if who is not None), key=lambda each: each[0].address.casefold())


def grant(tx: Writing, actor: Actor, address: Address, role: Role) -> Account:
    """Give a person a role, in place of the one they had.

    Raises:
        Permanent: nobody has the address, or the actor is a tenant's.
    """
    _only_owners(actor)
    person = person_of(tx, actor, address)
    roles.give(tx, person.id, role)
    audit.record(tx, audit.Kind.ROLE_GIVEN, actor.name, person.address, {"role": role.value})
    _tell(tx, person, "role-given", f"{role.value} by {actor.name}")
    return person


def revoke(tx: Writing, actor: Actor, address: Address) -> Account:
    """Take a person's role away, and end their browser sessions.

    Raises:
        Permanent: they have none, or the actor is a tenant's.
    """
    _only_owners(actor)
    person = person_of(tx, actor, address)
    if not roles.take(tx, person.id):
        raise Permanent(f"{person.address} has no role; `waxseal role list` shows who has")
    web_sessions.remove_all(tx, person.id)
    audit.record(tx, audit.Kind.ROLE_TAKEN, actor.name, person.address)
    _tell(tx, person, "role-taken", f"by {actor.name}")
    return person


def lift_block(tx: Writing, actor: Actor, network: str) -> None:
    """Let a network log in again, within seconds, and forget what it did.

    Raises:
        Permanent: it is not shut out, or the actor is a tenant's.
    """
    _only_owners(actor)
    if not blocked_networks.remove(tx, network):
        raise Permanent(f"{network} is not shut out; `waxseal block list` shows which networks are")
    audit.record(tx, audit.Kind.NETWORK_UNBLOCKED, actor.name, network)


def _only_owners(actor: Actor) -> None:
    if actor.tenant is not None:
        raise Permanent("only the operator and owners of the node may do this: ask one of them")


def _tell(tx: Writing, person: Account, kind: str, details: str) -> None:
    security_events.add(tx, person.id, SecurityEvent(int(time.time()), kind, details=details))
