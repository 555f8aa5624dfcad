"""OAuth grants: what a person allowed a client. Every token hangs on one, and ends with it.

Tokens are kept as SHA-256 only. A refresh token has two halves: the first names its grant for good, the second is new
each time; so whoever brings an old one is known, and nothing has to be kept of the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from node.store.schema_oauth import oauth_code, oauth_grant
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Grant:
    """One person's consent to one client.

    Attributes:
        client_name: as it was shown when they consented.
        created, auth_time, expires, last_used: unix seconds; `auth_time` is when the person had logged in, `last_used`
            is None until the client has fetched its first token.
    """

    id: int
    account_id: int
    client_id: str
    client_name: str
    scopes: frozenset[str]
    created: int
    auth_time: int
    expires: int
    last_used: int | None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code that was found. `used` is true when somebody brought it before."""

    grant_id: int
    redirect_uri: str
    challenge: str
    nonce: str
    expires: int
    used: bool


@dataclass(frozen=True, slots=True)
class Refresh:
    """The grant that a refresh token names, and the SHA-256 of the one half that is good now."""

    grant: Grant
    current: bytes


_G = oauth_grant.c
_ROW = (
    *(_G.id, _G.account_id, _G.client_id, _G.client_name, _G.scopes),
    *(_G.created, _G.auth_time, _G.expires, _G.last_used),
)
_ADD = Statement(adding(oauth_grant, "id").returning(_G.id))
_GET = Statement(select(*_ROW).where(same(_G.id), _G.expires > bindparam("now")))
_OF_ACCOUNT = Statement(
    select(*_ROW)
    .where(same(_G.account_id), _G.expires > bindparam("now"), _G.last_used.is_not(None))
    .order_by(_G.id.desc())
)
_COUNT = Statement(select(func.count()).where(same(_G.account_id), _G.expires > bindparam("now")))
_OF_FAMILY = Statement(select(*_ROW, _G.current).where(same(_G.family), _G.expires > bindparam("now")))
_ROTATE = Statement(
    update(oauth_grant)
    .where(same(_G.id, "grant_id"))
    .values({name: bindparam(name) for name in ("family", "current", "expires", "last_used")})
)
_USED = Statement(update(oauth_grant).where(same(_G.id, "grant_id")).values(last_used=bindparam("when")))
_END = Statement(delete(oauth_grant).where(same(_G.id)).returning(_G.id))
_REVOKE = Statement(delete(oauth_grant).where(same(_G.id), same(_G.account_id)).returning(_G.client_name))
_EXPIRE = Statement(delete(oauth_grant).where(_G.expires <= bindparam("now")))

_C = oauth_code.c
_ADD_CODE = Statement(adding(oauth_code))
_FIND_CODE = Statement(
    select(_C.grant_id, _C.redirect_uri, _C.challenge, _C.nonce, _C.expires, _C.used).where(same(_C.sha256))
)
_BURN_CODE = Statement(update(oauth_code).where(same(_C.sha256, "code")).values(used=1))


def add(
    tx: Writing,
    account_id: int,
    client: tuple[str, str],
    scopes: frozenset[str],
    *,
    auth_time: int,
    now: int,
    expires: int,
) -> int:
    """Keep a consent; returns its id, which never comes back.

    Args:
        client: id and name.
        expires: when it is over, unless the client fetches its tokens before.
    """
    id: int = tx.value(
        _ADD,
        account_id=account_id,
        client_id=client[0],
        client_name=client[1],
        scopes=" ".join(sorted(scopes)),
        created=now,
        auth_time=auth_time,
        expires=expires,
        last_used=None,
        family=None,
        current=None,
    )
    return id


def get(tx: Reading, id: int, now: int) -> Grant | None:
    """A grant that stands."""
    row = tx.one(_GET, id=id, now=now)
    return None if row is None else _made(row)


def of_account(tx: Reading, account_id: int, now: int) -> list[Grant]:
    """What an account's owner allowed and clients make use of, newest first."""
    return [_made(row) for row in tx.execute(_OF_ACCOUNT, account_id=account_id, now=now)]


def count(tx: Reading, account_id: int, now: int) -> int:
    """How many grants an account has, those under way included."""
    found: int = tx.value(_COUNT, account_id=account_id, now=now)
    return found


def of_family(tx: Reading, family: bytes, now: int) -> Refresh | None:
    """The grant that the first half of a refresh token (its SHA-256) names."""
    row = tx.one(_OF_FAMILY, family=family, now=now)
    return None if row is None else Refresh(_made(row[:-1]), row[-1])


def rotate(tx: Writing, id: int, family: bytes | None, current: bytes | None, *, expires: int, now: int) -> None:
    """Note the hashes of a grant's new refresh token (None: it has none), and until when the grant stands."""
    tx.execute(_ROTATE, grant_id=id, family=family, current=current, expires=expires, last_used=now)


def mark_used(tx: Writing, id: int, when: int) -> None:
    """Note a login. Callers do this now and then, not at each login."""
    tx.execute(_USED, grant_id=id, when=when)


def end(tx: Writing, id: int) -> bool:
    """End a grant and every token of it; false when it has ended before."""
    return tx.one(_END, id=id) is not None


def revoke(tx: Writing, account_id: int, id: int) -> str | None:
    """End one of the account's own grants; the client's name, or None when the account has none by this id."""
    name: str | None = tx.value(_REVOKE, account_id=account_id, id=id)
    return name


def expire(tx: Writing, now: int) -> None:
    """Forget grants that are over, with their codes."""
    tx.execute(_EXPIRE, now=now)


def add_code(
    tx: Writing, sha256: bytes, grant_id: int, *, redirect_uri: str, challenge: str, nonce: str, expires: int
) -> None:
    """Keep an authorization code's hash and what it is bound to."""
    tx.execute(
        _ADD_CODE,
        sha256=sha256,
        grant_id=grant_id,
        redirect_uri=redirect_uri,
        challenge=challenge,
        nonce=nonce,
        expires=expires,
        used=0,
    )


def take_code(tx: Writing, sha256: bytes) -> Code | None:
    """Find a code and burn it in one go. It stays, burnt, as long as its grant, so that a second use is seen."""
    row = tx.one(_FIND_CODE, sha256=sha256)
    if row is None:
        return None
    tx.execute(_BURN_CODE, code=sha256)
    grant_id, redirect_uri, challenge, nonce, expires, used = row
    return Code(grant_id, redirect_uri, challenge, nonce, expires, bool(used))


def _made(row: Row) -> Grant:
    id, account_id, client_id, client_name, scopes, created, auth_time, expires, last_used = row
    return Grant(
        *(id, account_id, client_id, client_name, frozenset(scopes.split())), created, auth_time, expires, last_used
    )
