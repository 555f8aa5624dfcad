"""Witnessing over HTTP: other logs ask for cosignatures, other monitors exchange what they saw."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from node.anchor.witness import Answer
from node.servers.http.house import house, peer
from node.servers.http.log_tiles import TOO_FAST
from node.servers.http.problem import NOT_FOUND, answer_problem

COST = 10.0  # of the allowance that tiles have, too: a signature is verified, and something may be written


async def add_checkpoint(request: Request) -> Response:
    """POST /add-checkpoint (C2SP tlog-witness): a log's new checkpoint, cosigned when it continues the last one."""
    witness = house(request).witness
    if witness is None:
        return answer_problem(request, NOT_FOUND)
    if wait := house(request).log_meter.take(peer(request), COST):
        return answer_problem(request, TOO_FAST, {"retry-after": str(math.ceil(wait))})
    return _plain(await witness.add_checkpoint(await request.body()))


async def seen(request: Request) -> Response:
    """GET /log/seen?origin=...: the newest checkpoints seen of a log, and evidence of its forks."""
    memory = house(request).memory
    if memory is None:
        return answer_problem(request, NOT_FOUND)
    return _plain(await memory.known(request.query_params.get("origin", "")))


async def show(request: Request) -> Response:
    """POST /log/seen: a checkpoint that somebody saw; answered like GET."""
    memory = house(request).memory
    if memory is None:
        return answer_problem(request, NOT_FOUND)
    if wait := house(request).log_meter.take(peer(request), COST):
        return answer_problem(request, TOO_FAST, {"retry-after": str(math.ceil(wait))})
    return _plain(await memory.take(await request.body()))


def _plain(answer: Answer) -> Response:
    # Not `media_type`: it would add a charset, and C2SP tlog-witness wants the type exactly.
    return Response(answer.body, answer.status, {"content-type": answer.kind})
