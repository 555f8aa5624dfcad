"""App passwords of one account: made, listed, revoked. Mail clients log in with them; people log in with a wallet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import trio

from identity import scram
from node.anchor import audit
from node.auth import scram_keys, secret
from node.auth.gate import RESERVED, SCOPES
from node.base.address import parse_address
from node.base.errors import WaxsealError
from node.store import app_passwords, node_secrets
from node.store.accounts import Account
from node.store.app_passwords import AppPassword
from node.store.database import Database
from node.store.transaction import Writing

MAX_PER_ACCOUNT = 25
MAX_NAME = 64  # characters


class AppPasswordError(WaxsealError):
    """The app password cannot be made as asked for; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new app password.

    Attributes:
        row: what is kept.
        password: the secret itself; this is the only moment at which it exists.
    """

    row: AppPassword
    password: str


class AppPasswords:
    """The people's side of app passwords; the protocols' side is the gate.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = trio.CapacityLimiter(1)

    async def create(self, account: Account, name: str, scopes: Iterable[str], actor: str = "") -> Created:
        """Make an app password.

        Args:
            account: whose.
            name: what the person calls it, for example "Thunderbird on the laptop".
            scopes: at least one of `gate.SCOPES`.
            actor: who makes it, for the audit trail; "": its owner.

        Raises:
            AppPasswordError: with what to do instead.
        """
        name, chosen = check_name(name), check_scopes(scopes)
        plain = secret.generate()
        existing = await self.listing(account)
        salt = secret.salt_of(secret.recipe(existing[0].hash)) if existing else secret.new_salt()
        shared = scram_keys.salt_of(existing) or await self._salt(account)
        hashed = await trio.to_thread.run_sync(secret.derive, secret.normalize(plain), salt, limiter=self._threads)
        keys = await trio.to_thread.run_sync(scram_keys.make, plain, shared, limiter=self._threads)

        def add(tx: Writing) -> AppPassword:
            if len(app_passwords.of_account(tx, account.id)) >= MAX_PER_ACCOUNT:
                raise AppPasswordError(f"{MAX_PER_ACCOUNT} app passwords are enough; revoke one that is not used")
            made = app_passwords.add(tx, account.id, name, chosen, hashed, scram=keys)
            details: dict[str, audit.Detail] = {"number": made.id, "name": name, "scopes": " ".join(sorted(chosen))}
            audit.record(tx, audit.Kind.APP_PASSWORD_MADE, actor or account.address, account.address, details)
            return made

        return Created(await self._database.write(add), plain)

    async def _salt(self, account: Account) -> bytes:
        """The salt that SCRAM told strangers for this address before anybody had it, so that nothing changes now."""
        key = await self._database.write(lambda tx: node_secrets.need(tx, scram_keys.SECRET))
        return scram.decoy(parse_address(account.address).key, key).salt

    async def listing(self, account: Account) -> list[AppPassword]:
        """An account's app passwords, oldest first."""
        return await self._database.read(lambda tx: list(app_passwords.of_account(tx, account.id)))

    async def revoke(self, account: Account, password_id: int) -> bool:
        """End an app password at once; false when the account has none by that id."""

        def work(tx: Writing) -> bool:
            gone = app_passwords.revoke(tx, account.id, password_id)
            if gone:
                kind, details = audit.Kind.APP_PASSWORD_REVOKED, {"number": password_id}
                audit.record(tx, kind, account.address, account.address, details)
            return gone

        return await self._database.write(work)


def check_name(name: str) -> str:
    """The name without outer and doubled spaces.

    Raises:
        AppPasswordError: it is empty, too long, or not printable.
    """
    name = " ".join(name.split())
    if not name:
        raise AppPasswordError("give the app password a name, so that you know later which device to revoke")
    if len(name) > MAX_NAME or not name.isprintable():
        raise AppPasswordError(f"the name may have at most {MAX_NAME} printable characters")
    return name


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes as a set.

    Raises:
        AppPasswordError: there is none, or one we do not know.
    """
    chosen = frozenset(scopes)
    if early := chosen.intersection(RESERVED):
        raise AppPasswordError(f"this node does not speak what {min(early)} is for yet; choose of {', '.join(SCOPES)}")
    if not chosen or not chosen <= frozenset(SCOPES):
        raise AppPasswordError("choose at least one: reading mail (imap), sending mail (smtp)")
    return chosen
