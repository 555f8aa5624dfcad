"""What an administrator looks at: domains, people, how full they are, what happened; within their tenant alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.directory.admin import Actor, list_domains
from node.store import accounts, held, roles, security_events
from node.store.accounts import Account
from node.store.database import Reading
from node.store.directory import quotas
from node.store.directory.quotas import Amount
from node.store.domains import Domain
from node.store.roles import Role
from node.store.security_events import SecurityEvent

PAGE = 25  # rows
EVENTS = 20
MAX_PAGE = 100_000
MAX_SEARCH = 100  # characters


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows: a text that they hold, and the number of the page, from 1."""

    text: str = ""
    page: int = 1

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * PAGE


@dataclass(frozen=True, slots=True)
class Place:
    """A domain: how many live there, what they hold together, and what they may."""

    domain: Domain
    people: int
    used: Amount
    limit: Amount | None


@dataclass(frozen=True, slots=True)
class Resident:
    """A person: what they hold and may, and what they administer."""

    account: Account
    used: Amount
    limit: Amount | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Overview:
    """One look.

    Attributes:
        people, domains: of the page that was asked for.
        people_found, domains_found: how many fit the search.
        events: newest first, each with the address of whom it concerns.
        held: messages that are kept back.
    """

    people: tuple[Resident, ...]
    people_found: int
    domains: tuple[Place, ...]
    domains_found: int
    events: tuple[tuple[str, SecurityEvent], ...]
    held: int


def overview(tx: Reading, actor: Actor, people: Slice, places: Slice) -> Overview:
    """What the actor sees now; about 3 queries a row, at most 50 rows."""
    own = list_domains(tx, actor)
    names = None if actor.tenant is None else [one.name for one in own]
    text = people.text.casefold()[:MAX_SEARCH]
    fitting = [one for one in own if places.text.casefold()[:MAX_SEARCH] in one.name]
    found = accounts.search(tx, names, text, PAGE, people.offset)
    staff = roles.listing(tx)
    shown = fitting[places.offset : places.offset + PAGE]
    return Overview(
        people=tuple(
            Resident(one, quotas.used(tx, one.id), quotas.limit_of(tx, one.id), staff.get(one.id)) for one in found
        ),
        people_found=accounts.count_found(tx, names, text),
        domains=_places(tx, shown),
        domains_found=len(fitting),
        events=tuple(security_events.latest(tx, names, EVENTS)),
        held=held.count_in(tx, names),
    )


def _places(tx: Reading, shown: Sequence[Domain]) -> tuple[Place, ...]:
    limits = {quota.target: quota.limit for quota in quotas.listing(tx) if quota.use == "domain"}
    return tuple(
        Place(one, accounts.count_found(tx, [one.name], ""), quotas.used_by_domain(tx, one.name), limits.get(one.name))
        for one in shown
    )
