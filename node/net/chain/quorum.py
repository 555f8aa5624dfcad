"""One chain as several servers tell it: an answer counts when two thirds of them give it. For reading only.

Somebody who verifies has no chain of his own, and asks a stranger's server, which may lie: about one root, about what
is final, about a block that no other server knows. So several are asked the same, at the same time, and

1. an answer that at least two thirds of all servers give (rounded up; of the servers named, not of those that answer)
   is the chain's answer; who answered something else is named, and outvoted;
2. where no answer has so many, and two answers differ, the servers contradict each other: that is no answer at all;
3. "I do not have that block's state" is no vote: public servers forget old state, and lie in nothing by saying so;
4. how far the chain has come, or is final, is what two thirds have reached: one server's word moves neither.

With one server that is its bare word, with two both have to agree, with three one may lie or be away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar
from urllib.parse import urlsplit

import trio

from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Block, Chain, Event, NoState, Reverted, TxResult
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.rpc import Servers, number

SECONDS = 60.0  # for one question to all
MAX_SERVERS = 16

T = TypeVar("T")


class Contradiction(Temporary):
    """Servers of one chain give different answers, and none of these has two thirds behind it."""


@dataclass(slots=True)
class _Ballot(Generic[T]):
    """What the servers answered to one question: each answer with who gave it, and who gave none."""

    answers: list[tuple[T | Reverted, list[str]]] = field(default_factory=list)
    stateless: list[str] = field(default_factory=list)
    away: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, answer: T | Reverted) -> None:
        for known, names in self.answers:
            if _alike(known, answer):
                names.append(name)
                return
        self.answers.append((answer, [name]))


class Quorum:
    """Several servers of one chain as one `Chain` to read from.

    Args:
        members: name for people (a host, never a URL: that may carry a key) and connection; None where there is none.
        chain_id: of all of them.
    """

    def __init__(self, members: Sequence[tuple[str, Chain | None]], chain_id: int) -> None:
        self._members = tuple(members)
        self._outvoted: dict[str, None] = {}
        self._silent: dict[str, str] = {}
        self.chain_id = chain_id
        self.sender = None

    @property
    def size(self) -> int:
        """How many servers were named."""
        return len(self._members)

    @property
    def needed(self) -> int:
        """How many must agree: two thirds, rounded up."""
        return -(-2 * self.size // 3)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a verifier is told about the servers asked so far: who was outvoted, who gave no answer."""
        lied = (f"{name} answered otherwise than the others and was outvoted" for name in self._outvoted)
        away = (f"{name} gave no answer ({why})" for name, why in self._silent.items())
        return (*lied, *away)

    async def head(self) -> Block:
        """The newest block that enough servers have."""
        return await self._reached(lambda chain: chain.head())

    async def finalized(self) -> Block:
        """The newest block that enough servers call final."""
        return await self._reached(lambda chain: chain.finalized())

    async def block(self, number: int) -> Block:
        """See `interface.Chain`."""
        return await self._agreed(lambda chain: chain.block(number))

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """See `interface.Chain`. Name a block: the newest is not everywhere the same."""
        return await self._agreed(lambda chain: chain.call(to, data, block))

    async def code(self, address: str) -> bytes:
        """See `interface.Chain`."""
        return await self._agreed(lambda chain: chain.code(address))

    async def events(self, address: str, block: int) -> list[Event]:
        """See `interface.Chain`."""
        return await self._agreed(lambda chain: chain.events(address, block))

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """Never: this only reads."""
        raise Permanent("several servers are for reading only")

    async def settle(self) -> None:
        """Nothing was sent, nothing is to be settled."""

    async def result(self, transaction: bytes) -> TxResult | None:
        """See `interface.Chain`."""
        return await self._agreed(lambda chain: chain.result(transaction))

    async def retry(self, transaction: bytes) -> None:
        """Never: this only reads."""
        raise Permanent("several servers are for reading only")

    async def _agreed(self, ask: Callable[[Chain], Awaitable[T]]) -> T:
        ballot = await self._ballot(ask)
        ballot.answers.sort(key=lambda answer: -len(answer[1]))
        if ballot.answers and len(ballot.answers[0][1]) >= self.needed:
            (answer, _), *others = ballot.answers
            self._outvoted.update(dict.fromkeys(name for _, names in others for name in names))
            if isinstance(answer, Reverted):
                raise answer
            return answer
        self._undecided(ballot)

    def _undecided(self, ballot: _Ballot[T]) -> NoReturn:
        if len(ballot.answers) > 1:
            sides = " against ".join(", ".join(names) for _, names in ballot.answers)
            raise Contradiction(
                f"the chain's servers contradict each other ({sides}): one of them lies or hangs behind"
            )
        if ballot.stateless:
            raise NoState(f"too many servers do not have that block's state ({', '.join(ballot.stateless)})")
        why = "; ".join(f"{name}: {words}" for name, words in ballot.away)
        raise Temporary(f"{self.needed} of {self.size} servers must agree, and too few answer ({why})")

    async def _reached(self, ask: Callable[[Chain], Awaitable[Block]]) -> Block:
        ballot = await self._ballot(ask)
        blocks = [answer for answer, names in ballot.answers if isinstance(answer, Block) for _ in names]
        if len(blocks) < self.needed:
            self._undecided(_Ballot(stateless=ballot.stateless, away=ballot.away))
        return sorted(blocks, key=lambda block: -block.number)[self.needed - 1]

    async def _ballot(self, ask: Callable[[Chain], Awaitable[T]]) -> _Ballot[T]:
        ballot: _Ballot[T] = _Ballot()

        async def one(name: str, chain: Chain | None) -> None:
            try:
                if chain is None:
                    raise Temporary("it cannot be reached")
                with trio.fail_after(SECONDS):
                    ballot.add(name, await ask(chain))
            except Reverted as error:
                ballot.add(name, error)
            except NoState:
                ballot.stateless.append(name)
            except (Temporary, Permanent, trio.TooSlowError) as error:
                words = str(error) or "too slow"
                ballot.away.append((name, words))
                self._silent[name] = words

        async with trio.open_nursery() as nursery:
            for name, chain in self._members:
                nursery.start_soon(one, name, chain)
        return ballot


@asynccontextmanager
async def open_quorums(urls: Sequence[str], chain_ids: Collection[int]) -> AsyncIterator[Mapping[int, Quorum]]:
    """For each of these chains the servers that speak for it, by EIP-155 id; a chain without any is missing.

    Each server is asked which chain it serves. One that does not answer counts for every chain asked for, as a server
    that is away: otherwise whoever can silence one server could make a liar's word two thirds of the rest.

    Raises:
        Permanent: more servers than are reasonable.
    """
    if len(urls) > MAX_SERVERS:
        raise Permanent(f"{len(urls)} servers are more than {MAX_SERVERS}")
    names = _names(urls)
    serves: dict[str, int | None] = {}
    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(_note_chain, url, serves)
    async with AsyncExitStack() as stack:
        found = {}
        for chain_id in chain_ids:
            members = [
                (names[url], await _member(stack, url, chain_id) if serves[url] else None)
                for url in dict.fromkeys(urls)
                if serves[url] in {chain_id, None}
            ]
            if any(chain for _, chain in members):
                found[chain_id] = Quorum(members, chain_id)
        yield found


async def _member(stack: AsyncExitStack, url: str, chain_id: int) -> Chain | None:
    try:
        return await stack.enter_async_context(JsonRpcChain.open(url, None, chain_id))
    except (Temporary, Permanent):
        return None


async def _note_chain(url: str, serves: dict[str, int | None]) -> None:
    serves[url] = None
    with suppress(Temporary, Permanent):
        async with Servers.open([url], 0) as servers:
            serves[url] = await servers.each[0].ask(number, "eth_chainId")


def _alike(one: object, other: object) -> bool:
    if isinstance(one, Reverted) and isinstance(other, Reverted):
        return one.data == other.data
    return type(one) is type(other) and one == other


def _names(urls: Sequence[str]) -> dict[str, str]:
    """Each server's host, with its place in the list where two have the same."""
    hosts = {url: urlsplit(url).hostname or "?" for url in urls}
    many = {host for host in hosts.values() if list(hosts.values()).count(host) > 1}
    return {
        url: f"{host} (server {place})" if host in many else host for place, (url, host) in enumerate(hosts.items(), 1)
    }
