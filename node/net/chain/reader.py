"""Reads many values of one chain at one pinned block: JSON-RPC batches, each question naming the block's hash."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

import trio
from pydantic_core import from_json

from identity.gates.tokens import Answer, Balance, Call, Fault, Question
from node.base import metrics
from node.base.config_chains import Chains
from node.base.errors import RemoteProtocolError, Temporary
from node.base.log import get_log
from node.net.chain.interface import Block, Event
from node.net.web_service import WebService

log = get_log(__name__)

BATCH = 50  # questions a request: public servers take no more
GAS = 5_000_000  # for one view; a balance costs a few thousand
MAX_ANSWER = 4 << 20  # octets of one batch's answer
MAX_EVENTS = 128  # of one contract about one thing in one block
AHEAD_SECONDS = 900  # a block's time may be ahead of our clock
_GONE = ("not found", "unknown block", "blockoutofrange", "not currently canonical", "pruned", "missing trie node")
_CONTRACTS_FAULT = ("out of gas", "outofgas", "invalid opcode", "invalidfe", "opcode", "stack", "invalid jump")


class Tag(StrEnum):
    """Which block is meant: one that the chain will not give up, or the newest."""

    FINALIZED = "finalized"
    LATEST = "latest"


class Moved(Temporary):
    """The pinned block is no longer part of the chain, or its state is gone: take another."""


class Reader:
    """One chain for reading. Heads are remembered for a moment and shared by all who ask.

    Args:
        chain: CAIP-2 name, eip155.
        fresh_seconds: how long a head counts as the head; a failure is remembered as long.
    """

    def __init__(self, service: WebService, chain: str, settings: Chains, fresh_seconds: float) -> None:
        self.chain = chain
        self._chain_id = int(chain.removeprefix("eip155:"))
        self._service = service
        self._deadline = settings.deadline_seconds
        self._oldest = settings.oldest_block_minutes * 60
        self._fresh = fresh_seconds
        self._heads: dict[Tag, Block] = {}
        self._asked: dict[Tag, tuple[float, Block | Temporary]] = {}
        self._turns = {tag: trio.Lock() for tag in Tag}

    async def head(self, tag: Tag, now: float, *, anew: bool = False) -> Block:
        """The block to pin.

        Args:
            now: unix seconds; a head that is too old means that the server hangs behind.
            anew: do not take a remembered one.

        Raises:
            Temporary: no answer, another chain's, a stale one, or one that takes back what was final.
        """
        began = trio.current_time()
        async with self._turns[tag]:
            asked, known = self._asked.get(tag, (float("-inf"), None))
            if known is None or asked < (began if anew else began - self._fresh):
                try:
                    known = await self._head(tag, now)
                except Temporary as error:
                    log.warning("chain.away", chain=self.chain, reason=str(error))
                    known = error
                self._asked[tag] = trio.current_time(), known
        if isinstance(known, Temporary):
            raise Temporary(str(known))
        return known

    async def _head(self, tag: Tag, now: float) -> Block:
        before = self._heads.get(tag)
        questions: list[tuple[str, list[Any]]] = [("eth_chainId", []), ("eth_getBlockByNumber", [tag.value, False])]
        if before is not None:
            questions.append(("eth_getBlockByNumber", [hex(before.number), False]))
        serves, newest, *again = [_result(item) for item in await self._ask(questions)]
        if _number(serves) != self._chain_id:
            raise Temporary(f"the server serves chain {_number(serves)}, not {self.chain}")
        block = _block(newest)
        if before is not None and (tag is Tag.FINALIZED or again[0] is not None):
            self._compare(tag, before, block, again[0])
        if not now - self._oldest <= block.time <= now + AHEAD_SECONDS:
            raise Temporary(f"the server's {tag} block {block.number} is {now - block.time:.0f} s old")
        self._heads[tag] = block
        return block

    def _compare(self, tag: Tag, before: Block, block: Block, again: Any) -> None:
        """Hold the head against the last one: blocks are replaced now and then, but never a finalized one."""
        found = None if again is None else _block(again)
        replaced = found is None or (found.number, found.hash) != (before.number, before.hash)
        if replaced:
            metrics.chain_reorganisations.labels(self.chain).inc()
            log.info("chain.reorganised", chain=self.chain, tag=str(tag), block=before.number)
        if tag is Tag.FINALIZED and block.number < before.number:
            raise Temporary(f"the server's finalized block went back from {before.number} to {block.number}")
        if tag is Tag.FINALIZED and replaced:
            del self._heads[tag]  # told once, and loudly; then the chain as it now is counts
            raise Temporary(f"the server's finalized block {before.number} was replaced by another")

    async def answers(self, block: Block, questions: Sequence[Question]) -> list[Answer]:
        """The answers, in order, all from the state after `block` (EIP-1898).

        Raises:
            Moved: the block is no longer in the chain.
            Temporary: the server does not answer, or nonsense.
        """
        asked = [_request(question, _at(block)) for question in questions]
        found: list[Answer] = []
        for start in range(0, len(asked), BATCH):
            items = await self._ask(asked[start : start + BATCH])
            found += [_answer(question, item) for question, item in zip(questions[start:], items, strict=False)]
        return found

    async def view(self, block: Block, call: Call) -> tuple[Answer, bytes]:
        """One call as `answers` makes it, and what the contract gave back as it reverted, b"" where it did not.

        Raises:
            Moved, Temporary: as `answers`.
        """
        (item,) = await self._ask([_request(call, _at(block))])
        error = item.get("error")
        data = error.get("data") if isinstance(error, dict) else None
        if isinstance(data, dict):  # some servers wrap it
            data = data.get("data")
        reverted = b""
        if isinstance(data, str) and data.startswith("0x"):
            with suppress(ValueError):
                reverted = bytes.fromhex(data[2:])
        return Fault.REVERTED if reverted else _answer(call, item), reverted

    async def events(self, number: int, contract: bytes, about: bytes) -> list[Event]:
        """A contract's events in one block whose first indexed argument is `about` (32 octets), in their order.

        Args:
            number: of a block that is not after a finalized one: a number names no other block tomorrow.

        Raises:
            Temporary: the server does not answer, has no such old block, or gives events that were not asked for.
        """
        where = {"fromBlock": hex(number), "toBlock": hex(number), "address": "0x" + contract.hex()}
        (item,) = await self._ask([("eth_getLogs", [{**where, "topics": [None, "0x" + about.hex()]}])])
        entries = _result(item)
        if not isinstance(entries, list) or len(entries) > MAX_EVENTS:
            raise Temporary("the server gives no events where events belong, or too many")
        indexed = [_event(entry, contract) for entry in entries]
        places = [place for place, _ in indexed]
        found = [event for _, event in indexed]
        if places != sorted(set(places)) or any(each.block != number or each.topics[1:2] != (about,) for each in found):
            raise Temporary("the server gives events that were not asked for")
        return found

    async def _ask(self, questions: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        """One batch (JSON-RPC 2.0 §6): the response objects, in the questions' order."""
        body = [
            {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
            for id, (method, params) in enumerate(questions)
        ]
        headers = [(b"Content-Type", b"application/json")]
        outcome = "failed"
        try:
            with trio.fail_after(self._deadline):
                content = await self._service.post("", json.dumps(body).encode(), headers, MAX_ANSWER)
            items = _in_order(from_json(content), len(body))
            outcome = "answered"
        except trio.TooSlowError:
            raise Temporary(f"the server does not answer within {self._deadline:g} s") from None
        except (RemoteProtocolError, ValueError) as error:
            raise Temporary(f"the server answers nonsense: {str(error)[:200]}") from None
        finally:
            metrics.chain_requests.labels(self.chain, outcome).inc()
        return items


@asynccontextmanager
async def open_readers(settings: Chains, fresh_seconds: float) -> AsyncIterator[Mapping[str, Reader]]:
    """A reader for every chain of the settings that can be read, by CAIP-2 name. Nobody is asked anything yet."""
    async with AsyncExitStack() as stack:
        readers = {}
        for chain, url in settings.rpc.items():
            if chain.startswith("eip155:") and chain.removeprefix("eip155:").isdigit():
                service = await stack.enter_async_context(WebService.open(url, f"the server of {chain}"))
                readers[chain] = Reader(service, chain, settings, fresh_seconds)
        yield readers


def _at(block: Block) -> dict[str, Any]:
    return {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}


def _request(question: Question, at: dict[str, Any]) -> tuple[str, list[Any]]:
    if isinstance(question, Balance):
        return "eth_getBalance", ["0x" + question.of.hex(), at]
    call = {"to": "0x" + question.to.hex(), "data": "0x" + question.data.hex(), "gas": hex(GAS)}
    return "eth_call", [call, at]


def _in_order(value: Any, count: int) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ValueError("no batch where a batch was asked for")  # noqa: TRY004
    by_id = {item["id"]: item for item in value if isinstance(item, dict) and type(item.get("id")) is int}
    if len(value) != count or sorted(by_id) != list(range(count)):
        raise ValueError("the batch's answers do not match its questions")
    return [by_id[id] for id in range(count)]


def _result(item: dict[str, Any]) -> Any:
    if error := item.get("error"):
        raise Temporary(f"the server refuses: {_words(error)}")
    return item.get("result")


def _answer(question: Question, item: dict[str, Any]) -> Answer:
    """A view's answer, in octets; a balance, which comes as a number, as 32 of them."""
    if error := item.get("error"):
        return _fault(error)
    value = item.get("result")
    if isinstance(question, Balance):
        return _number(value, 256).to_bytes(32, "big")
    if isinstance(value, str) and value.startswith("0x"):
        with suppress(ValueError):
            return bytes.fromhex(value[2:])
    raise Temporary("the server gives no octets where octets belong")


def _fault(error: Any) -> Fault:
    words = _words(error).lower()
    if (isinstance(error, dict) and error.get("code") == 3) or "revert" in words:
        return Fault.REVERTED
    if any(part in words for part in _GONE):
        raise Moved(f"the pinned block is gone: {words}")
    return Fault.BROKEN if any(part in words for part in _CONTRACTS_FAULT) else Fault.AWAY


def _words(error: Any) -> str:
    return str(error.get("message", "") if isinstance(error, dict) else error)[:200]


def _number(value: Any, bits: int = 64) -> int:
    try:
        number = int(value, 16)
    except (TypeError, ValueError):
        raise Temporary("the server gives no number where a number belongs") from None
    if not 0 <= number < 1 << bits:
        raise Temporary("the server gives a number out of range")
    return number


def _event(value: Any, contract: bytes) -> tuple[int, Event]:
    """One entry of eth_getLogs, with its place in the block."""
    try:
        if bytes.fromhex(value["address"][2:]) != contract or value.get("removed"):
            raise Temporary("the server gives another contract's events, or events that were taken back")
        topics = tuple(bytes.fromhex(topic[2:]) for topic in value["topics"])
        data, transaction = bytes.fromhex(value["data"][2:]), bytes.fromhex(value["transactionHash"][2:])
        return _number(value["logIndex"]), Event(topics, data, _number(value["blockNumber"]), transaction)
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Temporary("the server gives an event that cannot be read") from None


def _block(value: Any) -> Block:
    if not isinstance(value, dict):
        raise Temporary("the server has no such block")
    found = value.get("hash")
    try:
        hash = bytes.fromhex(found.removeprefix("0x")) if isinstance(found, str) else b""
    except ValueError:
        hash = b""
    if len(hash) != 32:
        raise Temporary("the server gives a block without a hash")
    return Block(_number(value.get("number")), hash, _number(value.get("timestamp")))
