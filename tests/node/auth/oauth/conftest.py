"""A provider over a real store, with a person, a client and a clock that a test may turn."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from identity.did.multibase import encode_base64url
from identity.oauth.authorization import Ask, Target
from identity.oauth.fault import Fault
from identity.oauth.tokens import KeyRing, signing_key
from node.auth.oauth.codes import Brought
from node.auth.oauth.plan import Plan
from node.auth.oauth.provider import Provider, open_provider
from node.base.address import parse_address
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Writing
from node.store.oauth_clients import Client

ISSUER = "https://mail.waxseal.test"
HOME = "http://127.0.0.1:5000/"
BIRD = Client("bird", "Bird", ("http://127.0.0.1/",))
OTHER = Client("other", "Other", ("http://127.0.0.1/",))
VERIFIER = "v" * 43
CHALLENGE = encode_base64url(hashlib.sha256(VERIFIER.encode()).digest())
ALL = frozenset({"openid", "email", "imap", "smtp", "offline_access"})
PEER = "192.0.2.1"


@cache
def ring() -> KeyRing:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyRing((signing_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),))


@dataclass
class Scene:
    """What a test plays with; `now` is the clock."""

    database: Database
    ann: Account
    bob: Account
    provider: Provider
    now: list[float] = field(default_factory=lambda: [1_800_000_000.0])

    def later(self, seconds: float) -> None:
        self.now[0] += seconds

    async def code(self, scopes: frozenset[str] = ALL, client: Client = BIRD, nonce: str = "n-1") -> str:
        """Ann consents; the browser brings this back."""
        ask = Ask(Target(client.id, HOME, "s"), scopes, CHALLENGE, nonce, None, False)
        code = await self.provider.codes.allow(self.ann, client, ask, int(self.now[0]) - 10)
        assert isinstance(code, str)
        return code

    async def exchange(self, code: str, **changes: str) -> dict[str, Any] | Fault:
        brought = {"client_id": "bird", "redirect_uri": HOME, "verifier": VERIFIER, **changes}
        return await self.provider.codes.exchange(Brought(code, **brought), PEER)

    async def tokens(self, scopes: frozenset[str] = ALL) -> dict[str, Any]:
        """The whole code flow."""
        found = await self.exchange(await self.code(scopes))
        assert isinstance(found, dict)
        return found

    async def opens(self, tokens: dict[str, Any]) -> bool:
        """Whether the access token is good."""
        found = await self.provider.access.introspect(tokens["access_token"])
        return bool(found["active"])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    def people(tx: Writing) -> tuple[Account, Account]:
        domains.add(tx, "waxseal.test")
        return accounts.add(tx, parse_address("ann@waxseal.test")), accounts.add(tx, parse_address("bob@waxseal.test"))

    async with Database.open(tmp_path / "node.sqlite") as database:
        ann, bob = await database.write(people)
        now = [1_800_000_000.0]
        clients = {client.id: client for client in (BIRD, OTHER)}
        plan = Plan(database, ring(), ISSUER, clients=clients, max_clients=3, clock=lambda: now[0])
        yield Scene(database, ann, bob, open_provider(plan, "00" * 32), now)
