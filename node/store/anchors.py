"""Where the log's heads stand on chains, and what was signed to bring them there. `node.anchor` knows what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from sqlalchemy import bindparam, delete, func, or_, select, update

from node.store import schema
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that stands in a contract.

    Attributes:
        size, root: the head.
        chain: EIP-155 id.
        contract, sender: addresses, EIP-55; sender "" in rows from before there were several: keeper.key's account.
        tx_hash: 0x and 64 digits.
        block, block_hash, time: where and since when; block_hash b"" in old rows.
        confirmed: no reorganisation is expected to take it away any more.
        gas, fee: what it used, and cost in wei; 0: not known.
    """

    id: int
    size: int
    root: bytes
    chain: int
    contract: str
    tx_hash: str
    block: int
    time: int
    block_hash: bytes = b""
    sender: str = ""
    confirmed: bool = True
    gas: int = 0
    fee: int = 0


class State(IntEnum):
    """What became of a signed transaction."""

    PENDING = 0  # signed: it may have been sent, and may be in a block
    MINED = 1
    FAILED = 2  # in a block, and refused there
    GONE = 3  # its nonce was used up by another one


_ANCHOR, _TX = schema.anchor, schema.chain_transaction

_PUT = Statement(adding(_ANCHOR, "id").returning(_ANCHOR.c.id))
_LATEST = Statement(select(_ANCHOR).order_by(_ANCHOR.c.size.desc(), _ANCHOR.c.id.desc()).limit(1))
_LATEST_ON = Statement(
    select(_ANCHOR)
    .where(
        same(_ANCHOR.c.chain),
        _ANCHOR.c.sender.in_([bindparam("sender"), bindparam("old", "")]),
        or_(same(_ANCHOR.c.contract), bindparam("contract") == ""),
    )
    .order_by(_ANCHOR.c.size.desc(), _ANCHOR.c.id.desc())
    .limit(bindparam("limit"))
)
_PROVISIONAL = Statement(
    select(_ANCHOR)
    .where(same(_ANCHOR.c.chain), same(_ANCHOR.c.sender), _ANCHOR.c.confirmed == bindparam("no", 0))
    .order_by(_ANCHOR.c.size.desc())
    .limit(bindparam("limit"))
)
_CONFIRM = Statement(
    update(_ANCHOR)
    .where(same(_ANCHOR.c.chain, "on"), same(_ANCHOR.c.sender, "by"), _ANCHOR.c.block <= bindparam("last"))
    .values(confirmed=bindparam("yes", 1))
)
_MOVE = Statement(
    update(_ANCHOR)
    .where(same(_ANCHOR.c.id, "anchor_id"))
    .values(block=bindparam("block"), block_hash=bindparam("block_hash"), time=bindparam("time"))
)
_REMOVE = Statement(delete(_ANCHOR).where(same(_ANCHOR.c.id)))
_FIRST_COVERING = (  # for each chain its smallest tree that holds the leaf
    select(func.min(_ANCHOR.c.size).label("size"), _ANCHOR.c.chain.label("chain"))
    .where(_ANCHOR.c.size > bindparam("index"))
    .group_by(_ANCHOR.c.chain)
    .subquery()
)
_COVERING = Statement(
    select(_ANCHOR)
    .join(_FIRST_COVERING, (_ANCHOR.c.size == _FIRST_COVERING.c.size) & (_ANCHOR.c.chain == _FIRST_COVERING.c.chain))
    .order_by(_ANCHOR.c.time, _ANCHOR.c.id)
)
_NEWEST = Statement(select(_ANCHOR).order_by(_ANCHOR.c.id.desc()).limit(bindparam("limit")))
_SINCE = Statement(
    select(schema.leaf.c.time)
    .where(schema.leaf.c.index >= bindparam("start"))
    .order_by(schema.leaf.c.index)
    .limit(bindparam("one", 1))
)

_PUT_TX = Statement(adding(_TX, "id"))
_PENDING = Statement(
    select(_TX.c.raw).where(same(_TX.c.chain), same(_TX.c.sender), same(_TX.c.state)).order_by(_TX.c.nonce, _TX.c.id)
)
_SIGNED = Statement(
    select(_TX.c.raw).where(same(_TX.c.chain), same(_TX.c.sender), same(_TX.c.nonce)).order_by(_TX.c.id)
)
_OVER = Statement(
    update(_TX)
    .where(same(_TX.c.chain, "on"), same(_TX.c.sender, "by"), same(_TX.c.nonce, "number"))
    .values(state=bindparam("state"))
)
_BECAME = Statement(update(_TX).where(same(_TX.c.hash, "which")).values(state=bindparam("state")))
_FIND_TX = Statement(select(_TX.c.chain, _TX.c.sender, _TX.c.nonce).where(same(_TX.c.hash)))
_MADE = Statement(
    select(_TX.c.nonce)
    .where(same(_TX.c.chain), same(_TX.c.sender), same(_TX.c.state), _TX.c.to == bindparam("nobody", ""))
    .order_by(_TX.c.nonce.desc())
    .limit(bindparam("limit"))
)


def put(tx: Writing, anchor: Anchor) -> Anchor:
    """Keep where a head stands on-chain; return it with its `id`."""
    values = {name: getattr(anchor, name) for name in Anchor.__slots__ if name != "id"}
    id = tx.value(_PUT, **{**values, "confirmed": int(anchor.confirmed), "fee": str(anchor.fee)})
    return Anchor(**{**values, "id": id})


def latest(tx: Reading) -> Anchor | None:
    """The anchor of the largest tree, on any chain."""
    return _anchor(tx.one(_LATEST))


def latest_on(tx: Reading, chain: int, sender: str, contract: str = "", limit: int = 1) -> list[Anchor]:
    """The anchors of the largest trees on one chain by one account (in one contract), largest first."""
    return _anchors(tx.execute(_LATEST_ON, chain=chain, sender=sender, contract=contract, limit=limit))


def provisional(tx: Reading, chain: int, sender: str, limit: int = 1000) -> list[Anchor]:
    """Those of one account that wait for confirmations, largest first."""
    return _anchors(tx.execute(_PROVISIONAL, chain=chain, sender=sender, limit=limit))


def confirm(tx: Writing, chain: int, sender: str, last: int) -> None:
    """What stands in blocks up to `last` is there to stay."""
    tx.execute(_CONFIRM, on=chain, by=sender, last=last)


def move(tx: Writing, id: int, block: int, block_hash: bytes, time: int) -> None:
    """A reorganisation put an anchor's transaction in another block."""
    tx.execute(_MOVE, anchor_id=id, block=block, block_hash=block_hash, time=time)


def remove(tx: Writing, id: int) -> None:
    """An anchor is not on its chain any more."""
    tx.execute(_REMOVE, id=id)


def covering(tx: Reading, index: int) -> list[Anchor]:
    """For each chain the smallest anchored tree that holds the leaf at `index`; earliest block first."""
    return _anchors(tx.execute(_COVERING, index=index))


def anchors(tx: Reading, limit: int = 100) -> list[Anchor]:
    """The newest anchors, newest first."""
    return _anchors(tx.execute(_NEWEST, limit=limit))


def waiting_since(tx: Reading, start: int) -> int | None:
    """When the first message from leaf `start` on was logged, in unix seconds by the node's clock; None: no message."""
    since: int | None = tx.value(_SINCE, start=start)
    return since


def put_signed(tx: Writing, chain: int, sender: str, nonce: int, hash: bytes, to: str, raw: bytes, time: int) -> None:  # noqa: PLR0917
    """Keep a signed transaction before it is sent; `to` is "" where it creates a contract."""
    values = {"chain": chain, "sender": sender, "nonce": nonce, "hash": hash, "to": to, "raw": raw, "time": time}
    tx.execute(_PUT_TX, **values, state=State.PENDING.value)


def pending(tx: Reading, chain: int, sender: str) -> list[bytes]:
    """What was signed and has not come to an end: raw transactions, by nonce, older variants first."""
    return [raw for (raw,) in tx.execute(_PENDING, chain=chain, sender=sender, state=State.PENDING.value)]


def signed(tx: Reading, chain: int, sender: str, nonce: int) -> list[bytes]:
    """All that was signed for a nonce: raw transactions, older variants first."""
    return [raw for (raw,) in tx.execute(_SIGNED, chain=chain, sender=sender, nonce=nonce)]


def over(  # noqa: PLR0917
    tx: Writing, chain: int, sender: str, nonce: int, hash: bytes, state: State
) -> None:
    """A nonce is used up: the transaction `hash` ended in `state`, its other variants are gone; b"": all are."""
    tx.execute(_OVER, on=chain, by=sender, number=nonce, state=State.GONE.value)
    tx.execute(_BECAME, which=hash, state=state.value)


def reopen(tx: Writing, hash: bytes) -> None:
    """A transaction is in no block any more: it and its other variants are pending again."""
    if row := tx.one(_FIND_TX, hash=hash):
        chain, sender, nonce = row
        tx.execute(_OVER, on=chain, by=sender, number=nonce, state=State.PENDING.value)


def is_ours(tx: Reading, hash: bytes) -> bool:
    """Whether this node signed that transaction."""
    return tx.one(_FIND_TX, hash=hash) is not None


def created(tx: Reading, chain: int, sender: str, limit: int = 8) -> list[int]:
    """Nonces of the transactions by which an account created contracts, newest first."""
    rows = tx.execute(_MADE, chain=chain, sender=sender, state=State.MINED.value, limit=limit)
    return [nonce for (nonce,) in rows]


def _anchors(rows: Sequence[Row]) -> list[Anchor]:
    return [found for row in rows if (found := _anchor(row))]


def _anchor(row: Row | None) -> Anchor | None:
    if row is None:
        return None
    found = Anchor(*row)
    return replace(found, confirmed=bool(found.confirmed), fee=int(found.fee))
