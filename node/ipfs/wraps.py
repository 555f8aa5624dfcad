"""Content keys in the database: wrapped for every account that holds a message, opened with any wrap that opens."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from node.base.errors import Permanent
from node.base.log import get_log
from node.ipfs.cipher import SealError
from node.ipfs.keys import FOR_ACCOUNT, AccountKey, Keys, wrap
from node.store import part_keys, parts
from node.store.database import Database
from node.store.parts import WrappedKey
from node.store.transaction import Reading, Writing

log = get_log(__name__)


def make(tx: Writing, keys: Keys, key: bytes, account_id: int, reference: bytes) -> WrappedKey:
    """The content key wrapped for an account, whose key pair is made when it has none."""
    pair = part_keys.account_pair(tx, account_id)
    if pair is None:
        new = keys.new_account(account_id)
        part_keys.add_account_pair(tx, account_id, new.public, new.sealed)
        pair = new.public, new.sealed
    return WrappedKey(account_id, wrap(key, pair[0], account_id, reference))


def open_key(tx: Reading, keys: Keys, reference: bytes) -> bytes:
    """A part's content key.

    Raises:
        SealError: no wrap of it opens.
        Permanent: there is none.
    """
    failure: Permanent = Permanent("an attachment's key was deleted: restore the database from a backup")
    for one in part_keys.of_part(tx, reference):
        pair = part_keys.account_pair(tx, one.account_id)
        try:
            return keys.unwrap(one.wrapped, one.account_id, reference, AccountKey(*pair) if pair else None)
        except SealError as error:
            failure = error
    raise failure


def keep(tx: Writing, keys: Keys, key: bytes, account_id: int, *, reference: bytes, blob_id: int, root: bytes) -> None:
    """A part is whole and belongs to a message: `parts.keep` with a wrap for the account and for all who hold it."""
    parts.keep(tx, reference, blob_id, root, make(tx, keys, key, account_id, reference))
    for other in part_keys.holders(tx, blob_id):
        if other != account_id:
            part_keys.put(tx, reference, blob_id, make(tx, keys, key, other, reference))


def give(tx: Writing, keys: Keys, reference: bytes, blob_id: int, accounts: Iterable[int]) -> None:
    """Wrap a part's key for more accounts.

    Raises:
        SealError, Permanent: see `open_key`.
    """
    key = open_key(tx, keys, reference)
    for account_id in accounts:
        part_keys.put(tx, reference, blob_id, make(tx, keys, key, account_id, reference))


async def reconcile(database: Database, keys: Keys) -> tuple[int, int]:
    """Wrap for who came to hold a message, shred the wraps of who let go; (made, shredded).

    A kind-1 wrap of a holder is replaced by one of kind 2. Cut short at any point it can be done again.
    """
    made = shredded = 0
    while wanted := await database.read(partial(part_keys.missing, kind=FOR_ACCOUNT)):
        done = await database.write(partial(_give_all, keys=keys, wanted=wanted))
        made += done
        if done < len(wanted):  # what does not open now would be asked for again at once
            break
    while gone := await database.write(part_keys.remove_needless):
        shredded += gone
    await database.write(part_keys.shred_account_pairs)
    return made, shredded


def _give_all(tx: Writing, keys: Keys, wanted: list[part_keys.Wanted]) -> int:
    done = 0
    for one in wanted:
        try:
            give(tx, keys, one.reference, one.blob_id, [one.account_id])
            done += 1
        except Permanent as error:
            log.warning("offload.wrap_failed", account=one.account_id, error=str(error))
    return done
