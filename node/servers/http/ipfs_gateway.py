"""GET /ipfs/{cid}: a trustless gateway (IPFS Trustless Gateway specification) over this node's own sealed blocks.

It gives single blocks and CAR archives, never content put together: whoever asks checks every block against its CID. It
reads the local store alone, so two nodes that ask each other never ask in circles. Peers are known by their address or
by a token; for everybody else there is nothing here unless the gateway is public.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from node.base import metrics
from node.base.errors import WaxsealError
from node.base.log import get_log
from node.ipfs import car
from node.ipfs.blockstore import BlockMissing
from node.ipfs.cid import Cid, CidError
from node.ipfs.unixfs import Block
from node.servers.http.gateway import Gateway
from node.servers.http.house import house, peer

log = get_log(__name__)

RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"
CAR_COST = 20.0  # of that allowance, for an archive
MAX_PATH = 1024  # octets
PROBE = "bafkqaaa"  # the empty block in its own name: clients ask for it to see whether this is a gateway
_KEEP = "max-age=29030400, immutable"
_FORMATS = {"raw": RAW, "car": CAR}
_SCOPES = frozenset({"block", "entity", "all"})
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")
_BASE32 = re.compile(r"b[a-z2-7]{7,200}\Z")
_CID_V0 = re.compile(r"Qm[1-9A-HJ-NP-Za-km-z]{44}\Z")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for: a kind of answer, and for archives how much of the tree."""

    kind: str
    scope: str = "all"

    @property
    def format(self) -> str:
        return "raw" if self.kind == RAW else "car"


class _RefusedError(Exception):
    """An answer other than what was wished for: a status and words."""

    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.headers = status, headers or {}


async def block(request: Request) -> Response:
    """GET and HEAD /ipfs/{cid}?format=raw|car."""
    gateway = house(request).gateway
    if gateway is None:
        return _answer(_RefusedError(404, "This node has no gateway."))
    try:
        answer = await _block(request, gateway)
    except _RefusedError as refused:
        answer = _answer(refused)
    metrics.gateway_requests.labels(str(answer.status_code)).inc()
    if gateway.public:
        answer.headers["access-control-allow-origin"] = "*"
        answer.headers["cross-origin-resource-policy"] = "cross-origin"
    return answer


async def _block(request: Request, gateway: Gateway) -> Response:
    if not gateway.admits(peer(request), request.headers.get("authorization", "")):
        words = "This gateway answers its peers. Ask its operator to add your address or to give you a token."
        raise _RefusedError(403, words)
    wish = None if _text(request) == PROBE else _wish(request)
    if wait := gateway.meter.take(peer(request), CAR_COST if wish and wish.kind == CAR else 1.0):
        raise _RefusedError(
            429, "That is too fast; blocks never change, keep them.", {"retry-after": str(math.ceil(wait))}
        )
    if wish is None:
        return Response(b"", media_type=RAW, headers=_headers(gateway, PROBE, "raw", f'"{PROBE}.raw"'))
    cid = _cid(_text(request))
    root = await _root(request, gateway, cid)
    tag = f'"{cid}.raw"' if wish.kind == RAW else f'"{cid}.car.{wish.scope}"'
    headers = _headers(gateway, str(cid), wish.format, tag)
    if request.query_params.get("format") is None:
        headers["content-location"] = f"/ipfs/{cid}?format={wish.format}"
    if _is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return _raw(request, root, headers) if wish.kind == RAW else _archive(request, gateway, root, wish, headers)


def _text(request: Request) -> str:
    """The path behind /ipfs/, as it was sent: one that is spelt with percent signs, or much too long, is none."""
    raw = bytes(request.scope.get("raw_path") or b"")
    path = str(request.scope["path"])
    if len(raw) > MAX_PATH or raw.partition(b"?")[0] != path.encode("utf-8", "replace"):
        raise _RefusedError(400, "A CID is written plainly, in base32.")
    return path.removeprefix("/ipfs/")


def _cid(text: str) -> Cid:
    name, slash, rest = text.partition("/")
    try:
        cid = Cid.parse(name)
    except CidError as error:
        raise _unreadable(name, str(error)) from None
    if slash:
        gone = "This gateway holds sealed files, which have no paths below them" if rest else "Leave the last / out"
        raise _RefusedError(404 if rest else 400, f"{gone}.")
    return cid


def _unreadable(text: str, words: str) -> _RefusedError:
    """400 for what is no CID, 501 for a CID of a kind that is not served here."""
    if _CID_V0.match(text):
        return _RefusedError(501, "Only CIDv1 is served here: write it in base32 (ipfs cid base32).")
    if _BASE32.match(text):
        padded = text[1:].upper() + "=" * (-len(text[1:]) % 8)
        try:
            data = base64.b32decode(padded)
        except ValueError:
            data = b""
        if data[:1] == b"\x01" and data[1:2] not in (b"\x55", b"\x70"):
            return _RefusedError(501, "Only the codecs raw and dag-pb are served here.")
        if data[:1] == b"\x01" and data[2:4] != b"\x12\x20":
            return _RefusedError(501, "Only SHA-256 CIDs are served here.")
    return _RefusedError(400, f"That is no CID this gateway reads: {words}.")


def _wish(request: Request) -> _Wish:
    """The format asked for: `format` goes before `Accept`; without either there is nothing to choose (400)."""
    query = request.query_params
    wanted = query.get("format")
    if wanted is None:
        kind = _accepted(request.headers.get("accept", ""))
    elif wanted in _FORMATS:
        kind = _FORMATS[wanted]
    else:
        raise _RefusedError(501 if wanted == "ipns-record" else 400, "The formats here are raw and car: ?format=raw.")
    if kind == RAW:
        return _Wish(RAW)
    if query.get("car-version", "1") != "1":
        raise _RefusedError(400, "CAR version 1 is the one served here.")
    if query.get("car-order", "dfs") not in ("dfs", "unk") or query.get("car-dups", "y") not in ("y", "n"):
        raise _RefusedError(400, "car-order is dfs or unk, car-dups is y or n.")
    if "entity-bytes" in query:
        raise _RefusedError(501, "entity-bytes is not served here: read single leaves with ?format=raw.")
    scope = query.get("dag-scope", "all")
    if scope not in _SCOPES:
        raise _RefusedError(400, "dag-scope is block, entity or all.")
    return _Wish(CAR, "block" if scope == "block" else "all")


def _accepted(accept: str) -> str:
    """The first of our kinds that an Accept header names."""
    kinds = [item.partition(";") for item in accept.lower().split(",")[:50]]
    for kind, _, parameters in kinds:
        if kind.strip() == RAW:
            return RAW
        if kind.strip() == CAR:
            if "version=" in parameters and "version=1" not in parameters:
                raise _RefusedError(406, "CAR version 1 is the one served here.")
            return CAR
    names = f"Say what you want: ?format=raw, ?format=car, or Accept: {RAW}."
    raise _RefusedError(400 if not accept or "*/*" in accept else 406, f"This gateway gives blocks, not files. {names}")


async def _root(request: Request, gateway: Gateway, cid: Cid) -> Block:
    try:
        return Block(cid, await gateway.blocks.get(cid))
    except BlockMissing:
        cached = "only-if-cached" in request.headers.get("cache-control", "").lower()
        raise _RefusedError(412 if cached else 404, "This block is not here.", {"cache-control": "no-store"}) from None
    except WaxsealError:  # damaged, or the disk does not answer: the log has it
        raise _RefusedError(500, "This block cannot be read now; another replica may have it.") from None


def _headers(gateway: Gateway, name: str, format: str, tag: str) -> dict[str, str]:
    # A shared cache must not hand to everybody what is meant for peers.
    shown = "public" if gateway.public else "private"
    return {
        "etag": tag,
        "cache-control": f"{shown}, {_KEEP}",
        "content-disposition": f'attachment; filename="{name}.{"bin" if format == "raw" else "car"}"',
        "x-ipfs-path": f"/ipfs/{name}",
        "x-ipfs-roots": name,
        "vary": "accept",
    }


def _is_known(field: str, tag: str) -> bool:
    """RFC 9110 §13.1.2, with weak comparison."""
    known = [item.strip().removeprefix("W/") for item in field.split(",")[:100]]
    return tag in known or known == ["*"]


def _raw(request: Request, block: Block, headers: dict[str, str]) -> Response:
    headers["accept-ranges"] = "bytes"
    metrics.gateway_bytes.inc(0 if request.method == "HEAD" else len(block.data))
    span = _span(request, len(block.data), headers["etag"])
    if span is None:
        return Response(block.data, media_type=RAW, headers=headers)
    start, stop = span
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(block.data)}"
    return Response(block.data[start:stop], 206, media_type=RAW, headers=headers)


def _span(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """The octets asked for; None for all: several ranges, and what is no range, are ignored (RFC 9110 §14.2)."""
    found = _RANGE.match(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", tag) != tag or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        raise _RefusedError(416, f"The block has {size} octets.", {"content-range": f"bytes */{size}"})
    return start, stop


def _archive(request: Request, gateway: Gateway, root: Block, wish: _Wish, headers: dict[str, str]) -> Response:
    headers |= {"accept-ranges": "none"}
    kind = f"{CAR}; version=1; order=dfs; dups=y"
    if request.method == "HEAD":
        return Response(media_type=kind, headers=headers)
    if wish.scope == "block":
        return Response(b"".join(car.write([root.cid], [root])), media_type=kind, headers=headers)
    if gateway.streams.available_tokens < 1:
        raise _RefusedError(429, "Too many archives are being read at once.", {"retry-after": "5"})
    return _Archive(gateway, root.cid, kind, headers)


class _Archive(StreamingResponse):
    """An archive; where a block is missing the connection ends without the last chunk, so nobody takes it for whole."""

    def __init__(self, gateway: Gateway, root: Cid, kind: str, headers: dict[str, str]) -> None:
        self._gateway = gateway
        self._pieces = _counted(car.of_tree(gateway.blocks.get, root))
        super().__init__(self._pieces, media_type=kind, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._gateway.streams, aclosing(self._pieces):
            await super().__call__(scope, receive, send)


async def _counted(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            metrics.gateway_bytes.inc(len(piece))
            yield piece


def _answer(refused: _RefusedError) -> Response:
    return Response(f"{refused}\n", refused.status, {"cache-control": "no-store", **refused.headers}, "text/plain")
