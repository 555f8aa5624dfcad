"""Token gates: which rule stands before what, and when somebody last met the one before their mailbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from sqlalchemy import bindparam, delete, select

from node.base.address import Address
from node.store.schema import gate, gate_pass
from node.store.statement import Statement, adding, replacing, same
from node.store.transaction import Reading, Row, Writing

T = TypeVar("T")
Use = Literal["login", "signup", "send", "write"]
USES: tuple[Use, ...] = get_args(Use)
Others = Literal["filter", "junk", "refuse"]


@dataclass(frozen=True, slots=True)
class StoredGate:
    """One gate.

    Attributes:
        use: what it stands before: logging in to an account, opening one at a domain, sending as an address, writing
            to an address past the filter.
        target: an address's key, or a domain, which speaks for all its addresses that have no gate of their own.
        rule: as `identity.gates.rule.write_rule` writes it.
        revoke: "finalized", or "latest" where losing a token counts before it is final.
        changed: unix seconds.
        others: for "write": what becomes of mail whose sender does not meet the rule.
    """

    use: Use
    target: str
    rule: str
    revoke: Literal["finalized", "latest"]
    changed: int
    others: Others = "filter"


_C = gate.c
_PUT = Statement(replacing(gate))
_GET = Statement(select(gate).where(same(_C.use), same(_C.target)))
_LISTING = Statement(select(gate).order_by(_C.target, _C.use))
_REMOVE = Statement(delete(gate).where(same(_C.use), same(_C.target)).returning(_C.target))
_PASSED = Statement(select(gate_pass.c.time).where(same(gate_pass.c.account_id), same(gate_pass.c.digest)))
_FAIL = Statement(delete(gate_pass).where(same(gate_pass.c.account_id), same(gate_pass.c.digest)))
_PASS = Statement(adding(gate_pass))
_EXPIRE = Statement(delete(gate_pass).where(gate_pass.c.time < bindparam("before")))
_ANY = Statement(select(_C.target).where(same(_C.use)).limit(1))


def put(tx: Writing, use: Use, target: str, rule: str, revoke: str, *, others: Others = "filter") -> None:
    """Set a gate in the place of the one before."""
    tx.execute(_PUT, use=use, target=target, rule=rule, revoke=revoke, changed=int(time.time()), others=others)


def get(tx: Reading, use: Use, target: str) -> StoredGate | None:
    """The gate that was set for exactly this."""
    return _made(tx.one(_GET, use=use, target=target))


def before(tx: Reading, use: Use, address: Address) -> StoredGate | None:
    """The gate that stands before an address: its own, or its domain's."""
    return get(tx, use, address.key) or get(tx, use, address.domain)


def are_set(tx: Reading, use: Use) -> bool:
    """True when there is any gate of this kind: most nodes have none."""
    return tx.one(_ANY, use=use) is not None


def unless_set(tx: Writing, use: Use, work: Callable[[Writing], T]) -> T | None:
    """Do `work` where no gate of this kind is set; None, and nothing is done, where gates have to be asked before.

    Whoever is about to write anyway sees in this way at once that there is nobody to ask, without a read of its own.
    """
    return None if are_set(tx, use) else work(tx)


def concerning(tx: Reading, address: Address) -> list[StoredGate]:
    """What a person may care about: the gates before logging in and sending."""
    found = (before(tx, "login", address), before(tx, "send", address))
    return [gate for gate in found if gate is not None]


def listing(tx: Reading) -> list[StoredGate]:
    """All gates, by target."""
    return [StoredGate(*row) for row in tx.execute(_LISTING)]


def remove(tx: Writing, use: Use, target: str) -> bool:
    """Take a gate away; false when there was none."""
    return tx.one(_REMOVE, use=use, target=target) is not None


def passed(tx: Reading, account_id: int, digest: bytes) -> int | None:
    """When this account last met this rule with these wallets (`digest` names both); unix seconds."""
    row = tx.one(_PASSED, account_id=account_id, digest=digest)
    return None if row is None else int(row[0])


def note(tx: Writing, account_id: int, digest: bytes, when: int | None) -> None:
    """Remember that the account met its gate, or, without a time, that it no longer does."""
    tx.execute(_FAIL, account_id=account_id, digest=digest)
    if when is not None:
        tx.execute(_PASS, account_id=account_id, digest=digest, time=when)


def expire(tx: Writing, before: int) -> None:
    """Forget answers from before this time (unix seconds)."""
    tx.execute(_EXPIRE, before=before)


def _made(row: Row | None) -> StoredGate | None:
    return None if row is None else StoredGate(*row)
