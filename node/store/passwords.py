"""What logs people in on the web beside wallets: a password, a second factor, recovery codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, func, select, update

from node.store.schema_passwords import account_password, recovery_code, totp
from node.store.statement import Statement, adding, replacing, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Totp:
    """A second factor: the secret shared with an authenticator app.

    Attributes:
        secret: sealed (node.auth.sealing).
        confirmed: a first code was typed; before that it counts for nothing.
        last_step: of the last code that was accepted; None: none yet.
    """

    secret: bytes = field(repr=False)
    confirmed: bool
    last_step: int | None


@dataclass(frozen=True, slots=True)
class Factors:
    """What an account has.

    Attributes:
        hash: of the password, None without one.
        changed: unix seconds, of the password.
        codes: recovery codes left.
    """

    hash: str | None = field(repr=False)
    changed: int
    totp: Totp | None
    codes: int


_P, _T, _R = account_password.c, totp.c, recovery_code.c
_PASSWORD = Statement(select(_P.hash, _P.changed).where(same(_P.account_id)))
_SET = Statement(replacing(account_password))
_UNSET = Statement(delete(account_password).where(same(_P.account_id)).returning(_P.account_id))
_TOTP = Statement(select(_T.secret, _T.confirmed, _T.last_step).where(same(_T.account_id)))
_BEGIN = Statement(adding(totp))
_CONFIRM = Statement(update(totp).where(same(_T.account_id, "owner")).values(confirmed=1, last_step=bindparam("step")))
_SECRETS = Statement(select(_T.account_id, _T.secret))
_RESEAL = Statement(update(totp).where(same(_T.account_id, "owner")).values(secret=bindparam("sealed")))
_STEP = Statement(update(totp).where(same(_T.account_id, "owner")).values(last_step=bindparam("step")))
_FORGET = Statement(delete(totp).where(same(_T.account_id)).returning(_T.confirmed))
_COUNT = Statement(select(func.count()).select_from(recovery_code).where(same(_R.account_id)))
_CODE = Statement(select(_R.digest).where(same(_R.account_id), same(_R.digest)))
_USE = Statement(delete(recovery_code).where(same(_R.account_id), same(_R.digest)).returning(_R.digest))
_CLEAR = Statement(delete(recovery_code).where(same(_R.account_id)))
_ADD = Statement(adding(recovery_code))


def factors(tx: Reading, account_id: int) -> Factors:
    """Everything an account has beside wallets."""
    row = tx.one(_PASSWORD, account_id=account_id)
    hash, changed = (None, 0) if row is None else row
    return Factors(hash, changed, get_totp(tx, account_id), tx.value(_COUNT, account_id=account_id))


def set_password(tx: Writing, account_id: int, hash: str, now: int) -> None:
    """Keep a password's hash in place of the one before."""
    tx.execute(_SET, account_id=account_id, hash=hash, changed=now)


def remove_password(tx: Writing, account_id: int) -> bool:
    """Forget the password; False without one."""
    return tx.one(_UNSET, account_id=account_id) is not None


def get_totp(tx: Reading, account_id: int) -> Totp | None:
    """The second factor, confirmed or not."""
    row = tx.one(_TOTP, account_id=account_id)
    return None if row is None else Totp(row[0], bool(row[1]), row[2] or None)


def totp_secrets(tx: Reading) -> list[tuple[int, bytes]]:
    """All second factors: account and secret, as it is kept."""
    return [(account_id, secret) for account_id, secret in tx.execute(_SECRETS)]


def reseal_totp(tx: Writing, account_id: int, sealed: bytes) -> None:
    """Keep the same secret in another form."""
    tx.execute(_RESEAL, owner=account_id, sealed=sealed)


def begin_totp(tx: Writing, account_id: int, secret: bytes, now: int) -> None:
    """Keep a new secret, sealed, that is yet to be confirmed, in place of any other."""
    tx.execute(_FORGET, account_id=account_id)
    tx.execute(_BEGIN, account_id=account_id, secret=secret, confirmed=0, last_step=0, created=now)


def confirm_totp(tx: Writing, account_id: int, step: int) -> None:
    """From now on the second factor counts; the code of this step is used up."""
    tx.execute(_CONFIRM, owner=account_id, step=step)


def use_step(tx: Writing, account_id: int, step: int) -> None:
    """Note the step of a code that was accepted: it is not good again."""
    tx.execute(_STEP, owner=account_id, step=step)


def remove_totp(tx: Writing, account_id: int) -> bool:
    """Forget the second factor; False when none was confirmed."""
    return bool(tx.value(_FORGET, account_id=account_id))


def has_code(tx: Reading, account_id: int, digest: bytes) -> bool:
    """True when this recovery code is unused."""
    return tx.one(_CODE, account_id=account_id, digest=digest) is not None


def use_code(tx: Writing, account_id: int, digest: bytes) -> bool:
    """Use a recovery code up; False when it is none of the account's."""
    return tx.one(_USE, account_id=account_id, digest=digest) is not None


def replace_codes(tx: Writing, account_id: int, digests: Sequence[bytes]) -> None:
    """New recovery codes; those before are void."""
    tx.execute(_CLEAR, account_id=account_id)
    tx.execute_many(_ADD, [{"account_id": account_id, "digest": digest} for digest in digests])
