"""What is remembered of an account's sending: its baseline, how far it is restricted, and whom it has written to.

`correspondent` is no twin of `contacts`: it names domains as well as addresses, is never trimmed (a trimmed one would
look new, and thousands of them like a burst), and is written once in 30 days instead of with every message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_, update

from node.store.schema import correspondent, sending
from node.store.statement import Statement, chosen, replacing, same
from node.store.transaction import Reading, Writing

KEPT_SECONDS = 400 * 86400  # a correspondent not written to for so long is a stranger again
REFRESH_SECONDS = 30 * 86400  # how stale `last` may grow before it is written anew
EXPIRED_AT_ONCE = 5000


class State(NamedTuple):
    """One account's row.

    Attributes:
        step: how far sending is restricted; 0 when it is not.
        since: when that step was reached, unix seconds.
        baseline: packed; the store does not look into it.
    """

    step: int
    since: int
    baseline: bytes


_S, _C = sending.c, correspondent.c
_GET = Statement(select(_S.step, _S.since, _S.baseline).where(same(_S.account_id)))
_PUT = Statement(replacing(sending))
_REPLACE = Statement(
    update(sending)
    .where(same(_S.account_id), _S.step == bindparam("old_step"), _S.baseline == bindparam("old"))
    .values(step=bindparam("new_step"), since=bindparam("since"), baseline=bindparam("new"))
    .returning(_S.account_id)
)
_KNOWN = Statement(select(_C.digest, _C.last).where(same(_C.account_id), _C.digest.in_(chosen("digests"))))
_MEET = Statement(replacing(correspondent))
_EXPIRE = Statement(
    delete(correspondent).where(
        tuple_(_C.account_id, _C.digest).in_(
            select(_C.account_id, _C.digest).where(_C.last < bindparam("before")).limit(EXPIRED_AT_ONCE)
        )
    )
)


def get(tx: Reading, account_id: int) -> State | None:
    """The account's state; None when it has never sent."""
    row = tx.one(_GET, account_id=account_id)
    return None if row is None else State(*row)


def put(tx: Writing, account_id: int, state: State) -> None:
    """Keep the state."""
    tx.execute(_PUT, account_id=account_id, step=state.step, since=state.since, baseline=state.baseline)


def replace(tx: Writing, account_id: int, old: State, new: State) -> bool:
    """Keep the new state where the old one still stands, else nothing: false when it is to be read first.

    One statement instead of two: each gives the interpreter away and has to wait for it again.
    """
    row = tx.one(
        _REPLACE,
        account_id=account_id,
        old_step=old.step,
        old=old.baseline,
        new_step=new.step,
        since=new.since,
        new=new.baseline,
    )
    return row is not None


def digest(text: str) -> int:
    """What stands for an address, a domain or a network: 63 bits of its BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1


def known(tx: Reading, account_id: int, digests: list[int]) -> dict[int, int]:
    """Those the account has written to, and when last (to the month)."""
    return dict(tx.execute(_KNOWN, account_id=account_id, digests=json.dumps(digests)))


def meet(tx: Writing, account_id: int, digests: list[int], found: Mapping[int, int], now: int) -> None:
    """Remember correspondents; `found` is what `known` said of them, so that nothing is written for old friends."""
    stale = [each for each in digests if found.get(each, 0) < now - REFRESH_SECONDS]
    if stale:
        tx.execute_many(_MEET, [{"account_id": account_id, "digest": each, "last": now} for each in stale])


def expire(tx: Writing, now: int) -> None:
    """Forget some of those who were not written to for `KEPT_SECONDS`; the housekeeper comes again."""
    tx.execute(_EXPIRE, before=now - KEPT_SECONDS)
