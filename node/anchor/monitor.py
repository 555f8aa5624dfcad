"""Following somebody else's log: is every new checkpoint a continuation of all that was seen before, by anybody?

A monitor keeps the newest checkpoint whose history it has verified, and holds everything against it: the checkpoint
the log serves now, what other monitors and witnesses saw, and the head on the chain. One look takes these steps:

1. The log's checkpoint is fetched; one of its keys has signed it, under the log's own name.
2. It continues the newest one known, by a proof computed from the log's own tiles (RFC 9162 §2.1.4.2).
3. Where asked for, all entries are fetched, and the tree built from them has the checkpoint's root.
4. Where asked for, enough witnesses have cosigned it.
5. Each peer gets it, and tells which checkpoints and forks it has seen: they are held against ours likewise.
6. Where a contract is named, the head on the chain is one of this same tree.
7. The log grows, and is anchored, as often as it should.

Whatever does not hold is a finding. Evidence of a fork is written down, and is found again at every later look.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from node.anchor import checkpoint, cosignature, fork, merkle, tree_heads
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureKey
from node.anchor.findings import ALARMS, Finding, Kind
from node.anchor.fork import Fork
from node.anchor.log_source import LogSource
from node.anchor.monitor_state import LogFolder
from node.anchor.note import NoteError, NoteKey
from node.anchor.peers import Peer
from node.anchor.rebuilt import Rebuilt
from node.anchor.tiles import WIDTH
from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.net.chain.interface import Chain

log = get_log(__name__)

CHAIN_SECONDS = 60.0
Failures = (WaxsealError, OSError, trio.TooSlowError)


@dataclass(frozen=True, slots=True)
class AnchorPlace:
    """Where a log's heads stand on a chain: the TreeHeads contract, and the account that writes them (EIP-55)."""

    contract: str
    sender: str
    open_chain: Callable[[], AbstractAsyncContextManager[Chain]]


@dataclass(frozen=True, slots=True)
class Demands:
    """What a log is held to beyond not forking; seconds, None for no demand.

    Attributes:
        rebuild: fetch all entries and build the tree from them.
        quorum: how many of `witnesses` must have cosigned.
    """

    rebuild: bool = False
    witnesses: tuple[CosignatureKey, ...] = ()
    quorum: int = 0
    grows_within: float | None = None
    anchored_within: float | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signature held: as a note, and read."""

    note: str
    head: Checkpoint


class Inconsistent(Permanent):
    """The log's hashes do not lead to the root it signed; `facts` are for the file."""

    def __init__(self, words: str, facts: dict[str, object]) -> None:
        super().__init__(words)
        self.facts = facts


class LogMonitor:
    """Follows one log.

    Args:
        keys: the log's, from another source than the log; the name of all is its origin.
        source: the log, over HTTP.
        folder: what the monitor remembers; read here.
        peers: who is asked what they saw.
        place: its anchors; None does not look at a chain.
        registered: asks the registry for the log's key in force; for a log that has changed its key meanwhile.
        clock: unix seconds.
    """

    def __init__(
        self,
        keys: Sequence[NoteKey],
        source: LogSource,
        folder: LogFolder,
        demands: Demands,
        *,
        peers: Sequence[Peer] = (),
        place: AnchorPlace | None = None,
        registered: Callable[[], Awaitable[NoteKey | None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.origin = keys[0].name
        self._keys = tuple(keys)
        self._source = source
        self._folder = folder
        self._demands = demands
        self._peers = tuple(peers)
        self._place = place
        self._registered = registered
        self._clock = clock
        self._state = folder.load()
        self._rebuilt = Rebuilt(folder.hashes) if demands.rebuild else None
        self._shown = 0
        self._found: list[Finding] = []

    @property
    def size(self) -> int:
        """Entries in the newest tree whose history was verified."""
        return checkpoint.read(self._state.head).size if self._state.head else 0

    async def look(self) -> tuple[Finding, ...]:
        """Take all steps once; raises nothing that a log, peer or chain could bring about."""
        self._found = []
        async with self._finding(Kind.UNREACHABLE):
            await self._follow()
        for peer in self._peers:
            async with self._finding(Kind.UNREACHABLE):
                await self._gossip(peer)
        if self._place is not None and self._state.head:
            async with self._finding(Kind.UNREACHABLE):
                await self._look_at_chain(self._place)
        self._judge_freshness()
        for evidence in self._folder.forks():
            self._report(Kind.FORK, "the log has signed two histories that contradict each other", evidence)
        self._folder.save(self._state)
        metrics.monitored_size.labels(origin=self.origin).set(self.size)
        metrics.monitored_forks.labels(origin=self.origin).set(len(self._folder.forks()))
        return tuple(self._found)

    def _report(self, kind: Kind, words: str, evidence: Path | None = None) -> None:
        finding = Finding(self.origin, kind, words, evidence)
        if finding in self._found:
            return
        self._found.append(finding)
        metrics.monitor_findings.labels(kind=str(kind)).inc()
        facts = {"kind": str(kind), "origin": self.origin, "words": words, "evidence": str(evidence or "")}
        if kind in ALARMS:
            log.error("monitor.alarm", **facts)
        else:
            log.warning("monitor.finding", **facts)

    @asynccontextmanager
    async def _finding(self, kind: Kind) -> AsyncIterator[None]:
        """What goes wrong within becomes a finding."""
        try:
            yield
        except Inconsistent as error:
            self._report(Kind.INCONSISTENT, str(error), self._folder.suspect("inconsistent", error.facts))
        except Failures as error:
            self._report(kind, str(error) or type(error).__name__)

    # --- the log itself -----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        served = await self._source.checkpoint()
        checkpoint.read(served)  # a proxy's error page is no word of the log's
        new = await self._signed_by_log(served)
        if new is None:
            return
        now = int(self._clock())
        self._state.seen, self._shown = now, new.head.size
        known = self._known()
        if known is not None and new.head.size < known.head.size:
            await self._go_backwards(known, new)
            return
        if known is not None and await self._is_fork(known, new):
            return
        if self._rebuilt is not None:
            await self._rebuild(self._rebuilt, new)
        self._judge_witnesses(new)
        if known is None or new.head.size > known.head.size:
            self._state.grown = now
        self._state.head = new.note

    async def _signed_by_log(self, served: str) -> Signed | None:
        """The checkpoint, when a key that is known, or one that the registry has in force now, has signed it."""
        for last in (False, True):
            try:
                return self._verified(served)
            except NoteError as error:
                if last or not await self._learn_key():
                    self._report(Kind.UNSIGNED, f"what the log serves is no checkpoint of its own: {error}")
                    return None
        return None

    async def _learn_key(self) -> bool:
        """Ask the registry for a new key of the log; True when there is one."""
        key = None
        if self._registered is not None:
            async with self._finding(Kind.UNREACHABLE):
                with trio.fail_after(CHAIN_SECONDS):
                    key = await self._registered()
        if key is None or key in self._keys:
            return False
        log.info("monitor.new_key", origin=self.origin, key=str(key))
        self._keys = (*self._keys, key)
        return True

    async def _go_backwards(self, known: Signed, new: Signed) -> None:
        """Fewer entries than before: an old view, or another history? The former log may no longer be there to ask."""
        words = f"the log shows {new.head.size} entries, and has shown {known.head.size}"
        try:
            if await self._is_fork(new, known):
                return
        except Inconsistent:
            evidence = {"earlier": known.note, "now": new.note}
            path = self._folder.suspect("backwards", dict(evidence))
            self._report(Kind.BACKWARDS, f"{words}; its hashes no longer lead to the root it signed then", path)
        except Failures as error:
            self._report(Kind.BACKWARDS, f"{words}; whether it is the same history could not be seen: {error}")
        else:
            self._report(Kind.BACKWARDS, f"{words}; what it shows is the beginning of that")

    async def _rebuild(self, tree: Rebuilt, new: Signed) -> None:
        """Fetch the entries that are not there yet, and hold the tree against the checkpoint's root."""
        before, size = tree.size, new.head.size
        while tree.size < size:
            bundle = await self._source.entries(tree.size // WIDTH, size)
            await trio.to_thread.run_sync(tree.extend, bundle[tree.size % WIDTH :])
        if tree.root(size) != new.head.root:
            tree.truncate(min(before, self.size))
            facts: dict[str, object] = {"checkpoint": new.note, "entries": size}
            raise Inconsistent(f"the log's {size} entries do not make the root that it signed", facts)

    def _judge_witnesses(self, new: Signed) -> None:
        if not self._demands.quorum:
            return
        try:
            found = cosignature.cosignatures(new.note, self._demands.witnesses, now=int(self._clock()))
        except NoteError as error:
            self._report(Kind.UNWITNESSED, str(error))
            return
        if len(found) < self._demands.quorum:
            who = ", ".join(one.name for one in found) or "none"
            words = f"{self._demands.quorum} witnesses must cosign the checkpoint of {new.head.size} entries"
            self._report(Kind.UNWITNESSED, f"{words}, {len(found)} did: {who}")

    # --- one history --------------------------------------------------------------------------------------------------

    async def _is_fork(self, first: Signed, second: Signed) -> bool:
        """Whether the second tree does not continue the first; evidence is written down then."""
        if first.head.size == second.head.size:
            found = fork.between(first.note, second.note)
        else:
            root, proof = await self._prefix(second, first.head.size)
            found = None if root == first.head.root else Fork(first.note, second.note, root, proof)
        if found is None:
            return False
        self._folder.convict(found)
        return True

    async def _prefix(self, of: Signed, size: int) -> tuple[bytes, tuple[bytes, ...]]:
        """The root that a signed tree has at a smaller size, with the proof that it has.

        Raises:
            Inconsistent: the log's hashes do not lead to what it signed.
            Temporary: they cannot be had.
        """

        def work(read: merkle.Read) -> tuple[bytes, tuple[bytes, ...]]:
            proof = merkle.consistency_proof(size, of.head.size, read) if size else []
            return merkle.root(size, read), tuple(proof)

        if self._rebuilt is not None and self._rebuilt.size >= of.head.size:
            root, proof = work(self._rebuilt.read)
            if fork.proves(size, root, of.head, proof):
                return root, proof
        root, proof = await self._source.compute(max(self._shown, of.head.size), work)
        if not fork.proves(size, root, of.head, proof):
            facts: dict[str, object] = {"checkpoint": of.note, "size": size, "root": root.hex()}
            facts["failed_proof"] = [value.hex() for value in proof]
            raise Inconsistent(f"the log's hashes do not lead to the root it signed for {of.head.size} entries", facts)
        return root, proof

    def _verified(self, signed: str) -> Signed:
        return Signed(signed, fork.verify_any(signed, self._keys))

    def _known(self) -> Signed | None:
        return Signed(self._state.head, checkpoint.read(self._state.head)) if self._state.head else None

    # --- what others saw ----------------------------------------------------------------------------------------------

    async def _gossip(self, peer: Peer) -> None:
        seen = await peer.exchange(self.origin, self._state.head)
        for evidence in seen.forks:
            try:
                evidence.check(self._keys)
            except NoteError as error:
                log.warning("monitor.peer", peer=peer.url, origin=self.origin, error=str(error))
            else:
                self._folder.convict(evidence)
        for signed in seen.checkpoints:
            try:
                verified = self._verified(signed)
            except NoteError as error:  # anybody can make such a thing up; it says nothing of the log
                log.warning("monitor.peer", peer=peer.url, origin=self.origin, error=str(error))
                continue
            async with self._finding(Kind.UNREACHABLE):  # each for itself: one that cannot be checked hides no other
                await self._hold_against(verified)

    async def _hold_against(self, seen: Signed) -> None:
        known = self._known()
        if known is None:
            return
        if seen.head.size <= known.head.size:
            await self._is_fork(seen, known)
            return
        try:
            await self._is_fork(known, seen)
        except Temporary as error:
            words = f"a peer has seen {seen.head.size} entries, the log shows us {known.head.size} and no way there"
            self._report(Kind.BEHIND, f"{words}: {error}")

    async def _look_at_chain(self, place: AnchorPlace) -> None:
        known = self._known()
        if known is None:
            return
        with trio.fail_after(CHAIN_SECONDS):
            async with place.open_chain() as chain:
                if not await tree_heads.is_there(chain, place.contract):
                    raise Temporary(f"there is no TreeHeads contract at {place.contract} on eip155:{chain.chain_id}")
                stored = await tree_heads.read_head(chain, place.contract, place.sender)
                where = f"eip155:{chain.chain_id}, block {stored.block}"
        if stored.size > known.head.size:
            words = f"the chain holds a head of {stored.size} entries ({where}), the log shows {known.head.size}"
            self._report(Kind.BEHIND, words)
            return
        root, proof = known.head.root, tuple[bytes, ...]()
        if stored.size < known.head.size:
            root, proof = await self._prefix(known, stored.size)
        if stored.size and root != stored.root:
            facts: dict[str, object] = {"checkpoint": known.note, "size": stored.size, "root": root.hex()}
            facts |= {"proof": [value.hex() for value in proof], "chain": where, "contract": place.contract}
            facts |= {"sender": place.sender, "chain_root": stored.root.hex()}
            words = f"the chain holds another root for {stored.size} entries than the log ({where})"
            self._report(Kind.ANCHOR, words, self._folder.suspect("anchor", facts))
            return
        self._state.anchored = stored.size

    # --- time ---------------------------------------------------------------------------------------------------------

    def _judge_freshness(self) -> None:
        now, state = int(self._clock()), self._state
        if self._place is not None:
            state.unanchored = 0 if self.size <= state.anchored else state.unanchored or now
        grown, waiting = self._demands.grows_within, self._demands.anchored_within
        if grown is not None and state.grown and now - state.grown > grown:
            self._report(Kind.STALE, f"the log has not grown for {_hours(now - state.grown)}")
        if waiting is not None and state.unanchored and now - state.unanchored > waiting:
            words = f"{self.size - state.anchored} entries have waited for an anchor"
            self._report(Kind.UNANCHORED, f"{words} for {_hours(now - state.unanchored)}")


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds} seconds"
