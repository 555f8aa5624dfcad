"""What people allow clients, and how that ends, is written down in the audit trail."""

from __future__ import annotations

from typing import Any

import pytest

from node.anchor.events import parse
from node.store import audit_events
from node.store.audit_events import Wanted
from node.store.oauth_clients import Client

pytestmark = pytest.mark.anyio
PEER = "192.0.2.1"
DAY = 86400


async def trail(scene: Any) -> list[tuple[str, str, dict[str, object]]]:
    rows = await scene.database.read(lambda tx: audit_events.listing(tx, Wanted()))
    found = [parse(row.document) for row in rows]
    assert {event.subject for event in found} <= {scene.ann.address}
    return [(str(event.kind), event.actor, dict(event.details)) for event in found]


def given(scene: Any) -> tuple[str, str, dict[str, object]]:
    scopes = "email imap offline_access openid smtp"
    return "grant-given", scene.ann.address, {"client": "Bird", "client_id": "bird", "scopes": scopes}


def login(scene: Any) -> tuple[str, str, dict[str, object]]:
    return "login", scene.ann.address, {"way": "client", "client": "Bird"}


async def test_a_grant_its_use_and_its_end(scene: Any) -> None:
    tokens = await scene.tokens()
    for seconds in (60, 3600, DAY, 60):
        scene.later(seconds)
        tokens = await scene.provider.refreshes.refresh(tokens["refresh_token"], "bird", "", PEER)
    assert await scene.provider.access.revoke(tokens["refresh_token"], "bird") is None
    assert await scene.provider.access.revoke(tokens["refresh_token"], "bird") is None  # there is nothing left to end
    ended = ("grant-ended", "node", {"client": "Bird", "by": "client"})
    assert await trail(scene) == [given(scene), login(scene), login(scene), ended]


async def test_a_code_that_was_stolen(scene: Any) -> None:
    code = await scene.code()
    await scene.exchange(code)
    await scene.exchange(code)
    assert await trail(scene) == [
        given(scene),
        login(scene),
        ("oauth-code-replayed", scene.ann.address, {"network": PEER, "app_password": "Bird", "details": "grant-ended"}),
    ]


async def test_a_refresh_token_that_was_stolen(scene: Any) -> None:
    tokens = await scene.tokens()
    for _ in range(2):
        await scene.provider.refreshes.refresh(tokens["refresh_token"], "bird", "", PEER)
    assert [kind for kind, _, _ in await trail(scene)] == ["grant-given", "login", "oauth-refresh-reused"]


async def test_a_device_is_allowed_or_not(scene: Any) -> None:
    devices = scene.provider.devices
    for allowed in (False, True):
        asked = await devices.start(Client("bird", "Bird", ("http://127.0.0.1/",)), frozenset({"imap"}), PEER)
        device = await devices.look(asked["user_code"], scene.ann, PEER)
        assert await devices.decide(device, scene.ann, allowed=allowed, auth_time=1) is None
        late = await devices.decide(device, scene.ann, allowed=True, auth_time=1)
        assert late is not None, "it was decided before"
    assert await trail(scene) == [
        ("grant-given", scene.ann.address, {"client": "Bird", "client_id": "bird", "scopes": "imap"}),
    ]
