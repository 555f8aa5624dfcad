"""The people this node keeps mail for, and the identities that may act for them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from node.base.address import Address
from node.base.errors import Permanent
from node.store import mailboxes, messages
from node.store.directory import reserved
from node.store.schema import account, alias, identity, mail_group
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing

# RFC 6154 §2: what clients put drafts, sent mail and so on into without asking.
FIRST_MAILBOXES = (
    ("INBOX", ""),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Junk", "\\Junk"),
    ("Trash", "\\Trash"),
    ("Archive", "\\Archive"),
)

_ON_CHAIN = re.compile(r"(eip155):[0-9]+:(0x[0-9a-f]{40})\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """One person's mail account; `address` as it was first written."""

    id: int
    address: str
    name: str


_ROW = (account.c.id, account.c.address, account.c.name)
_ADD = Statement(adding(account, "id").returning(account.c.id))
_GET = Statement(select(*_ROW).where(same(account.c.id)))
_REMOVE = Statement(delete(account).where(same(account.c.id)))
_FOUND = and_(
    or_(bindparam("everywhere", type_=Integer) == 1, account.c.domain.in_(chosen("domains"))),
    or_(
        func.instr(account.c.key, bindparam("text")) > 0,
        func.instr(func.lower(account.c.name), bindparam("text")) > 0,
    ),
)
_SEARCH = Statement(
    select(*_ROW).where(_FOUND).order_by(account.c.key).limit(bindparam("limit")).offset(bindparam("offset"))
)
_COUNT_FOUND = Statement(select(func.count()).select_from(account).where(_FOUND))
_FIND = Statement(select(*_ROW).where(same(account.c.key)))
_LISTING = Statement(select(*_ROW).order_by(account.c.key))
_NAMED = Statement(select(*_ROW).where(account.c.key.in_(chosen("keys"))))
_NAMES = Statement(
    select(account.c.name)
    .where(same(account.c.domain), account.c.name != "")
    .order_by(account.c.id)
    .limit(bindparam("limit"))
)
_OF_DOMAIN = Statement(select(*_ROW).where(same(account.c.domain)).order_by(account.c.id).limit(bindparam("limit")))
_TAKEN = Statement(
    select(alias.c.key).where(same(alias.c.key)).union_all(select(mail_group.c.key).where(same(mail_group.c.key)))
)
_BIND = Statement(
    (_put := upsert(identity).values(subject=bindparam("subject"), account_id=bindparam("account_id")))
    .on_conflict_do_nothing()
    .returning(identity.c.subject)
)
_UNBIND = Statement(
    delete(identity).where(same(identity.c.subject), same(identity.c.account_id)).returning(identity.c.subject)
)
_BOUND = Statement(select(*_ROW).join(identity).where(same(identity.c.subject)))
_IDENTITIES = Statement(select(identity.c.subject).where(same(identity.c.account_id)).order_by(identity.c.subject))


def add(tx: Writing, address: Address, name: str = "") -> Account:
    """Make an account with its first mailboxes, all subscribed.

    Raises:
        Permanent: the address has an account already, or is an alias or a group.
    """
    if find(tx, address) is not None:
        raise Permanent(f"{address} has an account already")
    if reserved.until(tx, address.key) is not None:
        raise Permanent(f"{address} is kept back; first: waxseal account release {address}")
    if tx.one(_TAKEN, key=address.key) is not None:
        raise Permanent(f"{address} is an alias or a group: remove that first, or choose another address")
    now = int(time.time())
    id = tx.value(
        _ADD,
        key=address.key,
        address=str(address),
        name=name,
        modseq=1,
        uidvalidity=now - 1,
        created=now,
        domain=address.domain,
    )
    for mailbox, use in FIRST_MAILBOXES:
        mailboxes.create(tx, id, mailbox, special_use=use)
        mailboxes.subscribe(tx, id, mailbox, True)
    return Account(id, str(address), name)


def get(tx: Reading, account_id: int) -> Account | None:
    """The account by id."""
    return _made(tx.one(_GET, id=account_id))


def find(tx: Reading, address: Address) -> Account | None:
    """The account that an address belongs to, without regard to case."""
    return by_key(tx, address.key)


def by_key(tx: Reading, key: str) -> Account | None:
    """The same by `Address.key`."""
    return _made(tx.one(_FIND, key=key))


def listing(tx: Reading) -> list[Account]:
    """All accounts, by address."""
    return [Account(*row) for row in tx.execute(_LISTING)]


def named(tx: Reading, keys: Sequence[str]) -> list[Account]:
    """The accounts with these keys (`Address.key`), in any order; who has none is left out."""
    return [Account(*row) for row in tx.execute(_NAMED, keys=json.dumps(keys))]


def names(tx: Reading, domain: str, limit: int) -> list[str]:
    """What people of a domain are called, the oldest accounts first."""
    return [name for (name,) in tx.execute(_NAMES, domain=domain, limit=limit)]


def of_domain(tx: Reading, domain: str, limit: int) -> list[Account]:
    """A domain's accounts, the oldest first."""
    return [Account(*row) for row in tx.execute(_OF_DOMAIN, domain=domain, limit=limit)]


def remove(tx: Writing, account: Account) -> None:
    """Take an account away with its mail and everything that is its own, within the caller's transaction.

    What only names its address (groups, quotas, gates, catch-alls) is not touched: `node.directory.removal` does that.
    """
    for one in mailboxes.listing(tx, account.id):
        messages.remove(tx, one.id, messages.uids(tx, one.id))
    tx.execute(_REMOVE, id=account.id)  # mailboxes, credentials and all the rest go with the row (cascade)


def search(tx: Reading, domains: Sequence[str] | None, text: str, limit: int, offset: int) -> list[Account]:
    """People whose address or name holds a text (lower case), by address; of these domains, or of all."""
    found = tx.execute(_SEARCH, **_within(domains), text=text, limit=limit, offset=offset)
    return [Account(*row) for row in found]


def count_found(tx: Reading, domains: Sequence[str] | None, text: str) -> int:
    """How many `search` would find."""
    number: int = tx.value(_COUNT_FOUND, **_within(domains), text=text)
    return number


def _within(domains: Sequence[str] | None) -> dict[str, object]:
    return {"everywhere": int(domains is None), "domains": json.dumps(domains or [])}


def bind(tx: Writing, account_id: int, subject: str) -> None:
    """Let an identity act for an account.

    Args:
        subject: a DID, "solana:..." or "eip155:0x..." for a key's account, "eip155:1:0x..." for one on that chain
            alone: a contract wallet's address may be somebody else's on another chain.

    Raises:
        Permanent: the identity acts for another account already.
    """
    subject = canonical(subject)
    key = bound(tx, _ON_CHAIN.sub(r"\1:\2", subject))  # whoever has a key's account has it on every chain
    if key is not None and key.id != account_id:
        raise Permanent(f"{subject} is bound to another account: unbind it there first")
    if tx.one(_BIND, subject=subject, account_id=account_id) is None:
        owner = bound(tx, subject)
        if owner is None or owner.id != account_id:
            raise Permanent(f"{subject} is bound to another account: unbind it there first")


def unbind(tx: Writing, account_id: int, subject: str) -> bool:
    """Let an identity act for the account no longer; false when it did not."""
    return tx.one(_UNBIND, subject=canonical(subject), account_id=account_id) is not None


def bound(tx: Reading, subject: str) -> Account | None:
    """The account an identity acts for."""
    return _made(tx.one(_BOUND, subject=canonical(subject)))


def identities(tx: Reading, account_id: int) -> list[str]:
    """The identities that act for an account, in order."""
    return [subject for (subject,) in tx.execute(_IDENTITIES, account_id=account_id)]


def canonical(subject: str) -> str:
    """One spelling for each identity: what is written in hex (Ethereum) in lower case, the rest as it stands."""
    return subject.lower() if subject.lower().startswith(("eip155:", "did:ethr:")) else subject


def _made(row: Row | None) -> Account | None:
    return Account(*row) if row is not None else None
