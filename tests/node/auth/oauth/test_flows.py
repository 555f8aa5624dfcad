"""Codes, refresh tokens, devices and clients against a real store: what is given, and what ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from identity.oauth.fault import Code, Fault
from identity.oauth.registration import DEVICE_GRANT
from node.auth.oauth.keys import open_keys
from node.auth.oauth.plan import CODE_REPLAYED, CODE_SECONDS, DEVICE_SECONDS, MAX_GRANTS, REFRESH_REUSED
from node.auth.oauth.provider import expire
from node.auth.refusal import Reason, Refusal
from node.base.errors import ConfigError
from node.store import oauth, security_events

from .conftest import ALL, BIRD, CHALLENGE, PEER, Scene

pytestmark = pytest.mark.anyio


def fault(found: object) -> Code | None:
    return found.code if isinstance(found, Fault) else None


async def events(scene: Scene) -> list[tuple[str, str, str]]:
    found = await scene.database.read(lambda tx: security_events.recent(tx, scene.ann.id))
    return [(event.kind, event.network, event.app_password) for event in found]


async def test_a_code_becomes_tokens(scene: Scene) -> None:
    tokens = await scene.tokens()
    assert tokens["scope"] == "openid email imap smtp offline_access"
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    said = await scene.provider.access.introspect(tokens["access_token"])
    assert (said["active"], said["username"], said["client_id"]) == (True, "ann@waxseal.test", "bird")
    assert (await scene.provider.access.introspect(tokens["refresh_token"]))["active"] is True
    assert (await scene.provider.access.introspect(tokens["id_token"])) == {"active": False}
    assert await events(scene) == []


async def test_without_offline_access_there_is_no_refresh_token(scene: Scene) -> None:
    tokens = await scene.tokens(frozenset({"imap"}))
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope"}
    scene.later(3601)
    assert not await scene.opens(tokens)
    await scene.database.write(lambda tx: expire(tx, int(scene.now[0])))
    assert await scene.database.read(lambda tx: oauth.count(tx, scene.ann.id, 0)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"redirect_uri": "http://127.0.0.1:5001/"},
        {"verifier": "w" * 43},
        {"verifier": ""},
        {"verifier": CHALLENGE},  # plain
    ],
)
async def test_a_code_is_bound_and_burnt_by_the_first_wrong_try(scene: Scene, changes: dict[str, str]) -> None:
    code = await scene.code()
    assert fault(await scene.exchange(code, **changes)) is Code.INVALID_GRANT
    assert fault(await scene.exchange(code)) is Code.INVALID_GRANT


async def test_the_redirect_may_be_left_out(scene: Scene) -> None:
    assert isinstance(await scene.exchange(await scene.code(), redirect_uri=""), dict)  # OAuth 2.1 §10.2


async def test_a_code_is_short_lived(scene: Scene) -> None:
    code = await scene.code()
    scene.later(CODE_SECONDS)
    assert fault(await scene.exchange(code)) is Code.INVALID_GRANT


async def test_a_replayed_code_ends_what_it_gave(scene: Scene) -> None:
    code = await scene.code()
    tokens = await scene.exchange(code)
    assert isinstance(tokens, dict)
    assert await scene.opens(tokens)
    assert fault(await scene.exchange(code, client_id="other", verifier="x")) is Code.INVALID_GRANT
    assert not await scene.opens(tokens)
    assert (
        fault(await scene.provider.refreshes.refresh(tokens["refresh_token"], "bird", "", PEER)) is Code.INVALID_GRANT
    )
    assert await events(scene) == [(CODE_REPLAYED, PEER, "Bird")]


async def test_one_of_two_that_bring_a_code_at_once_gets_nothing_and_both_lose_it(scene: Scene) -> None:
    code, found = await scene.code(), []

    async def bring() -> None:
        found.append(await scene.exchange(code))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bring)
        nursery.start_soon(bring)
    tokens = [each for each in found if isinstance(each, dict)]
    assert len(tokens) == 1
    assert not await scene.opens(tokens[0])


async def test_refreshing_turns_the_token(scene: Scene) -> None:
    first = await scene.tokens()
    scene.later(100)
    second = await scene.provider.refreshes.refresh(first["refresh_token"], "bird", "", PEER)
    assert isinstance(second, dict)
    assert second["refresh_token"] != first["refresh_token"]
    assert await scene.opens(second)
    third = await scene.provider.refreshes.refresh(second["refresh_token"], "bird", "imap", PEER)
    assert isinstance(third, dict)
    assert third["scope"] == "imap"
    fourth = await scene.provider.refreshes.refresh(third["refresh_token"], "bird", "", PEER)
    assert isinstance(fourth, dict)
    assert fourth["scope"] == "openid email imap smtp offline_access"


async def test_an_old_refresh_token_ends_the_whole_family(scene: Scene) -> None:
    first = await scene.tokens()
    second = await scene.provider.refreshes.refresh(first["refresh_token"], "bird", "", PEER)
    assert isinstance(second, dict)
    thief = await scene.provider.refreshes.refresh(first["refresh_token"], "bird", "", "203.0.113.9")
    assert fault(thief) is Code.INVALID_GRANT
    assert not await scene.opens(first)
    assert not await scene.opens(second)
    assert (
        fault(await scene.provider.refreshes.refresh(second["refresh_token"], "bird", "", PEER)) is Code.INVALID_GRANT
    )
    assert await events(scene) == [(REFRESH_REUSED, "203.0.113.9", "Bird")]


async def test_refreshing_has_bounds(scene: Scene) -> None:
    tokens = await scene.tokens(frozenset({"imap", "offline_access"}))
    refresh = scene.provider.refreshes.refresh
    token = tokens["refresh_token"]
    assert fault(await refresh(token, "other", "", PEER)) is Code.INVALID_GRANT
    assert fault(await refresh(token, "bird", "imap smtp", PEER)) is Code.INVALID_SCOPE
    for wrong in ("", ".", "x", tokens["access_token"], "x." + token.partition(".")[2]):
        assert fault(await refresh(wrong, "bird", "", PEER)) is Code.INVALID_GRANT
    assert await scene.opens(tokens), "nothing of that was reuse"
    scene.later(90 * 86_400)
    assert fault(await refresh(token, "bird", "", PEER)) is Code.INVALID_GRANT


async def test_revoking_either_token_ends_the_grant(scene: Scene) -> None:
    for kind in ("access_token", "refresh_token"):
        tokens = await scene.tokens()
        assert fault(await scene.provider.access.revoke(tokens[kind], "other")) is Code.UNAUTHORIZED_CLIENT
        assert await scene.opens(tokens)
        assert await scene.provider.access.revoke(tokens[kind], "bird") is None
        assert not await scene.opens(tokens)
        assert await scene.provider.access.revoke(tokens[kind], "bird") is None


async def test_a_person_sees_clients_and_ends_only_their_own(scene: Scene) -> None:
    await scene.code()  # consented, never fetched
    tokens = await scene.tokens()
    listed = await scene.database.read(lambda tx: oauth.of_account(tx, scene.ann.id, int(scene.now[0])))
    assert [(grant.client_name, grant.scopes) for grant in listed] == [("Bird", ALL)]
    assert await scene.database.write(lambda tx: oauth.revoke(tx, scene.bob.id, listed[0].id)) is None
    assert await scene.opens(tokens)
    assert await scene.database.write(lambda tx: oauth.revoke(tx, scene.ann.id, listed[0].id)) == "Bird"
    assert not await scene.opens(tokens)


async def test_an_account_has_so_many_clients(scene: Scene) -> None:
    for _ in range(MAX_GRANTS):
        await scene.code()
    with pytest.raises(AssertionError):
        await scene.code()
    scene.later(CODE_SECONDS)  # none of them was fetched
    await scene.code()


async def _started(scene: Scene) -> dict[str, Any]:
    found = await scene.provider.devices.start(BIRD, frozenset({"imap", "offline_access"}), PEER)
    assert isinstance(found, dict)
    return found


async def test_a_device_waits_and_gets_its_tokens(scene: Scene) -> None:
    asked, devices = await _started(scene), scene.provider.devices
    assert asked["verification_uri_complete"].endswith(f"?user_code={asked['user_code']}")
    poll = devices.poll
    assert fault(await poll(asked["device_code"], "bird")) is Code.AUTHORIZATION_PENDING
    assert fault(await poll(asked["device_code"], "bird")) is Code.SLOW_DOWN
    scene.later(6)
    assert fault(await poll(asked["device_code"], "bird")) is Code.SLOW_DOWN, "it was told to wait for ten seconds"
    scene.later(16)
    assert fault(await poll(asked["device_code"], "bird")) is Code.AUTHORIZATION_PENDING
    device = await devices.look(asked["user_code"].lower().replace("-", " "), scene.ann, PEER)
    assert not isinstance(device, Refusal)
    assert await devices.decide(device, scene.ann, allowed=True, auth_time=1) is None
    assert fault(await poll(asked["device_code"], "other")) is Code.INVALID_GRANT
    tokens = await poll(asked["device_code"], "bird")
    assert isinstance(tokens, dict)
    assert await scene.opens(tokens)
    assert fault(await poll(asked["device_code"], "bird")) is Code.INVALID_GRANT
    assert fault(await devices.decide(device, scene.bob, allowed=True, auth_time=1)) is Code.EXPIRED_TOKEN


async def test_a_device_is_told_no(scene: Scene) -> None:
    asked = await _started(scene)
    device = await scene.provider.devices.look(asked["user_code"], scene.ann, PEER)
    assert not isinstance(device, Refusal)
    assert await scene.provider.devices.decide(device, scene.ann, allowed=False, auth_time=1) is None
    assert isinstance(await scene.provider.devices.look(asked["user_code"], scene.bob, PEER), Refusal)
    assert fault(await scene.provider.devices.poll(asked["device_code"], "bird")) is Code.ACCESS_DENIED


async def test_a_devices_code_runs_out(scene: Scene) -> None:
    asked = await _started(scene)
    scene.later(DEVICE_SECONDS)
    assert isinstance(await scene.provider.devices.look(asked["user_code"], scene.ann, PEER), Refusal)
    assert fault(await scene.provider.devices.poll(asked["device_code"], "bird")) is Code.EXPIRED_TOKEN


async def test_guessing_user_codes_grows_slow(scene: Scene) -> None:
    asked = await _started(scene)
    reasons = []
    for number in range(8):  # from everywhere: the account is counted, too
        found = await scene.provider.devices.look("BBBB-BBBB", scene.bob, f"198.51.100.{number}")
        assert isinstance(found, Refusal)
        reasons.append(found.reason)
    assert reasons[:6] == [Reason.BAD_CREDENTIALS] * 6
    assert reasons[6:] == [Reason.TOO_MANY_FAILURES] * 2
    right = await scene.provider.devices.look(asked["user_code"], scene.bob, PEER)
    assert isinstance(right, Refusal)
    assert not isinstance(await scene.provider.devices.look(asked["user_code"], scene.ann, PEER), Refusal)


def _client(name: str = "Mail") -> bytes:
    return json.dumps({"client_name": name, "redirect_uris": ["http://127.0.0.1/"]}).encode()


async def test_clients_register_and_are_found(scene: Scene) -> None:
    made = await scene.provider.clients.register(_client(), PEER)
    assert isinstance(made, dict)
    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made
    found = await scene.provider.clients.find(made["client_id"])
    assert found is not None
    assert (found.name, found.redirects) == ("Mail", ("http://127.0.0.1/",))
    assert await scene.provider.clients.find("bird") == BIRD
    assert await scene.provider.clients.find("x" * 100) is None
    device = await scene.provider.clients.register(
        json.dumps({"client_name": "TV", "grant_types": [DEVICE_GRANT]}).encode(), PEER
    )
    assert isinstance(device, dict)


async def test_registration_is_bounded_in_number(scene: Scene) -> None:
    first = [await scene.provider.clients.register(_client(), f"192.0.2.{n}") for n in range(3)]
    assert all(isinstance(each, dict) for each in first)
    full = await scene.provider.clients.register(_client(), PEER)
    assert isinstance(full, Fault)
    assert full.code is Code.TEMPORARILY_UNAVAILABLE
    scene.later(3601)  # nobody allowed them anything
    assert isinstance(await scene.provider.clients.register(_client(), PEER), dict)


async def test_registration_is_bounded_in_rate(scene: Scene) -> None:
    for _ in range(12):
        found = await scene.provider.clients.register(b"{}", PEER)
    assert isinstance(found, Fault)
    assert found.retry_after > 0


async def test_a_client_in_use_is_kept(scene: Scene) -> None:
    made = await scene.provider.clients.register(_client(), PEER)
    assert isinstance(made, dict)
    client = await scene.provider.clients.find(made["client_id"])
    assert client is not None
    code = await scene.code(client=client)
    assert isinstance(await scene.exchange(code, client_id=client.id), dict)
    scene.later(80 * 86_400)
    await scene.database.write(lambda tx: expire(tx, int(scene.now[0])))
    assert await scene.provider.clients.find(client.id) == client
    scene.later(20 * 86_400)
    await scene.database.write(lambda tx: expire(tx, int(scene.now[0])))
    assert await scene.provider.clients.find(client.id) is None


async def test_nothing_secret_is_kept(scene: Scene, tmp_path: Path) -> None:
    tokens = await scene.tokens()
    asked, code = await _started(scene), await scene.code()
    family, part = tokens["refresh_token"].split(".")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("node.sqlite*"))  # noqa: ASYNC240
    for secret in (code, family, part, tokens["access_token"], asked["device_code"]):
        assert secret.encode() not in kept


def test_keys_are_made_once_and_kept_close(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = open_keys(folder)
    assert (folder / "oauth.pem").stat().st_mode & 0o777 == 0o600
    assert open_keys(folder).keys[0].id == first.keys[0].id
    (folder / "oauth.pem").rename(folder / "oauth.old.pem")
    turned = open_keys(folder)
    assert [key.id for key in turned.keys][1:] == [first.keys[0].id]
    assert turned.keys[0].id != first.keys[0].id
    (folder / "oauth.pem").chmod(0o640)
    with pytest.raises(ConfigError, match="open to others"):
        open_keys(folder)
    (folder / "oauth.pem").chmod(0o600)
    (folder / "oauth.pem").write_text("damaged")
    with pytest.raises(ConfigError, match=r"oauth\.pem cannot be used"):
        open_keys(folder)
