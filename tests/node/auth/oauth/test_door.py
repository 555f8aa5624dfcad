"""Access tokens at the one door: brakes, scopes, names, shared mailboxes, and sessions that end with their grant."""

from __future__ import annotations

import pytest

from node.auth.gate import Entry, Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.guests import Guests
from node.auth.oauth.door import TokenLogin
from node.auth.refusal import Reason, Refusal
from node.store import oauth
from node.store.directory import delegates

from .conftest import PEER, Scene

pytestmark = pytest.mark.anyio
ANN = "ann@waxseal.test"
IMAP = frozenset({"imap", "offline_access"})


def door(scene: Scene) -> TokenLogin:
    return TokenLogin(Gate(scene.database, clock=lambda: scene.now[0]), scene.provider.access)


def reason(found: Entry | Refusal) -> object:
    return found.reason if isinstance(found, Refusal) else found.account.address


async def test_a_token_opens_its_own_mailbox_for_what_it_was_given(scene: Scene) -> None:
    token, login = (await scene.tokens(IMAP))["access_token"], door(scene)
    for name in (ANN, "ANN@waxseal.test ", ""):
        assert reason(await login.enter(name, token, "imap", PEER)) == ANN
    assert reason(await login.enter("bob@waxseal.test", token, "imap", PEER)) is Reason.BAD_CREDENTIALS
    assert reason(await login.enter("no address", token, "imap", PEER)) is Reason.BAD_CREDENTIALS
    narrow = await login.enter(ANN, token, "smtp", PEER)
    assert reason(narrow) is Reason.WRONG_SCOPE
    assert isinstance(narrow, Refusal)
    assert b'"insufficient_scope"' in login.challenge(narrow, "smtp")


async def test_guessing_grows_slow_and_running_out_does_not(scene: Scene) -> None:
    token, login = (await scene.tokens(IMAP))["access_token"], door(scene)
    scene.later(3600)
    for _ in range(10):
        assert reason(await login.enter(ANN, token, "imap", PEER)) is Reason.BAD_CREDENTIALS
    for _ in range(6):
        assert reason(await login.enter(ANN, "guess", "imap", PEER)) is Reason.BAD_CREDENTIALS
    late = await login.enter(ANN, "guess", "imap", PEER)
    assert reason(late) is Reason.TOO_MANY_FAILURES
    assert isinstance(late, Refusal)
    assert login.challenge(late, "imap") == b""


async def test_a_shared_mailbox_opens_to_the_tokens_of_who_may(scene: Scene) -> None:
    token, login = (await scene.tokens(IMAP))["access_token"], door(scene)
    name = f"bob@waxseal.test/{ANN}"
    assert reason(await login.enter(name, token, "imap", PEER)) is Reason.BAD_CREDENTIALS
    await scene.database.write(lambda tx: delegates.put(tx, scene.bob.id, scene.ann.id, may_send=False))
    found = await login.enter(name, token, "imap", PEER)
    assert isinstance(found, Entry)
    assert (found.account, found.person, found.name) == (scene.bob, scene.ann, "Bird")


async def test_a_session_ends_with_its_grant(scene: Scene) -> None:
    scene.now[0] = 4_000_000_000.0  # guests look at the real clock
    tokens, login = await scene.tokens(IMAP), door(scene)
    entry = await login.enter(ANN, tokens["access_token"], "imap", PEER)
    assert isinstance(entry, Entry)
    guests = Guests(scene.database, Doorkeeper(scene.database, Evaluator({}), 0), 60)
    ended: list[Refusal] = []
    with guests.enter(entry, "imap", ended.append):
        await guests.go_round()
        assert ended == []
        assert entry.grant is not None
        grant_id = entry.grant.id
        await scene.database.write(lambda tx: oauth.revoke(tx, scene.ann.id, grant_id))
        await guests.go_round()
    assert [each.reason for each in ended] == [Reason.BAD_CREDENTIALS]
    assert (await guests.check(entry, "imap")) == ended[0]
