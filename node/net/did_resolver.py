"""Finding the documents of DIDs: at once, over HTTPS (did:web), on a chain (did:ethr); remembered for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import trio

from identity.credentials import status_list
from identity.did import document, ethr, self_contained, web
from identity.did.document import Document
from identity.did.ethr import Identity
from identity.did.syntax import Did
from identity.did.web import Place
from identity.refusal import Reason, Refusal
from node.base import metrics
from node.base.errors import Permanent, Temporary
from node.net.chain.did_registry import DidRegistry
from node.net.public_https import PublicHttps

KEEP_SECONDS = 300.0  # a key that its owner takes out of the document is believed no longer than this
KEEP_FAILURE_SECONDS = 60.0  # a server that does not answer is not asked again at every login
KEEP_DOCUMENTS = 256
KEEP_LISTS = 32
MAX_URL = 1024  # characters of a status list's address

DOCUMENT_KINDS = frozenset(
    {"application/did+json", "application/did+ld+json", "application/did", "application/json", "application/ld+json"}
)
LIST_KINDS = frozenset({"application/vc+jwt", "application/jwt"})

T = TypeVar("T")


class Remembered(Generic[T]):
    """Results by name, for a while; who asks for what is just being fetched, waits for that.

    Args:
        entries: the one that was asked for longest ago falls out.
        clock: seconds.
    """

    def __init__(self, entries: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._entries = entries
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, T | Refusal]] = OrderedDict()
        self._making: dict[str, trio.Event] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[T | Refusal]]) -> T | Refusal:
        """What is remembered, or what `make` gives now."""
        while (made := self._making.get(name)) is not None:
            await made.wait()
        until, value = self._kept.get(name, (0.0, None))
        if value is not None and self._clock() < until:
            self._kept.move_to_end(name)
            return value
        self._making[name] = event = trio.Event()
        try:
            fresh = await make()
        finally:
            del self._making[name]
            event.set()
        seconds = KEEP_FAILURE_SECONDS if isinstance(fresh, Refusal) else KEEP_SECONDS
        self._kept[name] = (self._clock() + seconds, fresh)
        self._kept.move_to_end(name)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)
        return fresh

    def __len__(self) -> int:
        return len(self._kept)


class DidResolver:
    """Finds documents of DIDs and status lists of credentials (`identity`'s `Resolver` and `StatusLists`).

    Args:
        https: fetches; None where nothing is to be fetched, and did:web is unknown.
        registries: where did:ethr are looked up, by the chain's number.
        clock: seconds.
        now: unix seconds, for keys that end.
    """

    def __init__(
        self,
        https: PublicHttps | None,
        registries: Mapping[int, DidRegistry] = MappingProxyType({}),
        *,
        clock: Callable[[], float] = trio.current_time,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._https = https
        self._registries = registries
        self._now = now
        self._documents: Remembered[Document] = Remembered(KEEP_DOCUMENTS, clock)
        self._lists: Remembered[str] = Remembered(KEEP_LISTS, clock)

    async def resolve(self, did: Did) -> Document | Refusal:
        """The document of a DID; see `identity.did.resolve.Resolver`."""
        if did.method == "ethr":
            return await self._look_up(did)
        if did.method != "web" or self._https is None:
            return self_contained.resolve(did)
        place = web.place(did)
        if isinstance(place, Refusal):
            return place
        return await self._documents.get(str(did), lambda: self._fetch_document(did, place))

    async def fetch(self, url: str) -> str | Refusal:
        """The status list at an address; see `identity.credentials.verify.StatusLists`."""
        place = _place(url)
        if isinstance(place, Refusal):
            return place
        return await self._lists.get(url, lambda: self._fetch_list(place))

    async def _look_up(self, did: Did) -> Document | Refusal:
        identity = ethr.parse(did)
        if isinstance(identity, Refusal):
            return identity
        registry = self._registries.get(identity.chain)
        if registry is None:
            words = f"nobody is asked about did:ethr of eip155:{identity.chain} here; see chains.rpc and did.registries"
            return Refusal(Reason.UNKNOWN_METHOD, words)
        return await self._documents.get(str(did), lambda: self._read_document(did, identity, registry))

    async def _read_document(self, did: Did, identity: Identity, registry: DidRegistry) -> Document | Refusal:
        found: Document | Refusal
        try:
            record = await registry.read(identity.address, self._now())
        except (Temporary, Permanent) as error:
            found = Refusal(Reason.UNRESOLVABLE, str(error))
        else:
            found = ethr.document(did, identity, record, self._now())
        metrics.did_fetches.labels("registry", found.reason if isinstance(found, Refusal) else "ok").inc()
        return found

    async def _fetch_document(self, did: Did, place: Place) -> Document | Refusal:
        data = await self._get(place, DOCUMENT_KINDS, document.MAX_SIZE)
        found = data if isinstance(data, Refusal) else document.read(data, did)
        metrics.did_fetches.labels("document", found.reason if isinstance(found, Refusal) else "ok").inc()
        return found

    async def _fetch_list(self, place: Place) -> str | Refusal:
        data = await self._get(place, LIST_KINDS, status_list.MAX_TOKEN)
        metrics.did_fetches.labels("status-list", data.reason if isinstance(data, Refusal) else "ok").inc()
        return data if isinstance(data, Refusal) else data.decode("ascii", "replace").strip()

    async def _get(self, place: Place, kinds: frozenset[str], limit: int) -> bytes | Refusal:
        if self._https is None:
            return Refusal(Reason.UNRESOLVABLE, "nothing is fetched here")
        try:
            return await self._https.fetch(place.host, place.port, place.path, kinds=kinds, limit=limit)
        except (Temporary, Permanent) as error:
            return Refusal(Reason.UNRESOLVABLE, str(error))


def _place(url: str) -> Place | Refusal:
    """Where an https address leads, under the same rules for hosts as did:web."""
    refusal = Refusal(Reason.MALFORMED, "this is no https address of a status list")
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or set(' "<>\\^`{|}') & set(url):
        return refusal
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return refusal
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.fragment:
        return refusal
    place = web.place(Did("web", parts.hostname if port == 443 else f"{parts.hostname}%3A{port}"))
    if isinstance(place, Refusal):
        return place
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(place.host, place.port, path)
