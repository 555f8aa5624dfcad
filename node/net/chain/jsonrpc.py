"""Any Ethereum-like chain behind JSON-RPC: httpx2 on Trio, our own EIP-1559 signing. Thin: one server, one key."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx2 as httpx
import trio
from pydantic_core import from_json

from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Block, Event, NoState, Reverted, TxResult
from node.net.chain.transaction import Transaction, address_of, checksummed, raw_address

REQUEST_SECONDS = 20.0
MINING_SECONDS = 120.0  # until a sent transaction must be in a block
POLL_SECONDS = 0.5
MAX_ANSWER = 4 << 20  # octets; a server must not fill our memory
MAX_FEE_LIMIT = 500 * 10**9  # wei for one gas: a lying or frantic server must not empty the account
TIP = 10**9

# What geth, anvil, erigon and nethermind say when a block's state is pruned or the block does not exist.
_NO_STATE = ("missing trie node", "header not found", "block not found", "unknown block", "blockoutofrange", "pruned")


class JsonRpcChain:
    """A chain over HTTP. Make it with `JsonRpcChain.open`."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: bytes | None, chain_id: int = 0) -> None:
        self._client = client
        self._url = url
        self._key = key
        self._serial = 0
        self._sending = trio.Lock()  # two at once would take the same nonce
        self.chain_id = chain_id
        self.sender = address_of(key) if key else None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, key: bytes | None, chain_id: int) -> AsyncIterator[JsonRpcChain]:
        """Connect and make sure it is the chain that is meant.

        Args:
            url: of the server's JSON-RPC endpoint.
            key: the private key that signs; None only reads.
            chain_id: EIP-155 id expected.

        Raises:
            Temporary: the server cannot be reached.
            Permanent: it serves another chain.
        """
        # The environment's proxies are for browsers, not for this; redirects would hand our calls to somebody else.
        async with httpx.AsyncClient(
            timeout=REQUEST_SECONDS, trust_env=False, follow_redirects=False, verify=_trust()
        ) as client:
            chain = cls(client, url, key, chain_id)
            serves = _number(await chain._ask("eth_chainId"))
            if serves != chain_id:
                raise Permanent(f"the server at {url} serves chain {serves}, the settings say {chain_id}")
            yield chain

    async def head(self) -> Block:
        """See `interface.Chain`."""
        return _block(await self._ask("eth_getBlockByNumber", "latest", False))

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """See `interface.Chain`."""
        at = "latest" if block is None else hex(block)
        return _bytes(await self._ask("eth_call", {"to": to, "data": _hex(data)}, at))

    async def create(self, code: bytes, sender: str, gas: int) -> bytes:
        """Run a contract's creation in the newest state, keep nothing, and return what it returned.

        Args:
            code: creation code with its arguments.
            sender: the account that the contract sees as its creator; nobody signs for it.
            gas: bounds the work.

        Raises:
            Reverted: the creation failed.
        """
        body = {"from": sender, "data": _hex(code), "gas": hex(gas)}
        return _bytes(await self._ask("eth_call", body, "latest"))

    async def code(self, address: str) -> bytes:
        """See `interface.Chain`."""
        return _bytes(await self._ask("eth_getCode", address, "latest"))

    async def events(self, address: str, block: int) -> list[Event]:
        """See `interface.Chain`."""
        answer = await self._ask("eth_getLogs", {"address": address, "fromBlock": hex(block), "toBlock": hex(block)})
        wanted = raw_address(address)
        try:
            return [_event(entry) for entry in answer if raw_address(entry["address"]) == wanted]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Temporary(f"the server's list of events makes no sense: {error!r}") from None

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """See `interface.Chain`. Waits two minutes at most for a block; stuck transactions are not replaced (yet)."""
        if self._key is None or self.sender is None:
            raise Permanent("this chain was opened for reading only")
        async with self._sending:
            raw = await self._signed(self._key, self.sender, to, data)
            sent = _bytes(await self._ask("eth_sendRawTransaction", _hex(raw)))
            with trio.move_on_after(MINING_SECONDS):
                return await self._mined(sent)
            raise Temporary(f"transaction {_hex(sent)} is in no block after {MINING_SECONDS:.0f} s")

    async def _signed(self, key: bytes, sender: str, to: str | None, data: bytes) -> bytes:
        body = {"from": sender, "data": _hex(data), **({"to": to} if to else {})}
        gas = _number(await self._ask("eth_estimateGas", body))  # a call that would revert is refused here, unsent
        nonce = _number(await self._ask("eth_getTransactionCount", sender, "pending"))
        newest = await self._ask("eth_getBlockByNumber", "latest", False)
        base = _number(newest.get("baseFeePerGas", "0x0")) if isinstance(newest, dict) else 0
        max_fee = 2 * base + TIP  # room for six full blocks' rise of the base fee
        if max_fee > MAX_FEE_LIMIT:
            raise Temporary(f"gas costs {base / 1e9:.0f} Gwei now, over the limit: waiting for a better hour")
        return Transaction(self.chain_id, nonce, TIP, max_fee, gas + gas // 4, to, data).sign(key)

    async def _mined(self, sent: bytes) -> TxResult:
        while True:
            receipt = await self._ask("eth_getTransactionReceipt", _hex(sent))
            if isinstance(receipt, dict):
                return _result(sent, receipt)
            await trio.sleep(POLL_SECONDS)

    async def _ask(self, method: str, *params: Any) -> Any:
        """One request, one answer.

        Raises:
            Temporary: no answer, or none that makes sense.
            Reverted, NoState, Permanent: the server's own error.
        """
        self._serial += 1
        body = {"jsonrpc": "2.0", "id": self._serial, "method": method, "params": params}
        try:
            with trio.fail_after(REQUEST_SECONDS):
                answer = await self._post(json.dumps(body).encode())
        except (httpx.HTTPError, trio.TooSlowError, ValueError) as error:
            raise Temporary(f"no answer from the chain's server: {str(error) or type(error).__name__}") from None
        if not isinstance(answer, dict) or answer.get("id") != self._serial:
            raise Temporary("the chain's server answers something else than JSON-RPC")
        if refusal := answer.get("error"):
            raise _refusal(method, refusal)
        return answer.get("result")

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
    if method in ("eth_call", "eth_getLogs") and any(words in message.lower() for words in _NO_STATE):
        return NoState(f"the server does not have that block's state: {message}")
    return Temporary(f"the chain's server refuses {method}: {message}")


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(c in "0123456789abcdefABCDEF" for c in text)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x") or not _is_hex(value[2:]):
        raise Temporary("the chain's server gives no bytes where bytes belong")
    return bytes.fromhex(value[2:])


def _number(value: Any) -> int:
    try:
        number = int(value, 16)
    except (TypeError, ValueError):
        raise Temporary("the chain's server gives no number where a number belongs") from None
    if not 0 <= number < 1 << 256:
        raise Temporary("the chain's server gives a number out of range")
    return number


def _block(value: Any) -> Block:
    if not isinstance(value, dict):
        raise Temporary("the chain's server has no newest block")
    return Block(_number(value.get("number")), _bytes(value.get("hash")), _number(value.get("timestamp")))


def _event(entry: dict[str, Any]) -> Event:
    topics = tuple(_bytes(topic) for topic in entry["topics"])
    return Event(topics, _bytes(entry["data"]), _number(entry["blockNumber"]), _bytes(entry["transactionHash"]))


def _result(sent: bytes, receipt: dict[str, Any]) -> TxResult:
    block, gas = _number(receipt.get("blockNumber")), _number(receipt.get("gasUsed"))
    if _number(receipt.get("status")) != 1:
        raise Reverted(f"transaction {_hex(sent)} failed in block {block}")
    made = receipt.get("contractAddress")
    return TxResult(sent, block, checksummed(_bytes(made)) if made else None, gas)
