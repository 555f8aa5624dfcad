"""GETMETADATA and SETMETADATA: annotations, and the receipts of messages (RFC 5464)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.store import mailboxes, message_digests, metadata
from node.store.database import Reading, Writing
from node.store.mailboxes import Mailbox
from node.wire.imap.metadata import Depth, GetMetadata, SetMetadata
from node.wire.imap.mutf7 import encode
from node.wire.imap.render import astring, nstring8

if TYPE_CHECKING:
    from node.servers.imap.session import Session

RECEIPTS = "/private/vendor/waxseal/receipt"
LISTED = 100
"""Receipts of the newest messages that DEPTH finds below `RECEIPTS`; every other one is there by its name."""
_RECEIPT = re.compile(RECEIPTS + r"/([1-9][0-9]{0,9})\Z")
_SETTABLE = re.compile(r"/(?:private|shared)/(?:comment|vendor/[^/]+(?:/.+)?)\Z")  # RFC 5464 §3.2.1
_OURS = re.compile(r"/(?:private|shared)/vendor/waxseal(?:/|\Z)|/private/specialuse\Z")


async def get_metadata(session: Session, command: GetMetadata) -> Answer:
    """GETMETADATA (RFC 5464 §4.2). An entry that is asked for by name and is not there comes as NIL."""
    known, digests = await session.server.database.read(partial(_look, session, command))
    for uid, sha256 in digests.items():
        made = await session.server.receipt(session.account, sha256) if session.server.receipt else None
        if made is not None:
            known[f"{RECEIPTS}/{uid}"] = made
    longest, pairs = 0, []
    for entry in _chosen(command, known):
        value = known.get(entry)
        if value is not None and command.maxsize is not None and len(value) > command.maxsize:
            longest = max(longest, len(value))
        else:
            pairs.append(b"%b %b" % (astring(entry.encode()), nstring8(value)))
    if pairs:
        name = astring(encode(command.mailbox))
        session.output.write(b"* METADATA %b (%b)\r\n" % (name, b" ".join(pairs)))
    return Answer("Told", b"METADATA LONGENTRIES %d" % longest if longest else b"")


async def set_metadata(session: Session, command: SetMetadata) -> Answer:
    """SETMETADATA (RFC 5464 §4.3): all of it or nothing. NOPRIVATE is no answer here: all have private entries."""
    for entry, value in command.values:
        _insist_settable(command.mailbox, entry, value)
    await session.server.database.write(partial(_set, session, command))
    await session.sync()
    return Answer("Set")


def _look(session: Session, command: GetMetadata, tx: Reading) -> tuple[dict[str, bytes], dict[int, bytes]]:
    """Every entry that is kept or fixed, and the digests of messages whose receipts are wanted."""
    account, person = session.account.id, session.person.id
    if not command.mailbox:
        return metadata.seen_by(tx, account, metadata.SERVER, person) | _about_server(session), {}
    mailbox = _existing(tx, account, command.mailbox)
    known = metadata.seen_by(tx, account, mailbox.id, person)
    if mailbox.special_use:
        known["/private/specialuse"] = mailbox.special_use.encode()  # RFC 6154 §4
    listed = command.depth is not Depth.NONE and RECEIPTS in command.entries
    digests = message_digests.newest(tx, mailbox.id, LISTED) if listed else {}
    uids = [int(found[1]) for entry in command.entries if (found := _RECEIPT.match(entry))]
    return known, digests | message_digests.of(tx, mailbox.id, uids) if uids else digests


def _existing(tx: Reading, account_id: int, name: str) -> Mailbox:
    """The mailbox of that name; a level of hierarchy can have entries, too (§4.1)."""
    mailbox = mailboxes.find(tx, account_id, name)
    if mailbox is None:
        raise Refused("No such mailbox", b"NONEXISTENT")
    return mailbox


def _about_server(session: Session) -> dict[str, bytes]:
    """What the node says of itself (§3.2.1.1)."""
    host = session.server.hostname
    return {"/shared/admin": f"mailto:postmaster@{host}".encode(), "/shared/comment": f"Waxseal on {host}".encode()}


def _chosen(command: GetMetadata, known: dict[str, bytes]) -> dict[str, None]:
    """The names to answer with, each once, in the order they were asked for."""
    chosen: dict[str, None] = {}
    for asked in command.entries:
        if asked in known or command.depth is Depth.NONE:
            chosen[asked] = None
        if command.depth is not Depth.NONE:
            below, whole = asked + "/", command.depth is Depth.ALL
            chosen |= {
                name: None for name in known if name.startswith(below) and (whole or "/" not in name[len(below) :])
            }
    return chosen


def _insist_settable(mailbox: str, entry: str, value: bytes | None) -> None:
    if _OURS.match(entry):
        raise Refused(f"{entry} is made by the node and only read", b"NOPERM")
    if not mailbox and entry.startswith(metadata.SHARED):
        raise Refused("What is shared by all of the server only its operator sets", b"NOPERM")
    if not _SETTABLE.match(entry):
        raise Refused(f"{entry} is no entry that can be set: use /private/comment or /private/vendor/...", b"CANNOT")
    if value is not None and len(value) > metadata.MAX_VALUE:
        code = b"METADATA MAXSIZE %d" % metadata.MAX_VALUE
        raise Refused(f"A value has at most {metadata.MAX_VALUE} octets", code)


def _set(session: Session, command: SetMetadata, tx: Writing) -> None:
    account, person = session.account.id, session.person.id
    mailbox_id = _existing(tx, account, command.mailbox).id if command.mailbox else metadata.SERVER
    for entry, value in command.values:
        metadata.put(tx, account, mailbox_id, person, entry, value)
    for owner in {metadata.owner(account, person, entry) for entry, value in command.values if value is not None}:
        held = metadata.held(tx, account, mailbox_id, owner)
        if held.entries > metadata.MAX_ENTRIES:
            raise Refused("There are too many entries: remove some first", b"METADATA TOOMANY")
        if held.octets > metadata.MAX_OCTETS:
            raise Refused(f"All entries together have at most {metadata.MAX_OCTETS} octets", b"OVERQUOTA")
