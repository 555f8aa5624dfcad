"""Opening a mailbox that is shared: office@example.org/ann@example.org is Ann, who asks for the office's.

The credentials are Ann's own, so what is slowed down, revoked and remembered is hers; the mailbox is the office's.
"""

from __future__ import annotations

from node.base.address import AddressError, parse_address
from node.store import accounts
from node.store.accounts import Account
from node.store.directory import delegates
from node.store.transaction import Reading

SEPARATOR = "/"  # stands in no domain, and needs no quotes in IMAP; a local part may hold it


def split(username: str) -> tuple[str, str]:
    """The mailbox that is asked for and who asks, from a user name; "" for one's own mailbox."""
    end = username.find(SEPARATOR, username.find("@") + 1)
    if end < 0 or "@" not in username[:end] or "@" not in username[end + 1 :]:
        return "", username
    return username[:end], username[end + 1 :]


def joined(acting_for: str, username: str) -> str:
    """The user name that says what SASL PLAIN says with two identities: for whom, and who (RFC 4616 §2)."""
    return username if acting_for in {"", username} else f"{acting_for}{SEPARATOR}{username}"


def opened(tx: Reading, mailbox: str, person: Account, scope: str) -> Account | None:
    """The account behind a shared mailbox's address; None where the person may not do there what `scope` says."""
    try:
        account = accounts.find(tx, parse_address(mailbox.strip()))
    except AddressError:
        return None
    if account is None or not may_use(tx, account.id, person.id, scope):
        return None
    return account


def may_use(tx: Reading, account_id: int, person_id: int, scope: str) -> bool:
    """True for one's own account, and for a shared one; sending from that needs a right of its own."""
    if account_id == person_id:
        return True
    allowed = delegates.may_send if scope == "smtp" else delegates.may_open
    return allowed(tx, account_id, person_id)
