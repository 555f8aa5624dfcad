"""For machines that watch the node: is it well, and what has it counted?"""

from __future__ import annotations

import trio
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from node.base.errors import Temporary
from node.servers.http.house import house
from node.servers.http.problem import NOT_FOUND, answer_problem
from node.store import web_sessions

HEALTH_SECONDS = 2.0
_FORWARDED = ("x-forwarded-for", "forwarded", "via")


async def healthz(request: Request) -> Response:
    """GET /healthz: 200 while the store answers, 503 when it does not."""
    with trio.move_on_after(HEALTH_SECONDS):
        try:
            await house(request).database.read(lambda tx: web_sessions.get(tx, b"", 0))
            return PlainTextResponse("ok\n")
        except Temporary as error:
            return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse("the store does not answer\n", 503)


async def metrics(request: Request) -> Response:
    """GET /metrics: Prometheus' text format, for the peers named in the settings."""
    allowed = request.client is not None and request.client.host in house(request).settings.metrics_peers
    # A proxy on this machine makes the whole world look like loopback; it leaves these headers behind.
    if not allowed or any(name in request.headers for name in _FORWARDED):
        return answer_problem(request, NOT_FOUND)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
