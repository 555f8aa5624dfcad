"""The log for everybody (C2SP tlog-tiles): hash tiles and entry bundles of the tree that the checkpoint speaks of."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from node.anchor import checkpoint, tiles
from node.anchor.log import Log, TileLost
from node.anchor.tiles import Tile, TileError
from node.base.log import get_log
from node.servers.http.house import house, peer
from node.servers.http.problem import NOT_FOUND, SHORTAGE, Problem, answer_problem

log = get_log(__name__)

TOO_FAST = Problem(
    429, "too-fast", "You are reading the log too fast", "Slow down; full tiles never change, keep them."
)
MAX_PATH = 64  # octets; the longest name of a tile has 43

# Any site's script may read the log: it is public, and meant to be checked.
PUBLIC = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_FULL = {**PUBLIC, "cache-control": "public, max-age=31536000, immutable"}
_PARTIAL = {**PUBLIC, "cache-control": "public, max-age=3600"}  # it does not change either, but nobody asks again
_NOT_YET = {**PUBLIC, "cache-control": "public, max-age=1"}


async def tile(request: Request) -> Response:
    """GET /log/tile/<L>/<N>[.p/<W>] and /log/tile/entries/<N>[.p/<W>]; 404 for what the checkpoint does not cover."""
    here, refusal = house(request), too_fast(request)
    if refusal is not None:
        return refusal
    wanted = _wanted(request)
    note = await here.checkpoint() if wanted and here.checkpoint else None
    if wanted is None or note is None:
        return answer_problem(request, NOT_FOUND, _NOT_YET)
    size = checkpoint.read(note.decode()).size
    if wanted.width > tiles.width_of(wanted.level, wanted.index, size):
        return answer_problem(request, NOT_FOUND, _NOT_YET)  # what is not signed yet is nobody's business
    try:
        content = await here.database.read(lambda tx: Log().tile(tx, wanted))
    except TileLost as error:
        log.error("log.tile_lost", tile=error.tile.path, error=str(error))  # noqa: TRY400 - an operator reads it
        return answer_problem(request, SHORTAGE, {**PUBLIC, "retry-after": "3600"})
    return Response(content, headers=_FULL if wanted.is_full else _PARTIAL, media_type="application/octet-stream")


def too_fast(request: Request) -> Response | None:
    """Count one request; the answer when its network's allowance is used up."""
    wait = house(request).log_meter.take(peer(request))
    return answer_problem(request, TOO_FAST, {**PUBLIC, "retry-after": str(math.ceil(wait))}) if wait else None


def _wanted(request: Request) -> Tile | None:
    """The tile that is asked for; None where its path is misspelt, also by percent signs: caches know paths as sent."""
    path = request.scope["path"]
    raw = request.scope.get("raw_path") or path.encode("utf-8", "replace")
    if len(raw) > MAX_PATH or raw.partition(b"?")[0] != path.encode("utf-8", "replace"):
        return None
    try:
        return tiles.parse_path(path.removeprefix("/log/"))
    except TileError:
        return None
