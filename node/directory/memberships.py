"""Who is in which group, for rules that ask for it (`node.auth.gates.evidence.Groups`)."""

from __future__ import annotations

from dataclasses import dataclass

from node.base.address import Address, AddressError, parse_address
from node.directory.resolve import MAX_DEPTH
from node.store import accounts
from node.store.database import Database, Reading
from node.store.directory import aliases, groups

MAX_GROUPS = 1000  # that one person is looked for in


@dataclass(frozen=True, slots=True)
class Memberships:
    """Reads the node's own groups."""

    database: Database

    async def is_member(self, account_id: int, group: str) -> bool | None:
        """Whether a person is in a group, directly, by an alias or by way of other groups; None: no such group.

        Args:
            group: its address, or its local part: then it is the group of that name at the person's own domain.

        Raises:
            Temporary: the store cannot be read now.
        """
        return await self.database.read(lambda tx: _is_member(tx, account_id, group))


def _is_member(tx: Reading, account_id: int, group: str) -> bool | None:
    account = accounts.get(tx, account_id)
    if account is None:
        return None
    own = parse_address(account.address)
    try:
        wanted = parse_address(group) if "@" in group else Address(group, own.domain)
    except AddressError:
        return None
    if groups.find(tx, wanted.key) is None:
        return None
    names = [own.key, *(parse_address(alias.address).key for alias in aliases.of_account(tx, account_id))]
    seen: set[str] = set()
    level = set(names)
    for _ in range(MAX_DEPTH + 1):
        level = {above for name in level for above in groups.holding(tx, name)} - seen
        if wanted.key in level:
            return True
        seen |= level
        if not level or len(seen) > MAX_GROUPS:
            break
    return False
