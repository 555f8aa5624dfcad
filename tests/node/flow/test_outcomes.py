"""A message's leaf names what became of it, and the policy that was in force in the transaction that kept it."""

from __future__ import annotations

import pytest

from node.anchor import message_leaves, policy
from node.anchor.leaf import Direction, Leaf, Outcome
from node.base.address import parse_address
from node.flow.deliver import Order, deliver
from node.flow.held import Holding, Why, hold
from node.flow.parcel import small_parcel
from node.store import leaves
from node.store.transaction import Reading, Writing

pytestmark = pytest.mark.anyio
HOLDING = Holding("mx.house.example", 86400, notices=False)
PEOPLE = ("ann@house.example", "bob@house.example")


def order(*recipients: str, folder: str = "", **more: object) -> Order:
    addresses = [parse_address(text) for text in recipients]
    return Order("nora@example.org", addresses, Direction.RECEIVED, folder, **more)  # type: ignore[arg-type]


async def leaf_of(house, order: Order, *, held: bool = False) -> Leaf:
    def work(tx: Writing) -> int:
        parcel = small_parcel(b"Subject: hello\r\n\r\nHello.\r\n")
        if held:
            return hold(tx, parcel, order, house.premises.log, HOLDING, Why("hello", "threat", "threat-held"))
        return deliver(tx, parcel, order, house.premises.log)

    index = await house.premises.database.write(work)

    def query(tx: Reading) -> tuple[Leaf, bytes]:
        row = leaves.leaf(tx, index)
        assert row
        return message_leaves.made(row), house.premises.log.entry(tx, index)

    leaf, entry = await house.premises.database.read(query)
    assert leaf.entry == entry
    return leaf


async def test_before_the_first_policy_a_leaf_says_nothing_of_it(house) -> None:
    leaf = await leaf_of(house, order(*PEOPLE))
    assert (leaf.outcome, leaf.policy, len(leaf.encode())) == (None, b"", 74)


async def test_each_outcome_is_named(house) -> None:
    now = await house.premises.database.write(lambda tx: policy.enforce(tx, {"threat": {"at": 0.9}}))

    async def outcome(wanted: Order, *, held: bool = False) -> Outcome | None:
        leaf = await leaf_of(house, wanted, held=held)
        assert (leaf.policy, len(leaf.encode())) == (now.hash, 107)
        return leaf.outcome

    assert await outcome(order(*PEOPLE)) is Outcome.INBOX
    assert await outcome(order(*PEOPLE, folder="\\Junk")) is Outcome.JUNK
    assert await outcome(order(*PEOPLE, folders={house.ann.id: "\\Junk"})) is Outcome.DIVIDED
    assert await outcome(order(*PEOPLE, folder="\\Junk", folders={house.ann.id: "", house.bob.id: ""})) is Outcome.INBOX
    assert await outcome(order(*PEOPLE), held=True) is Outcome.HELD
    assert await outcome(order("nora@far.example", may_leave=True)) is Outcome.SENT
    assert await outcome(order("ann@house.example", "nora@far.example", may_leave=True)) is Outcome.SENT


async def test_a_policy_counts_from_its_own_commit_on(house) -> None:
    first = await house.premises.database.write(lambda tx: policy.enforce(tx, {"threat": {"at": 0.9}}))
    before = await leaf_of(house, order(*PEOPLE))
    second = await house.premises.database.write(lambda tx: policy.enforce(tx, {"threat": {"at": 0.8}}))
    after = await leaf_of(house, order(*PEOPLE))
    assert (before.policy, after.policy) == (first.hash, second.hash)
    again = await house.premises.database.read(lambda tx: message_leaves.find(tx, before.message_sha256))
    assert [leaf.policy for _, leaf in again] == [first.hash, second.hash]
