"""Handing one spooled message to the server that takes its recipient's mail."""

from __future__ import annotations

import random
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import trio

from node.base.address import Address, AddressError, parse_address
from node.base.errors import LocalProtocolError, Permanent, Temporary
from node.base.log import get_log
from node.base.reply import Reply
from node.mail.headers import FIELD
from node.net import smtp_client
from node.net.smtp_client import SmtpClient, Waits
from node.outbound.bounce import Contents
from node.outbound.destination import MAX_HOSTS, NO_HOST, Resolver, Shuffle, addresses, exchangers
from node.outbound.outcome import Deferred, Delivered, Outcome, Refused
from node.store.spool import Entry

log = get_log(__name__)

LARGE = 1 << 20  # octets; messages above it are carried LARGE_AT_A_TIME, since they are held in memory on the way
LARGE_AT_A_TIME = 4
_NO_UTF8 = Reply(550, "5.6.7", "the next server cannot take an address or header beyond ASCII (SMTPUTF8)")


class Connect(Protocol):
    """`SmtpClient.connect`; tests hand in one that knows where their servers listen."""

    def __call__(
        self, host: str, port: int, *, name: str, tls: ssl.SSLContext | None, hostname: str, waits: Waits
    ) -> AbstractAsyncContextManager[SmtpClient]:
        """Open a conversation, EHLO said and STARTTLS done when `tls` is given."""
        ...


def opportunistic_tls() -> ssl.SSLContext:
    """TLS that keeps passive listeners out and asks for no proof: the alternative is plain text (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class _Door:
    """A place to knock: the server's name, the address to dial, the port."""

    host: str
    address: str
    port: int


@dataclass(eq=False, slots=True)
class Relay:
    """Carries entries; `carry` is what the runner calls.

    Attributes:
        hostname: what we call ourselves in EHLO.
        resolver: asked for MX, A and AAAA records.
        port: of the servers that MX records name.
        smarthost: (host, port) that takes all mail, instead of asking DNS.
        routes: (host, port) by domain, before smarthost and DNS.
        shuffle: orders exchangers of one preference.
    """

    hostname: str
    contents: Contents
    resolver: Resolver
    port: int = 25
    smarthost: tuple[str, int] | None = None
    routes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    tls: ssl.SSLContext = field(default_factory=opportunistic_tls)
    waits: Waits = field(default_factory=Waits)
    shuffle: Shuffle = random.shuffle
    connect: Connect = SmtpClient.connect
    _large: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(LARGE_AT_A_TIME))

    async def carry(self, entry: Entry) -> Outcome:
        """One attempt: every exchanger in turn until one has an opinion about the message.

        Raises:
            Temporary: DNS or the store of messages cannot be asked now.
        """
        try:
            recipient = parse_address(entry.recipient)
            sender = parse_address(entry.sender) if entry.sender else None
        except AddressError as error:
            return Refused("", Reply(553, "5.1.3", str(error)))
        doors = await self._doors(recipient.domain)
        if isinstance(doors, Reply):
            return Refused("", doors)
        content = await self.contents.read(entry.blob_id, 0, LARGE + 1)
        if len(content) <= LARGE:
            return await self._try(doors, _Parcel(sender, recipient, content, entry.smtputf8))
        async with self._large:
            content = await self.contents.read(entry.blob_id)
            return await self._try(doors, _Parcel(sender, recipient, content, entry.smtputf8))

    async def _doors(self, domain: str) -> list[_Door] | Reply:
        """Where to knock, best first; a Reply when there is nowhere for ever."""
        fixed = self.routes.get(domain, self.smarthost)
        if fixed is not None:
            return [_Door(fixed[0], *fixed)]
        hosts = await exchangers(self.resolver, domain, self.shuffle)
        if isinstance(hosts, Reply):
            return hosts
        doors: list[_Door] = []
        problem: Reply | Temporary = NO_HOST
        for host in hosts:
            try:
                found = await addresses(self.resolver, host)
            except Temporary as error:
                problem = error
                continue
            if not isinstance(found, Reply):
                doors += [_Door(host, address, self.port) for address in found]
            elif isinstance(problem, Reply):
                problem = found
        if doors:
            return doors[:MAX_HOSTS]
        if isinstance(problem, Temporary):
            raise problem
        return problem

    async def _try(self, doors: Sequence[_Door], parcel: _Parcel) -> Outcome:
        last = Deferred("", Reply(451, "4.4.1", "no mail exchanger was reached"))
        for door in doors:
            for tls in (self.tls, None):
                try:
                    return await self._converse(door, tls, parcel)
                except _Unreached as error:
                    log.debug("relay.unreached", host=door.host, address=door.address, tls=bool(tls), error=str(error))
                    last = Deferred(door.host, Reply(451, "4.4.1", str(error)))
        return last

    async def _converse(self, door: _Door, tls: ssl.SSLContext | None, parcel: _Parcel) -> Outcome:
        """Once a server has listened to us its word counts, and no other server is asked: mail must not go twice."""
        reached = False
        outcome: Outcome | None = None
        try:
            async with self.connect(
                door.address, door.port, name=self.hostname, tls=tls, hostname=door.host, waits=self.waits
            ) as client:
                reached = True
                sent = await client.send(
                    parcel.sender,
                    [parcel.recipient],
                    without_return_path(parcel.content),
                    smtputf8=parcel.smtputf8,
                )
                outcome = _judged(door, sent, parcel.recipient, tls="TLS" if tls else "")
        except (Temporary, Permanent) as error:
            if not reached:
                raise _Unreached(str(error)) from error
            return outcome or _broken(door, error)
        return outcome


class _Unreached(Exception):
    """No server listened at this door, in this way; the next may."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    sender: Address | None
    recipient: Address
    content: bytes
    smtputf8: bool


def without_return_path(content: bytes) -> bytes:
    """The message as it leaves: Return-Path belongs to the final delivery alone (RFC 5321 §4.4)."""
    first = FIELD.match(content)
    return content[first.end() :] if first and first[1].lower() == b"return-path" else content


def _judged(door: _Door, sent: smtp_client.Outcome, recipient: Address, *, tls: str) -> Outcome:
    if recipient in sent.accepted:
        return Delivered(door.host, sent.reply, tls)
    reply = sent.refused.get(recipient, sent.reply)
    return Deferred(door.host, reply) if reply.code < 500 else Refused(door.host, reply)


def _broken(door: _Door, error: Temporary | Permanent) -> Outcome:
    """The conversation ended without a verdict: try again, unless this message can never be said to this server."""
    if isinstance(error.__cause__, LocalProtocolError):
        return Refused(door.host, _NO_UTF8 if "SMTPUTF8" in str(error) else Reply(550, "5.6.0", str(error)))
    return Deferred(door.host, Reply(451, "4.4.2", str(error)))
