"""Mail from our own people (587, 465): they prove who they are, and send as nobody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from identity.oauth import sasl as oauth
from node.anchor.leaf import Direction
from node.auth.gate import Entry, Gate
from node.auth.gates.doorkeeper import Before, Doorkeeper, before_sending
from node.auth.guests import Guests, Standing, standing
from node.auth.oauth.door import TokenLogin
from node.auth.refusal import Reason as AuthReason
from node.auth.refusal import Refusal
from node.auth.scram_login import ScramLogin
from node.base import metrics
from node.base.address import Address, AddressError, parse_address
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.opinion import Reason
from node.directory.resolve import Foreign, Several, Unknown
from node.directory.senders import may_send_as, same_house
from node.flow import sasl
from node.flow.accept import INSIDERS_ONLY, NO_SUCH_PERSON, RECIPIENT_FINE, SENDER_FINE, space
from node.flow.bearer import bearer
from node.flow.deliver import Order, deliver
from node.flow.linking import Linked, Linker, linking
from node.flow.parcel import Parcel, pack
from node.flow.premises import Premises
from node.flow.reception import Limits, Session, Transaction
from node.flow.sending import Decision, Look, Lookout
from node.flow.signing import Signing
from node.flow.trace_fields import missing_fields, trace_header
from node.mail.address_list import Group, Mailbox, addresses
from node.mail.correspondence import Correspondence, correspondence
from node.mail.headers import fields, header_end
from node.store import gates
from node.store.accounts import Account
from node.store.database import Reading, Writing
from node.store.incoming import Incoming
from node.wire.smtp import SaslResponse, replies

log = get_log(__name__)

LOG_IN_FIRST = Reply(530, "5.7.0", "Log in first")  # RFC 4954 §6
NOT_YOUR_ADDRESS = Reply(550, "5.7.1", "That sender address is not yours, nor may you send as it")
NOT_YOUR_FROM = Reply(550, "5.7.1", "The From field names an address that you may not send as")
HEADER_TOO_LARGE = Reply(550, "5.6.0", "The header is too large")
_HEADER_LIMIT = 256 << 10
_AUTHORS = 20  # addresses in From


@dataclass(slots=True)
class Submit:
    """The reception of the submission ports (see `node.flow.reception.Reception`)."""

    premises: Premises
    gate: Gate
    spooled: Callable[[], None]  # told after a commit that may have spooled something
    limits: Limits = field(default_factory=Limits)
    lookout: Lookout | None = None  # over what each account sends; None: nobody watches
    guests: Guests | None = None  # knows whether who logged in a while ago may still send; None: nobody looks again
    scram: ScramLogin | None = None  # for clients that prove an app password without sending it; None: nobody can
    tokens: TokenLogin | None = None  # for clients with an access token; None: nobody can
    keeper: Doorkeeper | None = None  # asks gates before sending as an address; None: there are none
    signing: Signing | None = None  # signs with DKIM for the author's domain; None: nobody does
    linker: Linker | None = None  # sends large attachments as links; None: everything goes whole
    offers_auth: bool = True

    async def connect(self, session: Session) -> Reply | None:
        """Everybody may knock; nothing is taken before logging in."""
        return None

    async def authenticate(self, session: Session, username: str, password: str) -> Account | Reply:
        """Ask the one door for an app password with the scope smtp."""
        return _answered(session, await self.gate.enter(username, password, "smtp", session.peer[0]))

    def mechanisms(self, session: Session) -> tuple[str, ...]:
        """SCRAM and access tokens, where the node has them."""
        return (*sasl.mechanisms(self.scram, session), *(oauth.MECHANISMS if self.tokens else ()))

    async def converse(self, session: Session, response: SaslResponse) -> Account | Reply:
        """One step of SCRAM, or an access token."""
        if self.tokens is not None and response.mechanism in oauth.MECHANISMS:
            brought = await bearer(self.tokens, session, response)
            return brought if isinstance(brought, Reply) else _answered(session, brought)
        if self.scram is None:
            return replies.AUTH_MECHANISM
        step = sasl.converse(self.scram, session, response.mechanism, response.data, first=response.first)
        answer = await step
        return answer if isinstance(answer, Reply) else _answered(session, answer)

    async def sender(self, session: Session, transaction: Transaction) -> Reply:
        """A person sends only from an address of their own, or one they may send as (RFC 6409 §6.1)."""
        if session.account is None:
            return LOG_IN_FIRST
        if transaction.sender is None or not await self._may_send_as(session.account, [transaction.sender]):
            return NOT_YOUR_ADDRESS
        if (shut := await self._shut(session, transaction.sender)) is not None:
            return shut
        locked = await self.lookout.refusal(session.account) if self.lookout else None
        return locked or SENDER_FINE

    async def _shut(self, session: Session, sender: Address) -> Reply | None:
        """What ended since the login, or a gate before sending, says to MAIL; None when nothing stands in the way."""
        entry, person = session.entry if self.guests else None, _person(session) if self.keeper else None
        if entry is None and person is None:
            return None

        def query(tx: Reading) -> tuple[Standing | None, list[Before]]:
            inside = standing(tx, entry, "smtp") if entry else None
            return inside, before_sending(tx, person, [sender]) if person else []

        inside, before = await self.premises.database.read(query)
        if self.guests and inside and (ended := await self.guests.judge(inside)) is not None:
            return _turned_away(ended)
        return _not_as_these(await self.keeper.judge_all(before)) if self.keeper else None

    async def recipient(self, session: Session, transaction: Transaction, address: Address) -> Reply:
        """People of ours and everybody elsewhere; an unknown address in our own domain is told at once."""
        resolution = await self.premises.directory.resolve(address)
        if isinstance(resolution, Unknown):
            transaction.refused += 1
            metrics.recipients_refused.labels(Reason.UNKNOWN_RECIPIENT).inc()
            return NO_SUCH_PERSON
        if isinstance(resolution, Foreign):
            return RECIPIENT_FINE
        if isinstance(resolution, Several) and resolution.inside and not await self._is_inside(session, address):
            metrics.recipients_refused.labels(Reason.INSIDERS_ONLY).inc()
            return INSIDERS_ONLY
        return await space(self.premises, resolution, transaction)

    async def _is_inside(self, session: Session, group: Address) -> bool:
        account = session.account
        if account is None:
            return False
        return await self.premises.database.read(lambda tx: same_house(tx, parse_address(account.address), group))

    async def _may_send_as(self, account: Account, addresses: Sequence[Address]) -> bool:
        if all(_owns(account, address) for address in addresses):
            return True
        return await self.premises.database.read(lambda tx: may_send_as(tx, account, addresses))

    def incoming(self) -> Incoming:
        """Where the content is written."""
        return self.premises.incoming()

    async def finish(self, session: Session, transaction: Transaction, incoming: Incoming) -> Reply:
        """Keep the message for people here and spool it for people elsewhere, in one commit; or have it wait."""
        if session.account is None:
            return LOG_IN_FIRST
        head = await _header(incoming)
        if head is None:
            log.info("mail.submitted", id=session.id, result="refused", reason=str(Reason.TOO_DEEP))
            return HEADER_TOO_LARGE
        authors = _authors(head)
        if not authors or not await self._may_send_as(session.account, authors):
            log.info("mail.submitted", id=session.id, result="refused", reason=str(Reason.NOT_YOUR_ADDRESS))
            return NOT_YOUR_FROM
        account = session.account
        look = await self.lookout.look(account, session, transaction, incoming) if self.lookout else None
        async with linking(self.linker, account, transaction.recipients, head, incoming) as linked:
            return await self._send(session, account, transaction, authors, _Letter(incoming, head, look, linked))

    async def _send(
        self, session: Session, account: Account, transaction: Transaction, authors: list[Address], letter: _Letter
    ) -> Reply:
        orders = await self._orders(session, account, transaction, authors, letter)
        keep = partial(self._keep, orders=orders, letter=letter)
        kept = await self.premises.database.write(partial(gates.unless_set, use="send", work=keep))
        if kept is None:
            if (shut := await self._closed(session, authors)) is not None:
                log.info("mail.submitted", id=session.id, result="refused", reason=str(Reason.NOT_YOUR_ADDRESS))
                return shut
            kept = await self.premises.database.write(keep)
        if self.lookout and kept.decision:
            self.lookout.conclude(kept.decision)
        return self._answer(session, account, transaction, letter.incoming, kept)

    async def _orders(
        self, session: Session, account: Account, transaction: Transaction, authors: list[Address], letter: _Letter
    ) -> list[tuple[Parcel, Order]]:
        """What goes to whom; people elsewhere may get links where people here get attachments."""
        linked, everybody = letter.linked, transaction.recipients
        shares = [(letter.incoming, letter.head, [one for one in everybody if not linked or one not in linked.abroad])]
        if linked:
            shares.append((linked.content, await _header(linked.content) or letter.head, linked.abroad))
        orders, host = [], self.premises.hostname
        for content, head, recipients in shares:
            if recipients:
                added = missing_fields(head, host)
                signature = await self.signing.fields(authors[0].domain, added, head, content) if self.signing else b""
                prefix = trace_header(host, session, transaction) + signature + added
                parcel = await pack(self.premises.database, content, prefix)
                orders.append((parcel, _order(transaction, recipients, account, correspondence(prefix + head))))
        return orders

    async def _closed(self, session: Session, authors: Sequence[Address]) -> Reply | None:
        """What a gate before sending as one of the authors says; None when nothing stands in the way."""
        person = _person(session)
        return _not_as_these(await self.keeper.send(person, authors)) if self.keeper and person else None

    def _keep(self, tx: Writing, orders: Sequence[tuple[Parcel, Order]], letter: _Letter) -> _Kept:
        """The unit of work: what the lookout remembers and what is delivered come to disk together."""
        decision = self.lookout.decide(tx, letter.look) if self.lookout and letter.look else None
        if decision and decision.reply:
            return _Kept(-1, decision)
        leaf = -1
        for parcel, order in orders:
            leaf = deliver(tx, parcel, order, self.premises.log)
        if letter.linked:
            letter.linked.keep(tx)
        return _Kept(leaf, decision)

    def _answer(
        self, session: Session, account: Account, transaction: Transaction, incoming: Incoming, kept: _Kept
    ) -> Reply:
        reply = kept.decision.reply if kept.decision else None
        result, reason = ("deferred", Reason.SENDING_RESTRICTED) if reply else ("kept", Reason.FINE)
        if reply is None:
            self.spooled()
            metrics.message_bytes.labels("submitted").inc(incoming.size)
        metrics.messages.labels("submitted", result).inc()
        log.info(
            "mail.submitted",
            id=session.id,
            result=result,
            reason=str(reason),
            account=account.address,
            recipients=len(transaction.recipients),
            size=incoming.size,
        )
        return reply or Reply(250, "2.0.0", f"Kept as {session.id}, log entry {kept.leaf}")


def _person(session: Session) -> Account | None:
    """Who it is that sends, as whosoever."""
    return session.account if session.entry is None else session.entry.person or session.account


class _Letter(NamedTuple):
    """What came in, its header, what the lookout saw, and what goes to people elsewhere in its stead."""

    incoming: Incoming
    head: bytes
    look: Look | None
    linked: Linked | None


class _Kept(NamedTuple):
    """What a submission's transaction did: the leaf of the log, or a decision with a reply."""

    leaf: int
    decision: Decision | None


def _order(transaction: Transaction, recipients: Sequence[Address], account: Account, letter: Correspondence) -> Order:
    return Order(
        sender=str(transaction.sender or ""),
        recipients=recipients,
        direction=Direction.SUBMITTED,
        may_leave=True,
        smtputf8=transaction.smtputf8,
        letter=letter,
        submitter=account.id,
    )


def _answered(session: Session, answer: Entry | Refusal) -> Account | Reply:
    """What a login comes to; who was let in is noted."""
    if isinstance(answer, Entry):
        session.entry, session.app_password = answer, answer.name
        return answer.account
    if answer.reason in (AuthReason.GATE_CLOSED, AuthReason.GATE_UNKNOWN):
        return _turned_away(answer)
    if answer.temporary:
        return Reply(454, "4.7.0", "Too many failed logins or a passing fault; please wait and try again")
    return Reply(535, "5.7.8", "Wrong address or app password")  # RFC 4954 §6


def _turned_away(refusal: Refusal) -> Reply:
    """What a token gate, or an app password's end, says to who had the right credentials (RFC 4954 §6, RFC 3463)."""
    words = refusal.words[0].upper() + refusal.words[1:]
    return Reply(454, "4.7.0", words) if refusal.temporary else Reply(535, "5.7.1", words)


def _not_as_these(refusal: Refusal | None) -> Reply | None:
    """What a gate before sending says."""
    if refusal is None:
        return None
    words = refusal.words[0].upper() + refusal.words[1:]
    return Reply(451, "4.7.1", words) if refusal.temporary else Reply(550, "5.7.1", words)


def _owns(account: Account, address: Address) -> bool:
    return address.key == parse_address(account.address).key


async def _header(incoming: Incoming) -> bytes | None:
    """The header block alone: a forwarded message in the body has a From of its own. None when it has no end in sight,
    where a second From could hide."""
    head = await incoming.head(_HEADER_LIMIT)
    end = header_end(head, 0, len(head))
    return None if end == len(head) < incoming.size else head[:end]


def _authors(head: bytes) -> list[Address]:
    """Every address in From; none where one of them is no address: such a message gets nowhere."""
    found = [
        box for entry in fields(head, 0, len(head)) if entry.name.lower() == b"from" for box in addresses(entry.value)
    ]
    authors = [_address(box) for box in found[:_AUTHORS]]
    return [] if len(found) > _AUTHORS or None in authors else [author for author in authors if author]


def _address(box: Mailbox | Group) -> Address | None:
    if not isinstance(box, Mailbox):
        return None
    try:
        return parse_address(f"{box.local.decode()}@{box.domain.decode()}")
    except (AddressError, UnicodeDecodeError):
        return None
