"""GET /audit: check a message and its receipt in the browser, and see how the log has grown."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from node.anchor import checkpoint, tree_heads
from node.servers.http import log_chart
from node.servers.http.guard import POLICY
from node.servers.http.house import house
from node.servers.http.problem import NOT_FOUND, answer_problem
from node.store import anchors, log_growth
from node.store.anchors import Anchor
from node.store.transaction import Reading

SAMPLES = 160  # checkpoints in the chart
LISTED = 12  # anchors in the table
DRAWN = 120  # anchors in the chart

# The page asks whichever chain server the visitor names, and nobody else. Message and receipt are read by its scripts
# and sent nowhere.
_POLICY = POLICY.replace("connect-src 'self'", "connect-src https: http://localhost:* http://127.0.0.1:*")


async def page(request: Request) -> Response:
    """The page; nothing on it is secret, and nobody needs to be logged in."""
    here = house(request)
    note = await here.checkpoint() if here.checkpoint else None
    if not here.settings.log_keys:
        return answer_problem(request, NOT_FOUND)
    head = checkpoint.read(note.decode()) if note else None
    growth, newest = await here.database.read(_history)
    dots = [(anchor.size, anchor.time, _words(anchor)) for anchor in sorted(newest, key=lambda one: one.size)]
    answer = here.templates.page(
        "audit.html",
        head=head,
        chart=log_chart.draw(growth, dots, int(time.time())),
        size=log_chart,
        anchors=newest[:LISTED],
        is_private=any(f"eip155:{anchor.chain}" == here.settings.embedded_chain for anchor in newest),
        facts=_facts(here.settings.embedded_chain),
    )
    answer.headers["content-security-policy"] = _POLICY
    return answer


def _history(tx: Reading) -> tuple[list[tuple[int, int]], list[Anchor]]:
    return log_growth.growth(tx, SAMPLES), anchors.anchors(tx, DRAWN)


def _words(anchor: Anchor) -> str:
    return f"{anchor.size} entries in block {anchor.block} of eip155:{anchor.chain}"


@cache
def _facts(embedded: str) -> dict[str, Any]:
    """What the script has to know about the contract; it compares all of it with what the chain says."""
    return {
        "code": hashlib.sha256(tree_heads.deployed_code()).hexdigest(),
        "head": tree_heads.HEAD.hex(),
        "anchored": tree_heads.ANCHORED.hex(),
        "embedded": embedded,
    }
