"""Newcomers: wallets that proved themselves and have no mailbox yet; and invitations to a domain."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select

from node.store.schema import account
from node.store.schema_names import invitation, newcomer
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_N, _I = newcomer.c, invitation.c
_PUT = Statement(adding(newcomer))
_GET = Statement(select(_N.subjects).where(same(_N.token_sha256), _N.expires > bindparam("now")))
_TAKE = Statement(delete(newcomer).where(same(_N.token_sha256)).returning(_N.subjects, _N.expires))
_EXPIRE = Statement(delete(newcomer).where(_N.expires <= bindparam("now")))
_COUNT = Statement(select(func.count()).select_from(account).where(account.c.created > bindparam("after")))

_INVITE = Statement(adding(invitation))
_INVITED = Statement(select(_I.code_sha256).where(same(_I.code_sha256), same(_I.domain), _I.expires > bindparam("now")))
_USE = Statement(
    delete(invitation)
    .where(same(_I.code_sha256), same(_I.domain), _I.expires > bindparam("now"))
    .returning(_I.code_sha256)
)
_LISTING = Statement(select(invitation).order_by(_I.expires))
_WITHDRAW = Statement(delete(invitation).where(same(_I.code_sha256)).returning(_I.domain))
_INVITE_EXPIRE = Statement(delete(invitation).where(_I.expires <= bindparam("now")))


@dataclass(frozen=True, slots=True)
class Invitation:
    """A promise to let somebody in once, without the gate.

    Attributes:
        code_sha256: of the code as `secret.normalize` makes it; the code itself is nowhere.
        domain: where.
        note: for the administrator.
        expires: unix seconds.
    """

    code_sha256: bytes
    domain: str
    note: str
    expires: int


def put(tx: Writing, token_sha256: bytes, subjects: tuple[str, ...], expires: int, now: int) -> None:
    """Remember what somebody proved."""
    tx.execute(_EXPIRE, now=now)
    tx.execute(_PUT, token_sha256=token_sha256, subjects=" ".join(subjects), expires=expires)


def get(tx: Reading, token_sha256: bytes, now: int) -> tuple[str, ...] | None:
    """What they proved; None when it was too long ago, or never."""
    row = tx.one(_GET, token_sha256=token_sha256, now=now)
    return None if row is None else tuple(str(row[0]).split())


def take(tx: Writing, token_sha256: bytes, now: int) -> tuple[str, ...] | None:
    """The same, once: the proof is used up."""
    row = tx.one(_TAKE, token_sha256=token_sha256)
    return None if row is None or row[1] <= now else tuple(str(row[0]).split())


def opened_since(tx: Reading, after: int) -> int:
    """Accounts made after that time (unix seconds)."""
    return int(tx.value(_COUNT, after=after))


def invite(tx: Writing, made: Invitation) -> None:
    """Keep an invitation."""
    tx.execute(_INVITE, code_sha256=made.code_sha256, domain=made.domain, note=made.note, expires=made.expires)


def is_invited(tx: Reading, code_sha256: bytes, domain: str, now: int) -> bool:
    """True when the code would let somebody in there now."""
    return tx.one(_INVITED, code_sha256=code_sha256, domain=domain, now=now) is not None


def use(tx: Writing, code_sha256: bytes, domain: str, now: int) -> bool:
    """Use an invitation up: true once."""
    return tx.one(_USE, code_sha256=code_sha256, domain=domain, now=now) is not None


def invitations(tx: Reading) -> list[Invitation]:
    """All of them, the first to end first."""
    return [Invitation(*row) for row in tx.execute(_LISTING)]


def withdraw(tx: Writing, code_sha256: bytes) -> bool:
    """Take an invitation back; false when there was none."""
    return tx.one(_WITHDRAW, code_sha256=code_sha256) is not None


def expire(tx: Writing, now: int) -> None:
    """Forget what has ended (unix seconds)."""
    tx.execute(_EXPIRE, now=now)
    tx.execute(_INVITE_EXPIRE, now=now)
