"""Passkeys: public keys that people's authenticators answer for (WebAuthn's credential records)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select, update

from node.store.schema import passkey, passkey_owner
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey.

    Attributes:
        credential_id: what the authenticator calls it; at most 1023 octets, one of its kind in the whole node.
        public_key: COSE_Key, in CBOR.
        sign_count: the authenticator's counter at the last login; 0 where it does not count.
        transports: how browsers may reach the authenticator, for example "internal" or "usb".
        is_synced: true when the person's devices share it, or may (WebAuthn's "backup eligible").
        is_backed_up: true when they did share it at the last login.
        created: unix seconds, as is `last_used`, which is None until the first login.
    """

    id: int
    account_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...]
    is_synced: bool
    is_backed_up: bool
    created: int
    last_used: int | None


_C, _O = passkey.c, passkey_owner.c
_ADD = Statement(adding(passkey, "id").returning(_C.id))
_OF_ACCOUNT = Statement(select(passkey).where(same(_C.account_id)).order_by(_C.id))
_BY_CREDENTIAL = Statement(select(passkey).where(same(_C.credential_id)))
_REMOVE = Statement(delete(passkey).where(same(_C.id), same(_C.account_id)).returning(passkey))
_USED = Statement(
    update(passkey)
    .where(same(_C.id, "passkey_id"))
    .values(sign_count=bindparam("count"), backed_up=bindparam("is_backed_up"), last_used=bindparam("when"))
)
_HANDLE = Statement(select(_O.handle).where(same(_O.account_id)))
_ADD_HANDLE = Statement(adding(passkey_owner))


def handle(tx: Reading, account_id: int) -> bytes | None:
    """What authenticators call the account; None as long as nobody asked for a passkey."""
    found: bytes | None = tx.value(_HANDLE, account_id=account_id)
    return found


def keep_handle(tx: Writing, account_id: int, fresh: bytes) -> bytes:
    """The account's handle: the one it has, else `fresh`, which it keeps for good."""
    found = handle(tx, account_id)
    if found is None:
        tx.execute(_ADD_HANDLE, account_id=account_id, handle=fresh)
    return found or fresh


def add(
    tx: Writing,
    account_id: int,
    name: str,
    *,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    transports: Collection[str],
    is_synced: bool,
    is_backed_up: bool,
    now: int,
) -> Passkey:
    """Keep a new passkey under a name its owner chose.

    Raises:
        ValueError: a transport is empty or holds a space.
    """
    if any(not word or " " in word for word in transports):
        raise ValueError("a transport is one word")
    values = {
        "account_id": account_id,
        "credential_id": credential_id,
        "public_key": public_key,
        "sign_count": sign_count,
        "name": name,
        "transports": " ".join(transports),
        "backup_eligible": int(is_synced),
        "backed_up": int(is_backed_up),
        "created": now,
        "last_used": None,
    }
    return _made((tx.value(_ADD, **values), *values.values()))


def of_account(tx: Reading, account_id: int) -> list[Passkey]:
    """One account's, oldest first."""
    return [_made(row) for row in tx.execute(_OF_ACCOUNT, account_id=account_id)]


def by_credential(tx: Reading, credential_id: bytes) -> Passkey | None:
    """The passkey that an authenticator calls by this id, whoever's it is."""
    row = tx.one(_BY_CREDENTIAL, credential_id=credential_id)
    return None if row is None else _made(row)


def mark_used(tx: Writing, id: int, sign_count: int, is_backed_up: bool, when: int) -> None:
    """Note a login, and what the authenticator said of itself then."""
    tx.execute(_USED, passkey_id=id, count=sign_count, is_backed_up=int(is_backed_up), when=when)


def remove(tx: Writing, account_id: int, id: int) -> Passkey | None:
    """Remove one of the account's passkeys and return it; None when it has none by this id."""
    row = tx.one(_REMOVE, account_id=account_id, id=id)
    return None if row is None else _made(row)


def _made(row: Row) -> Passkey:
    id, account_id, credential_id, public_key, count, name, transports, eligible, backed_up, created, last_used = row
    words = tuple(transports.split())
    synced, backed = bool(eligible), bool(backed_up)
    return Passkey(id, account_id, credential_id, public_key, count, name, words, synced, backed, created, last_used)
