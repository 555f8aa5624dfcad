"""One request to a web service over HTTP, with a bound on what it may answer: httpx2 on Trio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2 as httpx
import trio

from node.base.config_places import Place, UnixSocket
from node.base.errors import RemoteProtocolError, Temporary, WaxsealError

Content = bytes | AsyncIterable[bytes]
Fields = Sequence[tuple[bytes, bytes]]
MAX_REFUSAL = 64 << 10  # octets of an answer that says no where a long one was asked for
PLAIN = (b"Accept-Encoding", b"identity")  # nothing is ever undone here: a few kilobytes could unfold to gigabytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer of any status.

    Attributes:
        kind: its media type in lower case, without parameters.
        retry_after: seconds that it asks us to wait; 0 where it says none (RFC 9110 §10.2.3; dates are not read).
    """

    status: int
    kind: str
    body: bytes
    retry_after: int = 0


class WebService:
    """The HTTP service below one address. Make it with `WebService.open`; the caller sets deadlines."""

    def __init__(self, client: httpx.AsyncClient, base: str, what: str) -> None:
        self._client = client
        self._base = base
        self._what = what

    @classmethod
    @asynccontextmanager
    async def open(cls, base: str, what: str, headers: Fields = ()) -> AsyncIterator[WebService]:
        """A service at an https:// or http:// address.

        Args:
            what: its name in errors; the address may be a secret of the operator's.
            headers: sent with every request, the authorisation for example.
        """
        # The environment's proxies are for browsers; a redirect would hand mail and key to somebody else.
        fixed = list(headers)
        async with httpx.AsyncClient(timeout=None, trust_env=False, follow_redirects=False, headers=fixed) as client:
            yield cls(client, base.rstrip("/"), what)

    @classmethod
    @asynccontextmanager
    async def beside(cls, where: Place, what: str) -> AsyncIterator[WebService]:
        """A daemon's service without TLS, at a port or a Unix socket."""
        socket = str(where.path) if isinstance(where, UnixSocket) else None
        transport = httpx.AsyncHTTPTransport(uds=socket, trust_env=False, verify=False)
        base = "http://localhost" if socket else f"http://{where}"
        async with httpx.AsyncClient(transport=transport, timeout=None, trust_env=False) as client:
            yield cls(client, base, what)

    async def get(self, path: str, limit: int) -> bytes:
        """The body of an answer 200, at most `limit` octets (see `post`)."""
        return await self._ask("GET", path, None, (), limit)

    async def post(self, path: str, content: Content, headers: Fields, limit: int) -> bytes:
        """The body of the answer 200.

        Args:
            headers: of this request, Content-Length included where `content` is a stream.
            limit: octets of the body at most.

        Raises:
            Temporary: it cannot be reached, or its status says that it cannot answer.
            RemoteProtocolError: what it says is no HTTP, is encoded, or is longer than `limit`.
        """
        return await self._ask("POST", path, content, headers, limit)

    async def exchange(
        self, method: str, path: str, limit: int, content: Content | None = None, headers: Fields = ()
    ) -> Exchange:
        """The answer whatever its status; a redirect is an answer like others and not followed. Raises as `post`."""
        return await self._exchange(method, path, content, headers, limit, any_status=True)

    async def pour(
        self,
        method: str,
        path: str,
        limit: int,
        take: Callable[[bytes], None],
        *,
        content: Content | None = None,
        headers: Fields = (),
    ) -> Exchange:
        """Hand the body of an answer 200 to `take` piece by piece, for what is too long to hold; `body` stays empty.

        The body of any other status comes in the answer, at most `MAX_REFUSAL` octets. Raises as `post`, and what
        `take` raises.
        """
        return await self._exchange(method, path, content, headers, limit, any_status=True, take=take)

    async def _ask(self, method: str, path: str, content: Content | None, headers: Fields, limit: int) -> bytes:
        return (await self._exchange(method, path, content, headers, limit, any_status=False)).body

    async def _exchange(
        self,
        method: str,
        path: str,
        content: Content | None,
        headers: Fields,
        limit: int,
        *,
        any_status: bool,
        take: Callable[[bytes], None] | None = None,
    ) -> Exchange:
        fields = [PLAIN, *headers]
        try:
            async with self._client.stream(method, self._base + path, content=content, headers=fields) as response:
                if response.status_code != 200 and not any_status:
                    raise Temporary(f"{self._what} answers with HTTP status {response.status_code}")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise RemoteProtocolError(f"{self._what} encodes an answer that was asked for plain")
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                wait = response.headers.get("Retry-After", "")
                seconds = int(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 8 else 0
                body = bytearray()
                is_refused = take is not None and response.status_code != 200
                sink = body.extend if take is None or is_refused else take
                await self._bounded(response, MAX_REFUSAL if is_refused else limit, sink)
                return Exchange(response.status_code, kind, bytes(body), seconds)
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise RemoteProtocolError(f"{self._what} speaks no HTTP: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Temporary(f"no answer from {self._what}: {str(error) or type(error).__name__}") from None

    async def _bounded(self, response: httpx.Response, limit: int, take: Callable[[bytes], None]) -> None:
        size, refusal = 0, None
        # Too long an answer, or one that `take` refuses, is ended by cancelling: to leave the loop would leave
        # generators of the library behind that were never closed.
        with trio.CancelScope() as reading:
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > limit:
                    reading.cancel()
                    continue
                try:
                    take(piece)
                except WaxsealError as error:
                    refusal = error
                    reading.cancel()
        if size > limit:
            raise RemoteProtocolError(f"{self._what} answers more than {limit} octets")
        if refusal is not None:
            raise refusal
