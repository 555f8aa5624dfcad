"""People with keys of every kind, a clock that stands still, and tokens as an attacker would make them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from identity.credentials.issue import Statement
from identity.did import keys, multibase, self_contained
from identity.did.syntax import Did, parse
from identity.jose import Signer

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def made(kind: str) -> Signer:
    """Somebody with a new key of this kind and the did:key of it."""
    key = OKPKey.generate_key("Ed25519") if kind == "Ed25519" else ECKey.generate_key(kind)  # type: ignore[arg-type]
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return Signer(did, did.id, key)


@dataclass(frozen=True)
class Party:
    """Those who appear in the tests."""

    issuer: Signer
    holder: Signer
    stranger: Signer

    def statement(self, **changes: Any) -> Statement:
        usual: dict[str, Any] = {
            "subject": self.holder.did,
            "claims": {"member": True},
            "type": "MemberCredential",
            "valid_from": NOW - timedelta(days=1),
            "valid_until": NOW + timedelta(days=1),
        }
        return Statement(**{**usual, **changes})


@pytest.fixture(scope="session", params=["Ed25519", "P-256", "secp256k1"])
def party(request: pytest.FixtureRequest) -> Party:
    """Issuer and holder with keys of one kind; every test runs for each."""
    return Party(made(request.param), made(request.param), made(request.param))


@pytest.fixture
def now() -> datetime:
    return NOW


def encoded(value: object) -> str:
    return multibase.encode_base64url(json.dumps(value).encode())


@pytest.fixture
def altered() -> Callable[..., str]:
    """`altered(token, header={...}, claims={...})`: the token with members changed and its signature kept."""

    def change(token: str, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}) -> str:
        head, body, signature = token.split(".")
        new = [json.loads(multibase.decode_base64url(part)) for part in (head, body)]
        for members, changes in zip(new, (header, claims), strict=True):
            members.update(changes)
        return f"{encoded(new[0])}.{encoded(new[1])}.{signature}"

    return change
