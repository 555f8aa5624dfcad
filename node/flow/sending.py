"""The lookout over what each account sends: judged, remembered and told in the transaction that keeps the message.

A stolen app password is noticed by what it is used for. Sending is slowed in steps and then locked, always with a 4xx,
so that no mail is lost; its owner finds a note in the inbox and lifts the lock with a wallet's signature. Reading is
never touched.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from node.anchor import audit
from node.anchor.leaf import Direction
from node.anchor.log import Log
from node.auth.throttle import network
from node.base import metrics
from node.base.address import Address, parse_address
from node.base.log import get_log
from node.base.reply import Reply
from node.checks import sending as scoring
from node.checks.baseline import Baseline, Counts, pack, unpack
from node.checks.panel import ContentCheck, Subject
from node.checks.sending import SCORED_FROM, Attempt, Judgement, Policy, Step
from node.flow.deliver import Order, deliver
from node.flow.parcel import small_parcel
from node.flow.reception import Session, Transaction
from node.flow.sending_notice import SUBJECTS, deferral, lines, locked
from node.mail.notice import Notice, notice
from node.store import accounts, security_events, sending
from node.store.accounts import Account
from node.store.database import Database, Reading, Writing
from node.store.incoming import Incoming
from node.store.security_events import SecurityEvent
from node.store.sending import State

log = get_log(__name__)

REMEMBERED = 1000  # baselines that are not read anew
REMEMBERED_CORRESPONDENTS = 20_000
_LOOKED_AT = 256 << 10  # octets the classifier gets to see


class Kind(StrEnum):
    """What a security event can be."""

    SLOWED = "sending-slowed"
    HELD = "sending-held"
    LOCKED = "sending-locked"
    UNLOCKED = "sending-unlocked"


_KINDS = {Step.SLOWED: Kind.SLOWED, Step.HELD: Kind.HELD, Step.LOCKED: Kind.LOCKED}


class Look(NamedTuple):
    """What is known about a submission before its transaction.

    Attributes:
        addresses, domains: digests of the recipients, each address once, and of each one's domain.
        refused: recipients this transaction was denied.
        peer: the client's network, as it is shown.
        spam: the classifier's score, where it was asked.
    """

    account: Account
    time: float
    addresses: Sequence[int]
    domains: Sequence[int]
    refused: int
    peer: str
    place: int
    country: int | None
    app_password: str
    spam: float | None


class Decision(NamedTuple):
    """What became of a submission: a reply when it has to wait, an event when there is something to tell."""

    account: Account
    judgement: Judgement
    reply: Reply | None
    event: SecurityEvent | None


@dataclass(slots=True)
class Lookout:
    """Watches all accounts of a node.

    Attributes:
        database, log: where all of it is kept, and the transparency log that the note goes into.
        hostname: our own name.
        page: address of the page where people unlock.
        policy: recipients an hour and a day.
        classifier: asked about outgoing mail of accounts that are near their limit, and of no other.
        country: the country of a network address, for whoever has a database of them; "" when it does not know.
        clock: unix seconds.
    """

    database: Database
    log: Log
    hostname: str
    page: str
    policy: Policy = field(default_factory=Policy)
    classifier: ContentCheck | None = None
    country: Callable[[str], str] | None = None
    clock: Callable[[], float] = time.time
    _states: dict[int, tuple[State, Baseline]] = field(default_factory=dict)  # used on the writer's thread alone
    _known: dict[tuple[int, int], int] = field(default_factory=dict)  # likewise
    _locked: set[int] = field(default_factory=set)  # accounts to ask the database about at MAIL
    _near: set[int] = field(default_factory=set)  # accounts whose mail the classifier is asked about

    async def refusal(self, account: Account) -> Reply | None:
        """The reply to MAIL of a locked account, which spares its client the upload."""
        if account.id not in self._locked:
            return None
        state = await self.database.read(lambda tx: sending.get(tx, account.id))
        if state is not None and state.step >= Step.LOCKED:
            metrics.sending_deferred.labels(Step.LOCKED.name.lower()).inc()
            return locked(self.page)
        self._locked.discard(account.id)
        return None

    async def look(self, account: Account, session: Session, transaction: Transaction, incoming: Incoming) -> Look:
        """Gather what the decision needs; waits for the classifier only when the account is near its limit."""
        domains = {address.key: address.domain for address in transaction.recipients}
        peer = session.peer[0]
        shown, place = _place(peer)
        country = self.country(peer) if self.country else ""
        return Look(
            account=account,
            time=self.clock(),
            addresses=[sending.digest(key) for key in domains],
            domains=[sending.digest(f"@{domain}") for domain in domains.values()],
            refused=transaction.refused,
            peer=shown,
            place=place,
            country=sending.digest(country) if country else None,
            app_password=session.app_password,
            spam=await self._score(account, session, transaction, incoming) if account.id in self._near else None,
        )

    async def _score(
        self, account: Account, session: Session, transaction: Transaction, incoming: Incoming
    ) -> float | None:
        if self.classifier is None:
            return None
        subject = Subject(
            content=await incoming.head(_LOOKED_AT),
            size=incoming.size,
            sender=account.address,
            recipients=tuple(map(str, transaction.recipients)),
            peer=session.peer[0],
        )
        return (await self.classifier.content(subject)).score

    def decide(self, tx: Writing, look: Look) -> Decision:
        """Judge a submission and keep what follows from it: baseline, correspondents, event, note.

        Runs in the transaction that delivers the message when `reply` is None, so that after a crash both have
        happened, or neither.
        """
        account, now = look.account, int(look.time)
        digests = [*look.addresses, *dict.fromkeys(look.domains)]
        found = self._found(tx, account.id, digests, now)
        attempt = _attempt(look, found)
        judgement = self._judge(tx, account.id, attempt)
        if judgement.accepted:
            sending.meet(tx, account.id, digests, found, now)
        reply = None if judgement.accepted else deferral(judgement, len(look.addresses), self.page)
        event = self._tell(tx, look, attempt, judgement) if judgement.is_new else None
        return Decision(account, judgement, reply, event)

    def _found(self, tx: Writing, account_id: int, digests: Sequence[int], now: int) -> dict[int, int]:
        """The correspondents that are known, by digest, and when they were written to last."""
        known = self._known
        found = {each: known.get((account_id, each), 0) for each in digests}
        if min(found.values()) > now - sending.REFRESH_SECONDS:
            return found
        found = sending.known(tx, account_id, list(digests))
        if len(known) + len(found) > REMEMBERED_CORRESPONDENTS:
            known.clear()
        known.update({(account_id, each): last for each, last in found.items()})
        return found

    def _judge(self, tx: Writing, account_id: int, attempt: Attempt) -> Judgement:
        """Judge with the state as it stands on disk, and replace it.

        What this process has kept last needs no reading: it is replaced if it still stands there. It does not when
        another process has unlocked the account, or when the transaction that wrote it was undone.
        """
        state, baseline = self._states.pop(account_id, (None, None))
        if state is not None and baseline is not None:
            judgement, kept = self._judged(state, baseline, attempt)
            if sending.replace(tx, account_id, state, kept):
                self._states[account_id] = (kept, baseline)
                return judgement
        state = sending.get(tx, account_id)
        baseline, step = _opened(state)
        judgement, kept = self._judged(State(step, state.since if state else 0, b""), baseline, attempt)
        sending.put(tx, account_id, kept)
        if len(self._states) >= REMEMBERED:
            self._states.clear()
        self._states[account_id] = (kept, baseline)
        return judgement

    def _judged(self, state: State, baseline: Baseline, attempt: Attempt) -> tuple[Judgement, State]:
        before = Step(state.step)
        judgement = scoring.judge(baseline, before, attempt, self.policy)
        since = state.since if judgement.step is before else int(attempt.time)
        return judgement, State(int(judgement.step), since, pack(baseline))

    def conclude(self, decision: Decision) -> None:
        """After the commit: log, count, and remember what spares work next time."""
        account, judgement, event = decision.account, decision.judgement, decision.event
        if judgement.pressure >= SCORED_FROM:
            self._near.add(account.id)
        else:
            self._near.discard(account.id)
        if judgement.step is Step.LOCKED:
            self._locked.add(account.id)
        if decision.reply:
            metrics.sending_deferred.labels(judgement.step.name.lower()).inc()
        if event:
            metrics.security_events.labels(event.kind).inc()
            log.warning(
                "security.event",
                kind=event.kind,
                account=account.address,
                network=event.network,
                app_password_name=event.app_password,
                messages=event.messages,
                recipients=event.recipients,
                fresh=event.fresh,
                pressure=round(judgement.pressure, 2),
                signs=event.details,
            )

    def _tell(self, tx: Writing, look: Look, attempt: Attempt, judgement: Judgement) -> SecurityEvent:
        """Keep the event; the first of its kind, and the lock, put a note into the inbox."""
        counts = judgement.counts or Counts()
        event = SecurityEvent(
            time=int(look.time),
            kind=_KINDS[judgement.step],
            network=look.peer,
            app_password=look.app_password,
            messages=round(counts.messages),
            recipients=round(counts.recipients + counts.deferred),
            fresh=round(counts.fresh + (0.0 if judgement.accepted else attempt.fresh)),
            details=" ".join(judgement.signs),
        )
        audit.security(tx, look.account.id, event, audit.NODE)
        if judgement.is_first or judgement.step is Step.LOCKED:
            reader = parse_address(look.account.address)
            text = notice(
                Notice(
                    host=self.hostname,
                    reader=reader,
                    id=f"security.{secrets.token_hex(12)}",
                    time=event.time,
                    subject=SUBJECTS[judgement.step],
                    lines=lines(event, judgement, look.account.address, self.page),
                )
            )
            order = Order(sender="", recipients=(reader,), direction=Direction.SUBMITTED)
            deliver(tx, small_parcel(text), order, self.log)
        return event


def _opened(state: State | None) -> tuple[Baseline, Step]:
    """The baseline and the step; one that cannot be read is that of a new account, but a lock stays a lock."""
    if state is None:
        return Baseline(), Step.FREE
    return unpack(state.baseline) or Baseline(), Step(min(max(state.step, Step.FREE), Step.LOCKED))


def _attempt(look: Look, found: dict[int, int]) -> Attempt:
    pairs = zip(look.addresses, look.domains, strict=True)
    fresh = sum(0.0 if address in found else 0.5 if domain in found else 1.0 for address, domain in pairs)
    people = look.addresses
    together = people[0] if len(people) == 1 else sending.digest(" ".join(map(str, sorted(people))))
    return Attempt(
        time=look.time,
        recipients=len(look.addresses),
        fresh=fresh,
        refused=look.refused,
        network=look.place,
        fingerprint=together & 0xFFFFFFFF,
        country=look.country,
        spam=look.spam,
    )


@lru_cache(maxsize=1024)
def _place(peer: str) -> tuple[str, int]:
    """A client's network as it is shown, and a digest of its neighbourhood, which stays the same when a phone gets
    another address: /16, IPv6 /32."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return network(peer), sending.digest(peer)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    near = str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))
    return network(peer), sending.digest(near)


# --- for the pages, the command line and the bouncer ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restriction:
    """What stands between an account and sending now: how far, since when, and what was seen last."""

    step: Step
    since: int
    event: SecurityEvent | None

    @property
    def is_locked(self) -> bool:
        """True when nothing can be sent before an unlock."""
        return self.step is Step.LOCKED


def restriction(tx: Reading, account_id: int, now: float) -> Restriction | None:
    """How sending is restricted; None when it is not and nothing unusual happened within a day."""
    state = sending.get(tx, account_id)
    if state is None:
        return None
    baseline, step = _opened(state)
    is_recent = abs(now - baseline.anomaly) < scoring.QUIET_SECONDS
    if step is not Step.LOCKED:
        step = Step(min(max(step, baseline.told), Step.HELD)) if is_recent else Step.FREE
    if step is Step.FREE:
        return None
    seen = (e for e in security_events.recent(tx, account_id, 10) if e.kind != Kind.UNLOCKED)
    return Restriction(step, state.since, next(seen, None))


def unlock(tx: Writing, account_id: int, now: float, by: str, peer: str = "") -> bool:
    """Lift every restriction and keep the event; False when there was none.

    Args:
        by: who did it: a wallet's subject, or "administrator".
    """
    if restriction(tx, account_id, now) is None:
        return False
    state = sending.get(tx, account_id)
    baseline, _ = _opened(state)
    scoring.lift(baseline, now)
    sending.put(tx, account_id, State(Step.FREE, int(now), pack(baseline)))
    actor = audit.OPERATOR if by == "administrator" else ""
    audit.security(tx, account_id, SecurityEvent(int(now), Kind.UNLOCKED, peer, details=by), actor)
    return True


def note_bounce(tx: Writing, sender: Address, now: float, policy: Policy) -> None:
    """Another server does not know a recipient of this account: many of those are a sign, too."""
    account = accounts.find(tx, sender)
    state = sending.get(tx, account.id) if account else None
    if account is None or state is None:
        return
    baseline, _ = _opened(state)
    scoring.note_refused(baseline, now, policy)
    sending.put(tx, account.id, state._replace(baseline=pack(baseline)))
