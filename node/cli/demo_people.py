"""The two people of a local node, with wallets and app passwords that are kept beside the mail, for trying out only."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from identity.ethereum import subject
from node.anchor import audit
from node.auth.app_passwords import AppPasswords
from node.base.address import parse_address
from node.base.errors import ConfigError
from node.cli.account import open_account
from node.net.chain.transaction import address_of
from node.net.tls import write_private
from node.service.rooms import Rooms
from node.store import accounts, domains
from node.store.database import Writing

DOMAIN = "waxseal.test"
NAMES = (("alice", "Alice Demo"), ("bob", "Bob Demo"))
FILE = "people.json"


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person; the order of the fields is the order of the keys in `waxseal dev --json`."""

    address: str
    wallet: str
    private_key: str
    app_password: str


@dataclass(slots=True)
class DemoPeople:
    """Makes the people at the first start and finds them again at every other."""

    directory: Path
    people: tuple[Person, ...] = ()

    async def prepare(self, rooms: Rooms) -> None:
        """Read who is here, or open the accounts.

        Raises:
            ConfigError: the file of people is damaged.
        """
        file = self.directory / FILE
        if not file.exists():
            self.people = tuple([await _open(rooms, local, name) for local, name in NAMES])
            write_private(file, json.dumps([asdict(person) for person in self.people], indent=1).encode())
            return
        try:
            self.people = tuple(Person(**entry) for entry in json.loads(file.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{file} is damaged ({error}); restore it, or start with another --dir") from None


async def _open(rooms: Rooms, local: str, name: str) -> Person:
    address = parse_address(f"{local}@{DOMAIN}")
    key = secrets.token_bytes(32)
    wallet = address_of(key)
    owner = subject(bytes.fromhex(wallet[2:]))

    def work(tx: Writing) -> accounts.Account:
        if not domains.exists(tx, DOMAIN):
            domains.add(tx, DOMAIN)
        known = accounts.find(tx, address)  # a first start that was cut short
        if known is None:
            return open_account(tx, address, name, [owner])
        accounts.bind(tx, known.id, owner)
        return known

    account = await rooms.database.write(work)
    made = await AppPasswords(rooms.database).create(account, "demo", ("imap", "smtp"), audit.OPERATOR)
    return Person(str(address), wallet, f"0x{key.hex()}", made.password)
