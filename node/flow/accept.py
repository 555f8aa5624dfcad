"""Mail from other servers (port 25): who may send what to whom, and the whole way to a kept promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from node.anchor.leaf import Direction
from node.base import metrics
from node.base.address import Address
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.learned import Learned, told
from node.checks.opinion import Opinion, Reason, Verdict
from node.checks.panel import Panel, Subject
from node.directory.resolve import Foreign, Resolution, Several, readers, resolve
from node.flow.deliver import Order, deliver
from node.flow.held import Holding, Why, hold
from node.flow.parcel import pack
from node.flow.premises import Premises
from node.flow.reception import Limits, Session, Transaction
from node.flow.trace_fields import trace_header
from node.flow.writers import NOT_FOR_STRANGERS, Writers, refuses
from node.flow.writers import folders as folders_of
from node.mail.correspondence import correspondence
from node.mail.headers import decoded, get, header_end
from node.store import gates
from node.store.accounts import Account
from node.store.database import Reading
from node.store.incoming import Incoming
from node.wire.smtp import SaslResponse

log = get_log(__name__)

SENDER_FINE = Reply(250, "2.1.0", "Fine")
RECIPIENT_FINE = Reply(250, "2.1.5", "Fine")
NO_SUCH_PERSON = Reply(550, "5.1.1", "Nobody has this address here")
LOG_IN_ELSEWHERE = Reply(503, "5.5.1", "Log in on port 587 or 465")
NOT_OURS = Reply(550, "5.7.1", "This server does not take mail for that domain; log in on port 587 or 465 to send")
INSIDERS_ONLY = Reply(550, "5.7.1", "Only people who log in here may write to this group")
OVER_QUOTA = Reply(452, "4.2.2", "The mailbox is full; try again later")  # RFC 3463 §3.3
_LOOKED_AT = 256 << 10  # octets the checks get to see


@dataclass(slots=True)
class Accept:
    """The reception of port 25 (see `node.flow.reception.Reception`)."""

    premises: Premises
    panel: Panel
    limits: Limits = field(default_factory=Limits)
    learned: Learned | None = None  # what people taught; None: everybody gets the node's verdict
    holding: Holding | None = None  # how mail is held; None: it goes to Junk instead
    writers: Writers | None = None  # asks gates for writing; None: there are none
    offers_auth: bool = False

    async def connect(self, session: Session) -> Reply | None:
        """Every server may knock."""
        return None

    async def authenticate(self, session: Session, username: str, password: str) -> Account | Reply:
        """Nobody logs in on this port."""
        return LOG_IN_ELSEWHERE

    def mechanisms(self, session: Session) -> tuple[str, ...]:
        """None."""
        return ()

    async def converse(self, session: Session, response: SaslResponse) -> Account | Reply:
        """Nobody logs in on this port."""
        return LOG_IN_ELSEWHERE

    async def sender(self, session: Session, transaction: Transaction) -> Reply:
        """Any sender, the null sender of bounces included."""
        return SENDER_FINE

    async def recipient(self, session: Session, transaction: Transaction, address: Address) -> Reply:
        """Only people of ours: mail that cannot be delivered is refused here, where its sender is still told."""
        resolution = await self.premises.directory.resolve(address)
        if not readers(resolution):
            return refusal(resolution)
        if isinstance(resolution, Several) and resolution.inside:
            metrics.recipients_refused.labels(Reason.INSIDERS_ONLY).inc()
            return INSIDERS_ONLY
        reply = await space(self.premises, resolution, transaction)
        if reply.is_positive and not transaction.recipients and self.panel.arriving:
            self.panel.arriving(session.peer[0], session.helo, str(transaction.sender or ""))
        return reply

    def incoming(self) -> Incoming:
        """Where the content is written."""
        return self.premises.incoming()

    async def finish(self, session: Session, transaction: Transaction, incoming: Incoming) -> Reply:
        """Judge the message and keep it. 250 means: committed to disk, with its leaf in the log."""
        subject = await _subject(session, transaction, incoming)
        verdict = await self.panel.content(subject)
        if verdict.reply:
            _decided(session, transaction, incoming, verdict.reason, verdict.reply)
            return verdict.reply
        with metrics.delivery_seconds.time():
            reply = await self._keep(session, transaction, incoming, verdict, subject)
        _decided(session, transaction, incoming, verdict.reason, reply)
        return reply

    async def _keep(
        self,
        session: Session,
        transaction: Transaction,
        incoming: Incoming,
        verdict: Verdict,
        subject: Subject,
    ) -> Reply:
        host, writers = self.premises.hostname, self.writers
        is_told = writers is None or writers.expected  # else the transaction looks whether there are any gates by now
        standings = await writers.standings(transaction.recipients, incoming) if writers and is_told else {}
        if standings and refuses(standings, await self._reached(transaction)):
            metrics.recipients_refused.labels(Reason.NOT_YOUR_ADDRESS).inc(len(transaction.recipients))
            return NOT_FOR_STRANGERS
        folders, alone = await self._own_folders(transaction, verdict)
        shown = _personal(verdict, folders) if alone else verdict
        trace = trace_header(host, session, transaction, shown.header(host), verdict.results)
        parcel = await pack(self.premises.database, incoming, trace, names=(host,))
        order = Order(
            sender=str(transaction.sender or ""),
            recipients=transaction.recipients,
            direction=Direction.RECEIVED,
            folder=verdict.folder,
            folders={account_id: folder for account_id, (folder, _) in folders.items()}
            | folders_of(standings, verdict),
            # A bounce has no author that one would know again.
            letter=correspondence(subject.content) if transaction.sender else None,
        )
        work = partial(deliver, parcel=parcel, order=order, log=self.premises.log)
        if verdict.hold and self.holding:
            why = Why(_title(subject), verdict.header(host).partition("; ")[2], verdict.reason)
            work = partial(hold, parcel=parcel, order=order, log=self.premises.log, holding=self.holding, why=why)
        leaf = await self.premises.database.write(
            work if is_told else partial(gates.unless_set, use="write", work=work)
        )
        if leaf is None and writers:
            writers.expected = True
            return await self._keep(session, transaction, incoming, verdict, subject)
        if verdict.hold and self.holding:
            metrics.held.labels("held").inc()
            metrics.held_messages.inc()
        return Reply(250, "2.0.0", f"Kept as {session.id}, log entry {leaf}")

    async def _reached(self, transaction: Transaction) -> int:
        """How many accounts the message is for."""

        def query(tx: Reading) -> int:
            found = (one.account.id for address in transaction.recipients for one in readers(resolve(tx, address)))
            return len(set(found))

        return await self.premises.database.read(query)

    async def _own_folders(
        self, transaction: Transaction, verdict: Verdict
    ) -> tuple[dict[int, tuple[str, float]], bool]:
        """For people whose own head decides otherwise than the node: folder and correction. It never costs mail.

        True beside it when one person alone reads the message.
        """
        learned = self.learned
        if learned is None or not learned.knows_any():
            return {}, False

        def query(tx: Reading) -> tuple[dict[int, tuple[str, float]], bool]:
            found = [one.account.id for address in transaction.recipients for one in readers(resolve(tx, address))]
            people = list(dict.fromkeys(found))
            return learned.folders(tx, people, verdict), len(people) == 1

        try:
            return await self.premises.database.read(query)
        except Exception:  # what was learned is no reason to keep mail out
            log.exception("learned.crashed")
            return {}, False


def _personal(verdict: Verdict, folders: Mapping[int, tuple[str, float]]) -> Verdict:
    """The verdict with what its only reader's head made of it; of several readers none is told what another taught."""
    for folder, correction in folders.values():
        label = "spam" if folder else "ham"
        opinion = Opinion(Reason.LEARNED, label, details=(told(correction),), check="personal")
        return Verdict((*verdict.opinions, opinion))
    return verdict


def refusal(resolution: Resolution) -> Reply:
    """The words for an address that is not delivered to."""
    foreign = isinstance(resolution, Foreign)
    reason = Reason.NOT_LOCAL if foreign else Reason.UNKNOWN_RECIPIENT
    metrics.recipients_refused.labels(reason).inc()
    return NOT_OURS if foreign else NO_SUCH_PERSON


async def space(premises: Premises, found: Resolution, transaction: Transaction) -> Reply:
    """Fine, or the words for a full mailbox. The sender keeps the message and tries again."""
    if await premises.directory.has_room(found, transaction.declared_size or 0):
        return RECIPIENT_FINE
    transaction.refused += 1
    metrics.recipients_refused.labels(Reason.OVER_QUOTA).inc()
    return OVER_QUOTA


async def _subject(session: Session, transaction: Transaction, incoming: Incoming) -> Subject:
    return Subject(
        content=await incoming.head(_LOOKED_AT),
        size=incoming.size,
        sender=str(transaction.sender or ""),
        recipients=tuple(map(str, transaction.recipients)),
        peer=session.peer[0],
        helo=session.helo,
        source=incoming,
    )


def _title(subject: Subject) -> str:
    """The Subject as a person reads it."""
    content = subject.content
    return decoded(get(content, 0, header_end(content, 0, len(content)), b"subject") or b"")


def _decided(session: Session, transaction: Transaction, incoming: Incoming, reason: Reason, reply: Reply) -> None:
    """The postmaster's line: one decision, stable keys."""
    result = "kept" if reply.is_positive else "refused" if not reply.is_temporary else "deferred"
    metrics.messages.labels("received", result).inc()
    if reply.is_positive:
        metrics.message_bytes.labels("received").inc(incoming.size)
    log.info(
        "mail.received",
        id=session.id,
        result=result,
        reason=str(reason),
        code=reply.code,
        sender=str(transaction.sender or "<>"),
        recipients=len(transaction.recipients),
        size=incoming.size,
        peer=session.peer[0],
        tls=session.tls is not None,
    )
