"""waxseal block and waxseal account role; mistakes are told with their remedy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trio

from node.store import blocked_networks
from node.store.blocked_networks import BlockedNetwork
from node.store.database import Database

Call = Callable[..., Any]


def test_a_block_is_listed_and_taken_away(waxseal: Call, place: Any) -> None:
    assert waxseal("domain", "add", "example.test", "-c", place.config).code == 0
    now = int(time.time())
    found = next(place.data.rglob("*.sqlite"), None) or next(place.data.rglob("*.db"))

    async def block() -> None:
        async with Database.open(found) as database:
            for name in ("192.0.2.7", "2001:db8::/64"):
                one = BlockedNetwork(name, now, now + 900, 2, 12, 6)
                await database.write(lambda tx, one=one: blocked_networks.put(tx, one))

    trio.run(block)
    listed = waxseal("block", "list", "-c", place.config).out.splitlines()
    assert len(listed) == 2
    assert listed[0].endswith("\t2 times\t12 failures\t6 names")
    assert waxseal("block", "remove", "192.0.2.7", "2001:db8::99", "-c", place.config).code == 0
    assert waxseal("block", "list", "-c", place.config).out == ""
    again = waxseal("block", "remove", "192.0.2.7", "-c", place.config)
    assert again.code != 0
    assert "waxseal block list" in again.err
