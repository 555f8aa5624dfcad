"""Names of ENS that were looked up: the address each stood for, and when."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select

from node.store.schema_names import ens_name
from node.store.statement import Statement, replacing, same
from node.store.transaction import Reading, Row, Writing

KEPT = 50_000  # names; beyond it nothing new is remembered


@dataclass(frozen=True, slots=True)
class EnsName:
    """One name.

    Attributes:
        name: normalised.
        address: "0x...", in lower case.
        chain: CAIP-2 name of the chain it was found on.
        checked: unix seconds.
    """

    name: str
    address: str
    chain: str
    checked: int

    @property
    def subjects(self) -> tuple[str, str]:
        """The identities that the address is: a key's account, or a contract wallet on that chain."""
        return f"eip155:{self.address}", f"{self.chain}:{self.address}"


_C = ens_name.c
_PUT = Statement(replacing(ens_name))
_GET = Statement(select(ens_name).where(same(_C.name)))
_REMOVE = Statement(delete(ens_name).where(same(_C.name)))
_EXPIRE = Statement(delete(ens_name).where(_C.checked < bindparam("before")))
_FORGET = Statement(delete(ens_name))
_COUNT = Statement(select(func.count()).select_from(ens_name))


def put(tx: Writing, found: EnsName) -> bool:
    """Remember what a name stands for now; false when no more names are remembered."""
    if get(tx, found.name) is None and tx.value(_COUNT) >= KEPT:
        return False
    tx.execute(_PUT, name=found.name, address=found.address, chain=found.chain, checked=found.checked)
    return True


def get(tx: Reading, name: str) -> EnsName | None:
    """What a name stood for when it was looked up last."""
    return _made(tx.one(_GET, name=name))


def remove(tx: Writing, name: str) -> None:
    """The name stands for nobody any more."""
    tx.execute(_REMOVE, name=name)


def expire(tx: Writing, before: int) -> None:
    """Forget names that were looked up before this time (unix seconds)."""
    tx.execute(_EXPIRE, before=before)


def forget(tx: Writing) -> None:
    """Forget all of them."""
    tx.execute(_FORGET)


def _made(row: Row | None) -> EnsName | None:
    return None if row is None else EnsName(*row)
