"""Links instead of attachments: a row for each, without the key that opens it.

A link is *begun* before its first block is written and *kept* in the transaction that sends the message which names it.
It is *over* once it has expired, was revoked, or its account went; then its blocks go, and its row a while later.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, or_, select, update

from node.store.schema_links import link, link_choice
from node.store.statement import Statement, adding, replacing, same
from node.store.transaction import Reading, Writing

BEGUN_SECONDS = 3600  # after which a link that was begun belongs to nobody
MAX_LISTED = 200


@dataclass(frozen=True, slots=True)
class Link:
    """One link; times are unix seconds, `cid` is b"" without blocks, `revoked` 0 when it was not."""

    id: bytes
    account_id: int | None
    cid: bytes
    size: int
    name: str
    recipients: str
    created: int
    expires: int
    allowed: int
    downloads: int
    revoked: int
    proof: bytes
    ticket_key: bytes

    def works(self, now: float) -> bool:
        """True while its blocks are there and nobody ended it; downloads may be used up all the same."""
        return bool(self.cid) and self.account_id is not None and not self.revoked and now < self.expires

    @property
    def left(self) -> int:
        """Downloads that may still be begun."""
        return max(0, self.allowed - self.downloads)


_C = link.c
_COLUMNS = [_C[name] for name in Link.__dataclass_fields__]
_ADD = Statement(adding(link))
_KEEP = Statement(update(link).where(same(_C.id, "of"), _C.cid == b"").values(cid=bindparam("cid")))
_GET = Statement(select(*_COLUMNS).where(same(_C.id)))
_OF_ACCOUNT = Statement(
    select(*_COLUMNS)
    .where(same(_C.account_id), or_(_C.cid != b"", _C.revoked > 0, _C.downloads > 0, _C.expires < bindparam("now")))
    .order_by(_C.created.desc(), _C.id)
    .limit(MAX_LISTED)
)
_COUNT = Statement(update(link).where(same(_C.id, "of"), _C.downloads < _C.allowed).values(downloads=_C.downloads + 1))
_REVOKE = Statement(
    update(link)
    .where(same(_C.id, "of"), same(_C.account_id, "whose"), _C.revoked == 0)
    .values(revoked=bindparam("now"))
)
_OVER = Statement(
    select(*_COLUMNS)
    .where(_C.cid != b"", or_(_C.expires < bindparam("now"), _C.revoked > 0, _C.account_id.is_(None)))
    .limit(100)
)
_ROOTS = Statement(select(_C.cid).where(_C.cid != b""))
_CLEARED = Statement(update(link).where(same(_C.id, "of")).values(cid=b""))
_BEGUN = Statement(
    select(_C.id).where(
        _C.cid == b"", _C.revoked == 0, _C.expires >= bindparam("now"), _C.created >= bindparam("since")
    )
)
_STALE = Statement(
    delete(link).where(
        _C.cid == b"",
        _C.revoked == 0,
        _C.downloads == 0,
        _C.created < bindparam("before"),
        _C.expires >= bindparam("now"),
    )
)
_FORGET = Statement(delete(link).where(same(_C.id)))
_EXPIRE = Statement(
    delete(link).where(
        _C.cid == b"",
        or_(_C.account_id.is_(None), _C.expires < bindparam("before"), _C.revoked.between(1, bindparam("before"))),
    )
)
_CHOICE = Statement(select(link_choice.c.wanted).where(same(link_choice.c.account_id)))
_CHOOSE = Statement(replacing(link_choice))
_UNCHOOSE = Statement(delete(link_choice).where(same(link_choice.c.account_id)))


def begin(tx: Writing, new: Link) -> None:
    """Say that blocks of this link are about to be written."""
    tx.execute(_ADD, **{name: getattr(new, name) for name in Link.__dataclass_fields__})


def keep(tx: Writing, id: bytes, cid: bytes) -> None:
    """It is whole; in one transaction with the message that names it."""
    tx.execute(_KEEP, of=id, cid=cid)


def get(tx: Reading, id: bytes) -> Link | None:
    """A link by its id."""
    row = tx.one(_GET, id=id)
    return Link(*row) if row else None


def of_account(tx: Reading, account_id: int, now: int) -> list[Link]:
    """What somebody sent as links, the newest first, at most `MAX_LISTED`."""
    return [Link(*row) for row in tx.execute(_OF_ACCOUNT, account_id=account_id, now=now)]


def count(tx: Writing, id: bytes, now: float) -> bool:
    """Begin a download; False when the link does not work (any more) or its downloads are used up."""
    found = get(tx, id)
    if found is None or not found.works(now) or not found.left:
        return False
    tx.execute(_COUNT, of=id)
    return True


def revoke(tx: Writing, id: bytes, account_id: int, now: int) -> bool:
    """End one's own link at once; False when there is none or it was revoked before."""
    found = get(tx, id)
    if found is None or found.account_id != account_id or found.revoked:
        return False
    tx.execute(_REVOKE, of=id, whose=account_id, now=now)
    return True


def over(tx: Reading, now: int) -> list[Link]:
    """Links that ended and still have blocks, a hundred at most."""
    return [Link(*row) for row in tx.execute(_OVER, now=now)]


def roots(tx: Reading) -> list[bytes]:
    """The CIDs of all links' trees: no garbage."""
    return [cid for (cid,) in tx.execute(_ROOTS)]


def being_written(tx: Reading, now: int) -> int:
    """How many links are begun and not kept: their blocks look like garbage and are none."""
    return sum(1 for _ in tx.execute(_BEGUN, now=now, since=now - BEGUN_SECONDS))


def cleared(tx: Writing, id: bytes) -> None:
    """Its blocks are gone."""
    tx.execute(_CLEARED, of=id)


def forget(tx: Writing, id: bytes) -> None:
    """It was begun and never sent."""
    tx.execute(_FORGET, id=id)


def forget_begun(tx: Writing, now: int) -> None:
    """Forget what a crash left begun; the next collection of garbage finds its blocks."""
    tx.execute(_STALE, before=now - BEGUN_SECONDS, now=now)


def expire(tx: Writing, before: int) -> None:
    """Forget links that ended before a time and have no blocks any more."""
    tx.execute(_EXPIRE, before=before)


def choice(tx: Reading, account_id: int) -> bool | None:
    """Whether an account wants links; None when it does as its domain does."""
    row = tx.one(_CHOICE, account_id=account_id)
    return bool(row[0]) if row else None


def choose(tx: Writing, account_id: int, wanted: bool | None) -> None:
    """Set that."""
    if wanted is None:
        tx.execute(_UNCHOOSE, account_id=account_id)
    else:
        tx.execute(_CHOOSE, account_id=account_id, wanted=int(wanted))
