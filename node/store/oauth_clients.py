"""OAuth clients that registered themselves, and devices that wait for a person's word."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, delete, func, select, update

from node.store.schema_oauth import oauth_client, oauth_device, oauth_grant
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Client:
    """A public client.

    Attributes:
        name: what it calls itself.
        redirects: where codes may be sent.
    """

    id: str
    name: str
    redirects: tuple[str, ...]


class Waiting(StrEnum):
    """What has become of a device's request."""

    PENDING = "pending"
    ALLOWED = "allowed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Device:
    """A device that asked. Times are unix seconds; `asked` is when it asked last, `every` how often it may."""

    sha256: bytes
    user_code: str
    client_id: str
    client_name: str
    scopes: frozenset[str]
    expires: int
    every: int
    asked: int
    state: Waiting
    grant_id: int | None


_C = oauth_client.c
_ADD = Statement(adding(oauth_client))
_GET = Statement(select(_C.id, _C.name, _C.redirects).where(same(_C.id)))
_COUNT = Statement(select(func.count()).select_from(oauth_client))
_USED = Statement(update(oauth_client).where(same(_C.id, "client_id")).values(used=bindparam("when")))
# Clients that nobody ever allowed anything go soon; others once nobody allows them anything any more.
_EXPIRE = Statement(
    delete(oauth_client).where(
        _C.created <= bindparam("before"),
        _C.used <= bindparam("used_before"),
        ~select(oauth_grant.c.id).where(oauth_grant.c.client_id == _C.id).exists(),
    )
)

_D = oauth_device.c
_ADD_DEVICE = Statement(adding(oauth_device))
_FIND_DEVICE = Statement(select(oauth_device).where(same(_D.sha256)))
_BY_USER_CODE = Statement(select(oauth_device).where(same(_D.user_code), _D.expires > bindparam("now")))
_COUNT_DEVICES = Statement(select(func.count()).select_from(oauth_device))
_ASKED = Statement(
    update(oauth_device).where(same(_D.sha256, "device")).values(asked=bindparam("when"), every=bindparam("pause"))
)
_DECIDE = Statement(
    update(oauth_device)
    .where(same(_D.user_code, "code"), _D.state == Waiting.PENDING.value, _D.expires > bindparam("now"))
    .values(state=bindparam("verdict"), grant_id=bindparam("granted"))
    .returning(_D.client_name)
)
_REMOVE_DEVICE = Statement(delete(oauth_device).where(same(_D.sha256)))
_EXPIRE_DEVICES = Statement(delete(oauth_device).where(_D.expires <= bindparam("now")))


def add(tx: Writing, client: Client, now: int) -> None:
    """Keep a client that registered itself."""
    tx.execute(_ADD, id=client.id, name=client.name, redirects=json.dumps(client.redirects), created=now, used=0)


def get(tx: Reading, id: str) -> Client | None:
    """The client by its id."""
    row = tx.one(_GET, id=id)
    return None if row is None else Client(row[0], row[1], tuple(json.loads(row[2])))


def count(tx: Reading) -> int:
    """How many clients registered themselves."""
    found: int = tx.value(_COUNT)
    return found


def mark_used(tx: Writing, id: str, when: int) -> None:
    """Note that a person allowed this client something; nothing to note for clients of the settings."""
    tx.execute(_USED, client_id=id, when=when)


def expire(tx: Writing, before: int, used_before: int) -> None:
    """Forget clients without a grant that are older than `before` and were last allowed something by `used_before`."""
    tx.execute(_EXPIRE, before=before, used_before=used_before)


def add_device(tx: Writing, device: Device) -> None:
    """Keep a device's request."""
    tx.execute(
        _ADD_DEVICE,
        sha256=device.sha256,
        user_code=device.user_code,
        client_id=device.client_id,
        client_name=device.client_name,
        scopes=" ".join(sorted(device.scopes)),
        expires=device.expires,
        every=device.every,
        asked=device.asked,
        state=device.state.value,
        grant_id=device.grant_id,
    )


def find_device(tx: Reading, sha256: bytes) -> Device | None:
    """The request that a device's code (its SHA-256) names, expired or not."""
    return _made(tx.one(_FIND_DEVICE, sha256=sha256))


def by_user_code(tx: Reading, user_code: str, now: int) -> Device | None:
    """The request that a person's code names, while it is open."""
    return _made(tx.one(_BY_USER_CODE, user_code=user_code, now=now))


def count_devices(tx: Reading) -> int:
    """How many requests there are."""
    found: int = tx.value(_COUNT_DEVICES)
    return found


def device_asked(tx: Writing, sha256: bytes, when: int, every: int) -> None:
    """Note that a device asked, and how long it has to wait from now on."""
    tx.execute(_ASKED, device=sha256, when=when, pause=every)


def decide(tx: Writing, user_code: str, state: Waiting, grant_id: int | None, now: int) -> bool:
    """A person's word; false when the request is gone, or was decided before."""
    return tx.one(_DECIDE, code=user_code, verdict=state.value, granted=grant_id, now=now) is not None


def remove_device(tx: Writing, sha256: bytes) -> None:
    """The request is answered."""
    tx.execute(_REMOVE_DEVICE, sha256=sha256)


def expire_devices(tx: Writing, now: int) -> None:
    """Forget requests whose time is over."""
    tx.execute(_EXPIRE_DEVICES, now=now)


def _made(row: Row | None) -> Device | None:
    if row is None:
        return None
    sha256, user_code, client_id, client_name, scopes, expires, every, asked, state, grant_id = row
    return Device(
        *(sha256, user_code, client_id, client_name, frozenset(scopes.split())),
        *(expires, every, asked, Waiting(state), grant_id),
    )
