"""Servers of one chain behind JSON-RPC: one that is asked, or several of which the first that answers is taken.

Nothing here believes a server: answers are bounded in size, depth and time, and the reader that is handed in refuses
what makes no sense. Errors and the log name servers by their host alone: their URLs often carry an API key.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2 as httpx
import trio
from pydantic_core import from_json

from node.base import metrics
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.net.chain.interface import NoState, Reverted

log = get_log(__name__)

REQUEST_SECONDS = 20.0
REST_SECONDS = 60.0  # before a server that failed is asked again, while another one answers
MAX_ANSWER = 4 << 20  # octets; a server must not fill our memory

# What geth, anvil, erigon and nethermind say when a block's state is pruned or the block does not exist.
_NO_STATE = ("missing trie node", "header not found", "block not found", "unknown block", "blockoutofrange", "pruned")
_LIMITED = -32005  # EIP-1474: limit exceeded

T = TypeVar("T")


class Away(Temporary):
    """A server gives no answer, or none that makes sense: another one may."""


class Refused(Temporary):
    """A server answers that it will not; `words` are its own, in lower case."""

    def __init__(self, method: str, words: str) -> None:
        super().__init__(f"the chain's server refuses {method}: {words}")
        self.words = words.lower()


class OtherChain(Permanent):
    """A server serves another chain than the settings say."""


class Server:
    """One server. Make it with `Servers.open`.

    Attributes:
        host: its name for people.
    """

    def __init__(self, client: httpx.AsyncClient, url: str, chain_id: int) -> None:
        self._client = client
        self._url = url
        self._chain_id = chain_id
        self._serial = 0
        self.host = urlsplit(url).hostname or "?"

    async def check(self) -> None:
        """Make sure that it serves the chain.

        Raises:
            OtherChain: another one.
            Away: no answer.
        """
        serves = await self.ask(number, "eth_chainId")
        if serves != self._chain_id:
            raise OtherChain(f"the server at {self.host} serves chain {serves}, the settings say {self._chain_id}")

    async def ask(self, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """One request, one answer, as `read` understands it.

        Raises:
            Away: no answer, or none that makes sense.
            Refused, Reverted, NoState: the server's own error.
        """
        self._serial += 1
        serial = self._serial
        body = {"jsonrpc": "2.0", "id": serial, "method": method, "params": params}
        try:
            with trio.fail_after(REQUEST_SECONDS):
                answer = await self._post(json.dumps(body).encode())
        except (httpx.HTTPError, trio.TooSlowError, ValueError) as error:
            raise Away(f"no answer from the chain's server {self.host}: {_why(error)}") from None
        if not isinstance(answer, dict) or answer.get("id") != serial:
            raise Away(f"the chain's server {self.host} answers something else than JSON-RPC")
        if refusal := answer.get("error"):
            raise _refusal(method, refusal)
        return read(answer.get("result"))

    async def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            if response.status_code != 200:
                raise ValueError(f"HTTP status {response.status_code}")
            if int(response.headers.get("Content-Length", "0")) > MAX_ANSWER:
                raise ValueError("the answer is too long")
            data = bytearray()
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    data += chunk
                    if len(data) > MAX_ANSWER:
                        raise ValueError("the answer is too long")
        return from_json(data)  # bounded in depth, which the standard library's is only by the stack


def _why(error: Exception) -> str:
    return "too slow" if isinstance(error, trio.TooSlowError) else (str(error)[:200] or type(error).__name__)


class Servers:
    """Several servers of one chain, in the operator's order of preference.

    A server that gives no answer rests for a while, and the next one is asked; one that serves another chain is left
    out until the chain is opened anew.
    """

    def __init__(self, servers: Sequence[Server], chain: str) -> None:
        self._servers = list(servers)
        self._chain = chain
        self._checked: set[Server] = set()
        self._wrong: dict[Server, OtherChain] = {}
        self._rests: dict[Server, float] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, urls: Sequence[str], chain_id: int) -> AsyncIterator[Servers]:
        """The servers at `urls`; nobody is asked anything yet."""
        # The environment's proxies are for browsers, not for this; redirects would hand our calls to somebody else.
        async with httpx.AsyncClient(
            timeout=REQUEST_SECONDS, trust_env=False, follow_redirects=False, verify=_trust()
        ) as client:
            yield cls([Server(client, url, chain_id) for url in urls], f"eip155:{chain_id}")

    @property
    def each(self) -> tuple[Server, ...]:
        """The servers."""
        return tuple(self._servers)

    async def ask(self, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """Ask the first server that answers; see `Server.ask`.

        Raises:
            OtherChain: no server serves this chain.
            Away: none answers.
        """
        return await self._first(lambda server: server.ask(read, method, *params))

    async def find(self) -> None:
        """Make sure that a server of the chain answers; raises as `ask`."""
        await self._first(_nothing_more)

    async def _first(self, work: Callable[[Server], Awaitable[T]]) -> T:
        failure: Temporary | None = None
        for server in self._in_order():
            try:
                if server not in self._checked:
                    await server.check()
                    self._checked.add(server)
                answer = await work(server)
            except OtherChain as error:
                self._leave_out(server, error)
            except Away as error:
                failure = error
                self._rest(server, error)
            else:
                self._rests.pop(server, None)
                return answer
        raise failure or next(iter(self._wrong.values()))

    def _in_order(self) -> list[Server]:
        """Those that may be asked: first those that do not rest, then those whose rest ends soonest."""
        now = trio.current_time()
        rest = {server: max(0.0, self._rests.get(server, now) - now) for server in self._servers}
        return sorted((one for one in self._servers if one not in self._wrong), key=lambda one: rest[one])

    def _rest(self, server: Server, error: Away) -> None:
        self._rests[server] = trio.current_time() + REST_SECONDS
        self._checked.discard(server)  # who comes back says again which chain it serves
        metrics.chain_requests.labels(self._chain, "failed").inc()
        if len(self._servers) > 1:
            log.warning("chain.server_away", chain=self._chain, server=server.host, reason=str(error))

    def _leave_out(self, server: Server, error: OtherChain) -> None:
        self._wrong[server] = error
        log.error("chain.other_chain", chain=self._chain, server=server.host, reason=str(error))


async def _nothing_more(_server: Server) -> None:
    """Which chain it serves was asked before."""


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted, read once: it takes 20 ms, and connections to chains are opened often."""
    return httpx.create_ssl_context(trust_env=False)


def _refusal(method: str, error: Any) -> Exception:
    """The server's error as ours."""
    error = error if isinstance(error, dict) else {}
    message, data = str(error.get("message", ""))[:300], error.get("data")
    if error.get("code") == 3 or "revert" in message.lower():
        reason = data.removeprefix("0x") if isinstance(data, str) else ""
        return Reverted(f"the contract refused: {message}", bytes.fromhex(reason) if _is_hex(reason) else b"")
    if method in {"eth_call", "eth_getLogs"} and any(words in message.lower() for words in _NO_STATE):
        return NoState(f"the server does not have that block's state: {message}")
    if error.get("code") == _LIMITED:
        return Away(f"the chain's server has had enough of {method}: {message}")
    return Refused(method, message)


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(c in "0123456789abcdefABCDEF" for c in text)


def hexed(data: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return "0x" + data.hex()


def octets(value: Any) -> bytes:
    """Bytes as JSON-RPC writes them. Raises Away for anything else, as `number` does."""
    if not isinstance(value, str) or not value.startswith("0x") or not _is_hex(value[2:]):
        raise Away("the chain's server gives no bytes where bytes belong")
    return bytes.fromhex(value[2:])


def number(value: Any) -> int:
    """A number as JSON-RPC writes it, up to 2^256 - 1."""
    try:
        found = int(value, 16)
    except (TypeError, ValueError):
        raise Away("the chain's server gives no number where a number belongs") from None
    if not 0 <= found < 1 << 256:
        raise Away("the chain's server gives a number out of range")
    return found


def anything(value: Any) -> Any:
    """What came, unread: for the caller to look at."""
    return value
