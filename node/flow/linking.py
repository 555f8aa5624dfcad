"""Large attachments on their way out, as links: what would bounce elsewhere waits here, sealed, until it is fetched.

Done at submission, before anything is signed, and for recipients on other servers alone: people of this node get the
message as it is. In order:

1. The message is looked through: who asked for links, which attachments may leave it.
2. Each link is begun in the database, so that a crash hides no blocks.
3. Each attachment is sealed under a key of its own and written to the block store.
4. A second message is made, with a part in place of each attachment; the key stands there and nowhere else.
5. The transaction that sends this message keeps the links.

Whatever fails before the last step, the message goes whole, as if nobody had asked.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from node.base import metrics
from node.base.address import Address, parse_address
from node.base.errors import WaxsealError
from node.base.log import get_log
from node.directory.resolve import Foreign
from node.flow.premises import Premises
from node.ipfs import link_keys
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, Blocks
from node.ipfs.cid import Cid
from node.ipfs.cipher import Cipher
from node.ipfs.cut import Attachment
from node.ipfs.seal import new_header
from node.ipfs.sealed_file import Lock, write
from node.ipfs.unixfs import CLASSIC, blocks_of
from node.mail.headers import get
from node.mail.link_part import ASKED, Movable, Notice, movable, rewritten
from node.store import links
from node.store.accounts import Account
from node.store.incoming import Incoming
from node.store.links import Link
from node.store.transaction import Reading, Writing

log = get_log(__name__)

MAX_LINKS = 20  # in one message; further attachments stay in it
KEPT_SECONDS = 90 * 86400  # how long a link that ended is still listed
_BATCH = 500  # blocks removed in one call


@dataclass(frozen=True, slots=True)
class Terms:
    """What links are like.

    Attributes:
        origin: where their pages are, "https://mail.example.org".
        domains: of senders for whom links are usual.
        threshold: decoded octets from which an attachment becomes a link.
        seconds: how long a link works.
        downloads: for each outside recipient.
    """

    origin: str
    domains: frozenset[str] = frozenset()
    threshold: int = 10 << 20
    seconds: int = 30 * 86400
    downloads: int = 10


@dataclass(slots=True)
class Linked:
    """A message for recipients elsewhere, whose attachments are links; close it.

    Attributes:
        abroad: whom it goes to.
        made: the links and the roots of their trees.
    """

    content: Incoming
    abroad: list[Address]
    made: list[tuple[Link, Cid]]

    def keep(self, tx: Writing) -> None:
        """Step 5: in the transaction that sends the message."""
        for link, cid in self.made:
            links.keep(tx, link.id, bytes(cid))


@dataclass(slots=True)
class _Draft:
    """A link that is being made."""

    link: Link
    secret: bytes
    movable: Movable
    written: list[Cid] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Linker:
    """Makes links and clears them away."""

    premises: Premises
    blocks: Blocks
    terms: Terms
    clock: Callable[[], float] = time.time

    async def make(
        self, account: Account, recipients: Sequence[Address], head: bytes, incoming: Incoming
    ) -> Linked | None:
        """The message as it goes elsewhere; None when it goes as it is: not asked for, not large, or it failed."""
        if incoming.size < self.terms.threshold:
            return None
        abroad = [
            address for address in recipients if isinstance(await self.premises.directory.resolve(address), Foreign)
        ]
        if not abroad or not await self.premises.database.read(partial(self._wanted, account=account, head=head)):
            return None
        drafts: list[_Draft] = []
        try:
            with incoming.view() as view:
                found = await trio.to_thread.run_sync(movable, view, self.terms.threshold)
                drafts += [self._draft(account, abroad, one) for one in found[:MAX_LINKS]]
                return await self._make(abroad, view, drafts) if drafts else None
        except BaseException as error:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 30):
                await self._remove(drafts)
            if not isinstance(error, Exception):
                raise
            # The one guard around all of it: with links broken, mail flows.
            metrics.link_failures.inc()
            is_bug = not isinstance(error, WaxsealError)
            log.warning("links.failed", account=account.address, error=str(error), exc_info=error if is_bug else None)
            return None

    async def abandon(self, linked: Linked) -> None:
        """The message was not sent after all: remove what was written for it. Safe when it was."""
        try:
            for link, cid in linked.made:
                now = await self.premises.database.read(partial(links.get, id=link.id))
                if now is not None and not now.cid:
                    await self._remove_tree(cid)
                    await self.premises.database.write(partial(links.forget, id=link.id))
        except WaxsealError as error:
            log.warning("links.clearing_failed", error=str(error))

    async def sweep(self) -> int:
        """Remove the blocks of links that ended; return how many. Cut short at any point it can be done again."""
        now = int(self.clock())
        ended = await self.premises.database.read(partial(links.over, now=now))
        for link in ended:
            await self._remove_tree(Cid.from_bytes(link.cid))
            await self.premises.database.write(partial(links.cleared, id=link.id))
            log.info("links.removed", cid=str(Cid.from_bytes(link.cid)))
        await self.premises.database.write(partial(_tidy, now=now))
        return len(ended)

    def _wanted(self, tx: Reading, account: Account, head: bytes) -> bool:
        """What the message says, else what its sender chose, else what is usual in the domain."""
        asked = (get(head, 0, len(head), ASKED) or b"").strip().lower()
        if asked in (b"yes", b"no"):
            return asked == b"yes"
        chosen = links.choice(tx, account.id)
        return chosen if chosen is not None else parse_address(account.address).domain in self.terms.domains

    def _draft(self, account: Account, abroad: Sequence[Address], found: Movable) -> _Draft:
        secret, id, now = link_keys.new_secret(), link_keys.new_id(), int(self.clock())
        others = f" and {len(abroad) - 1} more" if len(abroad) > 1 else ""
        link = Link(
            id=id,
            account_id=account.id,
            cid=b"",
            size=found.encoded.decoded_size,
            name=found.name,
            recipients=f"{abroad[0]}{others}"[:300],
            created=now,
            expires=now + self.terms.seconds,
            allowed=self.terms.downloads * len(abroad),
            downloads=0,
            revoked=0,
            proof=hashlib.sha256(link_keys.proof(secret, id)).digest(),
            ticket_key=secrets.token_bytes(32),
        )
        return _Draft(link, secret, found)

    async def _make(self, abroad: list[Address], view: object, drafts: Sequence[_Draft]) -> Linked:
        """Steps 2 to 4."""

        def begin(tx: Writing) -> None:
            for draft in drafts:
                links.begin(tx, draft.link)

        content = self.premises.incoming()
        try:
            await self.premises.database.write(begin)
            made = [(draft.link, await self._seal(view, draft)) for draft in drafts]
            boundary = f"waxseal-{secrets.token_hex(16)}"
            for piece in rewritten(view, [self._notice(draft) for draft in drafts], boundary):  # type: ignore[arg-type]
                await content.write(piece)
        except BaseException:
            await content.aclose()
            raise
        metrics.links_made.inc(len(made))
        return Linked(content, abroad, made)

    async def _seal(self, view: object, draft: _Draft) -> Cid:
        """Step 3; AES-256-GCM, since that is what browsers open."""
        encoded = draft.movable.encoded
        key = link_keys.content_key(draft.secret, draft.link.id)
        lock = Lock(new_header(encoded.decoded_size, CLASSIC.chunk, Cipher.AES_256_GCM), key)
        content = Attachment(encoded.start, encoded.end, "", encoded).content(view)  # type: ignore[arg-type]
        return (await write(self.blocks, lock, content, draft.written)).cid

    def _notice(self, draft: _Draft) -> Notice:
        link = draft.link
        until = time.strftime("%d %B %Y", time.gmtime(link.expires)).lstrip("0")
        terms = f"The link works until {until}, for {link.allowed} download{'s' if link.allowed > 1 else ''}."
        address = f"{self.terms.origin}/link/{link_keys.text(link.id)}#{link_keys.text(draft.secret)}"
        return Notice(draft.movable, address, _size(link.size), terms)

    async def _remove(self, drafts: Sequence[_Draft]) -> None:
        """What a failure left; what cannot be removed now is garbage that the next collection finds."""
        try:
            for draft in drafts:
                await self.blocks.delete(draft.written)
                await self.premises.database.write(partial(links.forget, id=draft.link.id))
        except WaxsealError as error:
            log.warning("links.clearing_failed", error=str(error))

    async def _remove_tree(self, root: Cid) -> None:
        """Children go before their parents; below a node that is missing everything went before it."""
        batch: list[Cid] = []
        async with aclosing(blocks_of(self.blocks.get, root, unless=(BlockMissing, BlockCorrupt))) as cids:
            async for cid in cids:
                batch.append(cid)
                if len(batch) == _BATCH:
                    await self.blocks.delete(batch)
                    batch = []
        await self.blocks.delete(batch)


@asynccontextmanager
async def linking(
    linker: Linker | None, account: Account, recipients: Sequence[Address], head: bytes, incoming: Incoming
) -> AsyncIterator[Linked | None]:
    """The message as it goes elsewhere, see `Linker.make`; cleared away at the end unless it was sent."""
    linked = await linker.make(account, recipients, head, incoming) if linker else None
    try:
        yield linked
    finally:
        if linker and linked:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 30):
                await linked.content.aclose()
                await linker.abandon(linked)


def _tidy(tx: Writing, now: int) -> None:
    links.expire(tx, now - KEPT_SECONDS)
    links.forget_begun(tx, now)


def _size(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MiB" if octets >= 1 << 20 else f"{max(1, octets >> 10)} KiB"
