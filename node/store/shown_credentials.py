"""Credentials that people showed when they logged in, as signed tokens: verified then, and again whenever asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from node.store.schema_names import shown_credential
from node.store.statement import Statement, behind, replacing, same
from node.store.transaction import Reading, Writing

KEPT = 16  # of one account; the one shown longest ago goes
KEPT_SECONDS = 90 * 86400  # then it has to be shown again, whatever its issuer says
MAX_SIZE = 32 << 10  # characters of a token that is kept


@dataclass(frozen=True, slots=True)
class Shown:
    """One credential.

    Attributes:
        token: compact and signed.
        holder: the DID that showed it.
        shown: unix seconds.
        expires: unix seconds; by its own word, and by ours.
    """

    token: str
    holder: str
    shown: int
    expires: int


_C = shown_credential.c
_PUT = Statement(replacing(shown_credential))
_LISTING = Statement(
    select(_C.token, _C.holder, _C.shown, _C.expires)
    .where(same(_C.account_id), _C.expires > bindparam("now"))
    .order_by(_C.shown.desc(), _C.digest)
)
_CROWDED = Statement(
    delete(shown_credential).where(
        same(_C.account_id),
        _C.digest.in_(behind(select(_C.digest).where(same(_C.account_id)).order_by(_C.shown.desc(), _C.digest))),
    )
)
_FORGET = Statement(delete(shown_credential).where(same(_C.account_id), same(_C.holder)))
_EXPIRE = Statement(delete(shown_credential).where(_C.expires <= bindparam("now")))


def put(tx: Writing, account_id: int, shown: Shown) -> None:
    """Keep a credential, or how long it counts from now on."""
    digest = hashlib.sha256(shown.token.encode()).digest()
    tx.execute(
        _PUT,
        account_id=account_id,
        digest=digest,
        token=shown.token,
        holder=shown.holder,
        shown=shown.shown,
        expires=shown.expires,
    )
    tx.execute(_CROWDED, account_id=account_id, kept=KEPT)


def listing(tx: Reading, account_id: int, now: int) -> list[Shown]:
    """An account's credentials that have not ended, the one shown last first."""
    return [Shown(*row) for row in tx.execute(_LISTING, account_id=account_id, now=now)]


def forget(tx: Writing, account_id: int, holder: str) -> None:
    """Forget what a DID showed."""
    tx.execute(_FORGET, account_id=account_id, holder=holder)


def expire(tx: Writing, now: int) -> None:
    """Forget what has ended (unix seconds)."""
    tx.execute(_EXPIRE, now=now)
