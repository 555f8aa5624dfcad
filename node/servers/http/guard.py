"""What stands before every page: limits on size, time and number, requests from other sites, and security headers."""

from __future__ import annotations

import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.base.log import get_log
from node.servers.http.settings import WebSettings

log = get_log(__name__)

MAX_BODY = 64 * 1024  # octets; the largest thing anybody sends here is a signed message of 4 KiB
REQUEST_SECONDS = 30.0
ARCHIVE_SECONDS = 900.0  # for what is large and streams: archives of the gateway, which are few at a time
MAX_REQUESTS = 256  # at a time
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# No script but ours, none inline, nothing from elsewhere. Wallets announce their icons as data: addresses (EIP-6963);
# an <img> runs no script, not even in SVG.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # "no-referrer" would make browsers send Origin: null with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._settings = settings
        self._inside = 0
        self._headers = dict(HEADERS)
        if settings.is_secure:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._dress(MutableHeaders(scope=message))
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_dressed)
            return
        self._inside += 1
        try:
            seconds = ARCHIVE_SECONDS if scope["path"].startswith("/ipfs/") else REQUEST_SECONDS
            with trio.move_on_after(seconds) as deadline:
                await self._app(scope, _limited(receive), send_dressed)
        finally:
            self._inside -= 1
        if deadline.cancelled_caught:
            log.warning("http request too slow", path=scope["path"][:200])
            if not started:
                await PlainTextResponse("That took too long; try again.\n", 503)(scope, receive, send_dressed)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if self._inside >= MAX_REQUESTS:
            return PlainTextResponse("Too many requests at once; try again.\n", 503, {"retry-after": "2"})
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 15 or int(length) > MAX_BODY:
            return PlainTextResponse("Too large.\n", 413, {"connection": "close"})
        if scope["method"] not in _SAFE and self._is_foreign(headers):
            return PlainTextResponse(
                f"This request came from another site. Open {self._settings.origin} and try again.\n", 403
            )
        return None

    def _is_foreign(self, headers: Headers) -> bool:
        """True for what another site made a browser send (CSRF), beside SameSite=Strict on the cookies.

        Browsers send both headers with every POST; programs send neither and carry no cookie of somebody else's.
        """
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return True
        return headers.get("origin", self._settings.origin) != self._settings.origin

    def _dress(self, headers: MutableHeaders) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        headers.setdefault("cache-control", "no-store")  # pages show addresses and, once, a password


def _limited(receive: Receive) -> Receive:
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise HTTPException(413)
        return message

    return receive_limited
