"""Any Ethereum-like chain behind JSON-RPC: httpx2 on Trio, our own EIP-1559 transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from node.base.errors import Permanent
from node.net.chain import fees, sending
from node.net.chain.fees import Market
from node.net.chain.interface import Block, Event, NoState, TxResult
from node.net.chain.rpc import Away, Server, Servers, hexed, number, octets
from node.net.chain.sending import Journal, Memory, Rules, Sending
from node.net.chain.signer import KeySigner, Signer
from node.net.chain.transaction import raw_address


class JsonRpcChain:
    """A chain over HTTP. Make it with `JsonRpcChain.open`."""

    def __init__(self, servers: Servers, chain_id: int, signer: Signer | None, account: Sending | None) -> None:
        self._servers = servers
        self._account = account
        self.chain_id = chain_id
        self.sender = signer.address if signer else None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        urls: str | Sequence[str],
        signer: Signer | bytes | None,
        chain_id: int,
        journal: Journal | None = None,
        rules: Rules | None = None,
    ) -> AsyncIterator[JsonRpcChain]:
        """Connect and make sure it is the chain that is meant.

        Args:
            urls: of the server's JSON-RPC endpoint; of several the first that answers is asked.
            signer: who signs; a private key (32 bytes) is one, too; None only reads.
            chain_id: EIP-155 id expected.
            journal: keeps what was signed across crashes; None: as long as this connection lives.
            rules: how it is sent.

        Raises:
            Temporary: no server can be reached.
            Permanent: they serve another chain.
        """
        signer = KeySigner(signer) if isinstance(signer, bytes) else signer
        async with Servers.open([urls] if isinstance(urls, str) else urls, chain_id) as servers:
            await servers.find()
            account = Sending(servers, chain_id, signer, journal or Memory(), rules or Rules()) if signer else None
            yield cls(servers, chain_id, signer, account)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Who is asked, one by one: for whoever wants to know how each of them is."""
        return self._servers.each

    async def head(self) -> Block:
        """See `interface.Chain`."""
        return await self._servers.ask(_block, "eth_getBlockByNumber", "latest", False)

    async def block(self, number: int) -> Block:
        """See `interface.Chain`."""
        found = await self._servers.ask(_known_block, "eth_getBlockByNumber", hex(number), False)
        if found is None or found.number != number:
            raise NoState(f"the server has no block {number}")
        return found

    async def finalized(self) -> Block:
        """See `interface.Chain`."""
        return await self._servers.ask(_block, "eth_getBlockByNumber", "finalized", False)

    async def balance(self, address: str) -> int:
        """What an account has, in wei."""
        return await self._servers.ask(number, "eth_getBalance", address, "latest")

    async def market(self) -> Market:
        """What gas costs now."""
        return await fees.market(self._servers)

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """See `interface.Chain`."""
        at = "latest" if block is None else hex(block)
        return await self._servers.ask(octets, "eth_call", {"to": to, "data": hexed(data)}, at)

    async def create(self, code: bytes, sender: str, gas: int) -> bytes:
        """Run a contract's creation in the newest state, keep nothing, and return what it returned.

        Args:
            code: creation code with its arguments.
            sender: the account that the contract sees as its creator; nobody signs for it.
            gas: bounds the work.

        Raises:
            Reverted: the creation failed.
        """
        body = {"from": sender, "data": hexed(code), "gas": hex(gas)}
        return await self._servers.ask(octets, "eth_call", body, "latest")

    async def code(self, address: str) -> bytes:
        """See `interface.Chain`."""
        return await self._servers.ask(octets, "eth_getCode", address, "latest")

    async def events(self, address: str, block: int) -> list[Event]:
        """See `interface.Chain`."""
        wanted = raw_address(address)

        def read(answer: Any) -> list[Event]:
            try:
                return [_event(entry) for entry in answer if raw_address(entry["address"]) == wanted]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Away(f"the server's list of events makes no sense: {error!r}") from None

        where = {"address": address, "fromBlock": hex(block), "toBlock": hex(block)}
        return await self._servers.ask(read, "eth_getLogs", where)

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """See `interface.Chain`, and `sending` for how."""
        return await self._sending().send(to, data)

    async def settle(self) -> None:
        """See `interface.Chain`."""
        await self._sending().settle()

    async def result(self, transaction: bytes) -> TxResult | None:
        """See `interface.Chain`."""
        return await sending.result(self._servers, transaction)

    async def retry(self, transaction: bytes) -> None:
        """See `interface.Chain`."""
        await self._sending().retry(transaction)

    def _sending(self) -> Sending:
        if self._account is None:
            raise Permanent("this chain was opened for reading only")
        return self._account


def _known_block(value: Any) -> Block | None:
    return None if value is None else _block(value)


def _block(value: Any) -> Block:
    if not isinstance(value, dict):
        raise Away("the chain's server has no newest block")
    found = Block(number(value.get("number")), octets(value.get("hash")), number(value.get("timestamp")))
    if len(found.hash) != 32:
        raise Away("the chain's server gives a block without a hash")
    return found


def _event(entry: dict[str, Any]) -> Event:
    topics = tuple(octets(topic) for topic in entry["topics"])
    return Event(topics, octets(entry["data"]), number(entry["blockNumber"]), octets(entry["transactionHash"]))
