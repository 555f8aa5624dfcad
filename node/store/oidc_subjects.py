"""Who logs in with an outside OpenID provider: issuer and subject together name a person (OpenID Connect Core §5.7)."""

from __future__ import annotations

import time

from sqlalchemy import delete, select

from node.base.errors import Permanent
from node.store import accounts
from node.store.accounts import Account
from node.store.schema_oidc import oidc_subject
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_C = oidc_subject.c
_ADD = Statement(adding(oidc_subject))
_OWNER = Statement(select(_C.account_id).where(same(_C.issuer), same(_C.subject)))
_LISTING = Statement(select(_C.issuer, _C.subject).where(same(_C.account_id)).order_by(_C.issuer, _C.subject))
_REMOVE = Statement(
    delete(oidc_subject).where(same(_C.issuer), same(_C.subject), same(_C.account_id)).returning(_C.account_id)
)


def bind(tx: Writing, account_id: int, issuer: str, subject: str) -> None:
    """Let a person of a provider log in to an account.

    Raises:
        Permanent: they log in to another account already.
    """
    owner = bound(tx, issuer, subject)
    if owner is None:
        tx.execute(_ADD, issuer=issuer, subject=subject, account_id=account_id, created=int(time.time()))
    elif owner.id != account_id:
        raise Permanent(f"{subject} of {issuer} is bound to {owner.address}: unbind it there first")


def unbind(tx: Writing, account_id: int, issuer: str, subject: str) -> bool:
    """Let them log in no longer; False when they did not."""
    return tx.one(_REMOVE, issuer=issuer, subject=subject, account_id=account_id) is not None


def bound(tx: Reading, issuer: str, subject: str) -> Account | None:
    """The account they log in to."""
    id = tx.value(_OWNER, issuer=issuer, subject=subject)
    return None if id is None else accounts.get(tx, id)


def listing(tx: Reading, account_id: int) -> list[tuple[str, str]]:
    """Issuers and subjects that log in to an account."""
    return [(issuer, subject) for issuer, subject in tx.execute(_LISTING, account_id=account_id)]
