"""Web sessions: a cookie's SHA-256 names an account until it expires."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from node.store.schema import web_session
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_C = web_session.c
_ADD = Statement(adding(web_session))
_GET = Statement(select(_C.account_id).where(same(_C.token_sha256), _C.expires > bindparam("now")))
_STRONG = Statement(select(_C.strong).where(same(_C.token_sha256), _C.expires > bindparam("now")))
_BEGAN = Statement(select(_C.began).where(same(_C.token_sha256), _C.expires > bindparam("now")))
_REMOVE = Statement(delete(web_session).where(same(_C.token_sha256)))
_REMOVE_ALL = Statement(delete(web_session).where(same(_C.account_id)))
_REMOVE_OTHERS = Statement(delete(web_session).where(same(_C.account_id), _C.token_sha256 != bindparam("kept")))
_EXPIRE = Statement(delete(web_session).where(_C.expires <= bindparam("now")))


def add(  # noqa: PLR0917
    tx: Writing, token_sha256: bytes, account_id: int, expires: int, began: int = 0, strong: bool = False
) -> None:
    """Open a session. The store sees the token's hash only, so a stolen database logs nobody in.

    Args:
        strong: it was opened by a signature, or by a password and a second factor.
    """
    tx.execute(_ADD, token_sha256=token_sha256, account_id=account_id, expires=expires, began=began, strong=int(strong))


def get(tx: Reading, token_sha256: bytes, now: int) -> int | None:
    """The account id behind a token that has not expired at `now`, or None."""
    account_id: int | None = tx.value(_GET, token_sha256=token_sha256, now=now)
    return account_id


def began(tx: Reading, token_sha256: bytes, now: int) -> int | None:
    """When the session was opened, unix seconds; None when there is none, or it has expired at `now`."""
    when: int | None = tx.value(_BEGAN, token_sha256=token_sha256, now=now)
    return when


def is_strong(tx: Reading, token_sha256: bytes, now: int) -> bool:
    """True for a session that a signature opened, or a password and a second factor."""
    return bool(tx.value(_STRONG, token_sha256=token_sha256, now=now))


def remove(tx: Writing, token_sha256: bytes) -> None:
    """Log out."""
    tx.execute(_REMOVE, token_sha256=token_sha256)


def remove_all(tx: Writing, account_id: int) -> None:
    """Log an account out in every browser."""
    tx.execute(_REMOVE_ALL, account_id=account_id)


def remove_others(tx: Writing, account_id: int, kept: bytes) -> None:
    """Log an account out in every browser but the one whose token has this hash."""
    tx.execute(_REMOVE_OTHERS, account_id=account_id, kept=kept)


def expire(tx: Writing, now: int) -> None:
    """Forget sessions whose time is over."""
    tx.execute(_EXPIRE, now=now)
