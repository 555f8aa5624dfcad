"""Remembering who writes to whom, in the transaction that keeps the message: no hop, no commit of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.base.address import Address
from node.mail.correspondence import Correspondence
from node.store import contacts, sent_ids
from node.store.database import Writing


def remember(tx: Writing, letter: Correspondence, now: int, accounts: Iterable[int], *, junk: bool) -> None:
    """These accounts have mail of the letter's author, in the inbox or in Junk."""
    if letter.author:
        author = contacts.digest(letter.author)
        for account_id in accounts:
            contacts.received(tx, account_id, author, now, junk=junk)


def remember_sent(
    tx: Writing, letter: Correspondence, now: int, account_id: int, recipients: Sequence[Address]
) -> None:
    """An account wrote to these people; an answer will name the letter."""
    contacts.sent(tx, account_id, [contacts.digest(address.key) for address in recipients], now)
    if letter.id:
        sent_ids.add(tx, account_id, sent_ids.digest(letter.id), now)
