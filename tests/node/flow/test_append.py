"""What a client puts into a mailbox itself: kept as it stands, with its flags and date, and not noted in the log."""

from __future__ import annotations

import pytest

from node.flow.append import Append
from node.store import mailboxes
from node.store.messages import Flag

pytestmark = pytest.mark.anyio


async def test_kept_as_it_stands(house) -> None:
    sent = await house.premises.database.read(lambda tx: mailboxes.special(tx, house.ann.id, "\\Sent"))
    content = b"X-Waxseal-Verdict: mx.house.example; content=ham\nSubject: draft\n\nbare line feeds stay as they are\n"
    incoming = await house.incoming(content)
    made = await Append(house.premises)(sent, incoming, Flag.SEEN, frozenset({"$Label1"}), 1_700_000_000)
    assert (made.flags, made.keywords, made.internaldate) == (Flag.SEEN, {"$Label1"}, 1_700_000_000)
    assert await house.contents(house.ann, "Sent") == [content]
    assert await house.log_size() == 0
