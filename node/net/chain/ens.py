"""Which address an ENS name stands for: registry, resolver and answer at one pinned block; gateways where allowed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from identity import ens, strict_json
from identity.ens import EnsError, Lookup
from identity.gates.tokens import Answer, Call, Fault
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.net.chain.interface import Block
from node.net.chain.reader import Moved, Reader, Tag
from node.net.public_https import PublicHttps

log = get_log(__name__)

TRIES = 3  # when the chain is reorganised while it is asked
LOOKUPS = 4  # gateways one after another for one name: each may send on to the next (EIP-3668, "Recursive calls")
ANSWER = 64 << 10  # octets of a gateway's answer
MAX_PATH = 6000  # characters: what web servers take
_KINDS = frozenset({"application/json", "text/plain"})
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z", re.ASCII)


class EnsReader:
    """Asks one chain's registry.

    Args:
        registry: its address, 20 octets.
        gateways: fetches what contracts send us for (CCIP-Read, EIP-3668); None: such names stand for nobody.
    """

    def __init__(self, reader: Reader, registry: bytes, gateways: PublicHttps | None = None) -> None:
        self._reader = reader
        self._registry = registry
        self._gateways = gateways

    async def address(self, name: str, now: float) -> bytes | None:
        """The address (20 octets) that a name stands for at the finalized block; None when it stands for nobody.

        Args:
            name: normalised.
            now: unix seconds.

        Raises:
            Temporary: the chain, or a gateway, cannot be asked now.
        """
        for attempt in range(TRIES):
            block = await self._reader.head(Tag.FINALIZED, now, anew=attempt > 0)
            try:
                return await self._at(block, name)
            except Moved:
                continue
            except EnsError as error:  # whoever wrote the resolver broke it: the name stands for nobody
                log.info("ens.unreadable", reason=str(error))
                return None
        raise Temporary("the chain is reorganised again and again")

    async def _at(self, block: Block, name: str) -> bytes | None:
        """1. Who resolves the name, or the nearest name above it? 2. In which way? 3. What does it say?"""
        places = ens.suffixes(name)
        answers = await self._reader.answers(block, [ens.ask_registry(self._registry, place) for place in places])
        found = [_address(answer) for answer in answers]
        own = found[0]
        resolver = next((address for address in found if address), None)  # 1
        if resolver is None:
            return None
        extended, plain = await self._reader.answers(
            block, [ens.ask_extended(resolver), ens.ask_address(resolver, name)]
        )
        if isinstance(extended, Fault) or not ens.read_truth(extended):  # 2
            if Fault.AWAY in (extended, plain):
                raise Temporary("the chain cannot be asked now")
            return _address(plain) if own else None  # ENSIP-10: a plain resolver speaks for its own names alone
        answer = await self._view(block, ens.ask_resolve(resolver, name), resolver)  # 3
        return None if answer is None else ens.read_address(ens.read_piece(answer))

    async def _view(self, block: Block, call: Call, contract: bytes) -> bytes | None:
        """What a contract's view returns, by way of its gateways where it asks for that and we allow it."""
        for _ in range(LOOKUPS):
            answer, reverted = await self._reader.view(block, call)
            if not isinstance(answer, Fault):
                return answer
            if answer is Fault.AWAY:
                raise Temporary("the chain cannot be asked now")
            lookup = ens.read_lookup(reverted)
            # EIP-3668: the sender must be the contract that was called, else one could speak in another's name.
            if lookup is None or self._gateways is None or lookup.sender != contract:
                return None
            call = lookup.resume(await self._fetch(lookup, self._gateways))
        return None

    async def _fetch(self, lookup: Lookup, gateways: PublicHttps) -> bytes:
        """The answer of the first gateway that gives one; the contract then verifies it.

        Raises:
            Temporary: none does now.
        """
        for template in lookup.urls:
            place = _place(template, lookup)
            if place is None:
                continue
            try:
                content = await gateways.fetch(*place, kinds=_KINDS, limit=ANSWER)
                data = strict_json.loads(content, ANSWER, depth=4).get("data")
                if isinstance(data, str) and data.startswith("0x"):
                    return bytes.fromhex(data[2:])
            except (Temporary, Permanent, ValueError) as error:
                log.info("ens.gateway_failed", host=place[0], reason=str(error))
        raise Temporary("no gateway of the name answers now")


def _place(template: str, lookup: Lookup) -> tuple[str, int, str] | None:
    """Host, port and path of a gateway; None for one that is not asked.

    Only templates with {data} are used: they are for GET (EIP-3668), and nothing is ever posted to a stranger.
    """
    if "{data}" not in template:
        return None
    url = template.replace("{sender}", f"0x{lookup.sender.hex()}").replace("{data}", f"0x{lookup.data.hex()}")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    plain = url.isascii() and url.isprintable() and not set(' "<>\\^`{|}') & set(url)
    if not plain or parts.scheme != "https" or parts.username is not None or len(path) > MAX_PATH:
        return None
    host = parts.hostname or ""
    return (host, port, path) if _HOST.match(host) and len(host) < 254 else None


def _address(answer: Answer) -> bytes | None:
    """The address in an answer; a contract that gives none has none.

    Raises:
        Temporary: the chain gave no answer.
    """
    if answer is Fault.AWAY:
        raise Temporary("the chain cannot be asked now")
    return None if isinstance(answer, Fault) or not answer else ens.read_address(answer)
