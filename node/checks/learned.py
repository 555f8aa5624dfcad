"""What people taught, where mail is judged: the node's head corrects the model's margin, each person's head the folder.

Fail open (mail first): a head that is missing or broken corrects nothing, and is made again from its lessons by
`node.flow.learning`. Heads are kept in memory, as many as fit into CACHE octets; threads may ask at the same time.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from node.base import metrics
from node.base.log import get_log
from node.checks.opinion import Opinion, Reason, Verdict
from node.store import heads
from node.store.database import Reading

if TYPE_CHECKING:
    from ai.heads import Head

log = get_log(__name__)

CACHE = 16 << 20  # octets of people's heads
JUNK = "\\Junk"
CONTENT = "content"  # the check whose margin is corrected
FREES = 1.5  # log-odds that a person's head must speak for a message to overrule another check's points
CAUTION = 2.0  # log-odds beyond the threshold from which a person's head puts into Junk what the node would not
_LEAST = 0.05  # a smaller correction is not told


class Learned:
    """The heads of a node.

    Args:
        junk_at: the classifier's threshold, None before there is a model.
        clock: unix seconds.
    """

    def __init__(
        self, junk_at: Callable[[], float | None] = lambda: None, clock: Callable[[], float] = time.time
    ) -> None:
        self._junk_at = junk_at
        self._clock = clock
        self._lock = threading.Lock()
        self._node: Head | None = None
        self._taught: set[int] = set()  # accounts with a head; nobody else's mail waits for the database
        self._cache: OrderedDict[int, Head | None] = OrderedDict()
        self._octets = 0
        self.version = 0  # of the newest head that was seen

    # --- where mail is judged -----------------------------------------------------------------------------------------

    def correction(self, hashes: Sequence[int]) -> float:
        """The node head's addition to a message's margin, in log-odds; 0 where nothing was learned."""
        node = self._node
        return node.correction(hashes, self._clock()) if node else 0.0

    def knows_any(self) -> bool:
        """True when somebody has taught a head of their own: then `folders` is worth a look at the database."""
        return bool(self._taught)

    def folders(self, tx: Reading, account_ids: Iterable[int], verdict: Verdict) -> dict[int, tuple[str, float]]:
        """For accounts whose own head decides otherwise than the node: folder ("" for INBOX) and correction."""
        opinion = _of_content(verdict)
        if opinion is None or opinion.reason is Reason.TRUSTED or verdict.reply or verdict.hold:
            return {}
        found = {}
        for account_id in self._taught.intersection(account_ids):
            head = self._head(tx, account_id)
            correction = head.correction(opinion.hashes, self._clock()) if head else 0.0
            folder = self._folder(verdict, opinion, correction)
            if folder != verdict.folder:
                metrics.learned.labels("person", "caught" if folder else "freed").inc()
                found[account_id] = folder, correction
        return found

    def _folder(self, verdict: Verdict, opinion: Opinion, correction: float) -> str:
        """What a person's correction makes of a verdict that is no refusal.

        Only what was said about spam is overruled: whoever got a virus or a threat into Junk keeps it there.
        """
        junk_at = self._junk_at()
        if junk_at is None or opinion.margin is None:
            return verdict.folder
        excess = opinion.margin + correction - log_odds(junk_at)
        if not verdict.folder:
            return JUNK if excess >= CAUTION else ""
        if excess >= 0:
            return verdict.folder
        for other in verdict.opinions:
            is_ours = other is opinion and other.reason is Reason.SPAM_JUNK
            is_points = other is not opinion and other.reason in _ABOUT_SPAM and correction <= -FREES
            if other.folder and not is_ours and not is_points:
                return other.folder
        return ""

    # --- keeping up ---------------------------------------------------------------------------------------------------

    def catch_up(self, tx: Reading) -> None:
        """Notice heads that were changed since the last time, by this process or another."""
        while rows := heads.changed(tx, self.version):
            for account_id, version in rows:
                if account_id is None:
                    self._node = self._opened(tx, None)
                else:
                    self.forget(account_id)
                    self._taught.add(account_id)
                self.version = version
                metrics.heads.labels("node" if account_id is None else "person").inc()

    def forget(self, account_id: int) -> None:
        """Drop a person's head from memory; the next message reads it anew."""
        with self._lock:
            if account_id in self._cache:
                self._octets -= _octets(self._cache.pop(account_id))

    def _head(self, tx: Reading, account_id: int) -> Head | None:
        with self._lock:
            if account_id in self._cache:
                self._cache.move_to_end(account_id)
                return self._cache[account_id]
        version = self.version
        head = self._opened(tx, account_id)
        with self._lock:
            if version == self.version and account_id not in self._cache:
                self._cache[account_id] = head
                self._octets += _octets(head)
                while self._octets > CACHE:
                    self._octets -= _octets(self._cache.popitem(last=False)[1])
        return head

    def _opened(self, tx: Reading, account_id: int | None) -> Head | None:
        from ai.heads import NODE, PERSON, Head, HeadError  # noqa: PLC0415 - numpy, and only for those who taught

        stored = heads.get(tx, account_id)
        if stored is None or not stored.content:
            return None
        try:
            return Head.from_bytes(stored.content, NODE if account_id is None else PERSON)
        except HeadError as error:
            log.warning("head.broken", account=account_id, problem=str(error))
            return None


def _octets(head: Head | None) -> int:
    return head.octets if head else 100


_ABOUT_SPAM = frozenset({Reason.SPAM_JUNK, Reason.SECOND_OPINION})


def _of_content(verdict: Verdict) -> Opinion | None:
    return next((one for one in verdict.opinions if one.check == CONTENT and one.margin is not None), None)


def told(correction: float) -> str:
    """A correction as the header has it, "" where it is too small to matter."""
    return f"learned={correction:+.1f}" if abs(correction) >= _LEAST else ""


def log_odds(probability: float) -> float:
    """Of a probability; finite for 0 and 1, too."""
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def probability(margin: float) -> float:
    """Of log-odds."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))
