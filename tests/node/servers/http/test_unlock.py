"""Unlocking sending: the owner, logged in, signs once more. Nothing else unlocks; that signature does nothing else."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from node.checks.baseline import Baseline, pack
from node.checks.sending import Step
from node.flow.sending import restriction
from node.store import security_events, sending
from node.store.database import Writing
from node.store.security_events import SecurityEvent
from node.store.sending import State

pytestmark = pytest.mark.anyio
ALICE = Wallet.from_key(b"\x01" * 32)
BOB = Wallet.from_key(b"\x02" * 32)
MALLORY = Wallet.from_key(b"\x03" * 32)


def sign(text: str, wallet: Any = ALICE) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()


async def lock(web: Any, step: Step = Step.LOCKED) -> None:
    now = int(time.time())

    def work(tx: Writing) -> None:
        sending.put(tx, web.alice.id, State(step, now, pack(Baseline(anomaly=float(now), told=step))))
        seen = SecurityEvent(
            now, f"sending-{step.name.lower()}", "203.0.113.9", "<b>Laptop</b> ü", 100, 200, 150, "volume-hour"
        )
        security_events.add(tx, web.alice.id, seen)

    await web.database.write(work)


async def step(web: Any) -> int:
    return (await web.database.read(lambda tx: sending.get(tx, web.alice.id))).step


async def ask(client: Any, wallet: Any = ALICE, chain_id: int = 1) -> str:
    answer = await client.post("/auth/unlock/nonce", json={"address": wallet.address, "chain_id": chain_id})
    assert answer.status_code == 200
    text: str = answer.json()["message"]
    return text


async def send(client: Any, text: str, signature: str) -> Any:
    return await client.post("/auth/unlock/verify", json={"message": text, "signature": signature})


async def test_the_owner_sees_the_lock_and_unlocks_with_a_signature(web: Any) -> None:
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        page = (await client.get("/account")).text
        assert "Sending is locked" in page
        assert "203.0.113.9" in page
        assert "&lt;b&gt;Laptop&lt;/b&gt; ü" in page
        assert "200 recipients within an hour" in page
        unlock = await client.get("/account/unlock")
        assert "alice@waxseal.test" in unlock.text
        assert "script-src 'self'" in unlock.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=", unlock.text), "nothing inline"
        text = await ask(client)
        assert "Unlock sending from my mailbox." in text
        assert f"URI: {web.origin}/account/unlock\n" in text
        answer = await send(client, text, sign(text))
        assert answer.json() == {"unlocked": True, "location": "/account"}
        assert await step(web) == Step.FREE
        page = (await client.get("/account")).text
        assert "Sending is locked" not in page
        assert "Sending unlocked" in page
        assert (await client.get("/account/unlock")).headers["location"] == "/account"
    events = await web.database.read(lambda tx: security_events.recent(tx, web.alice.id))
    assert (events[0].kind, events[0].network) == ("sending-unlocked", "127.0.0.1")
    assert events[0].details == f"eip155:{ALICE.address.lower()}"


async def test_slowed_sending_shows_and_is_lifted_too(web: Any) -> None:
    await lock(web, Step.SLOWED)
    async with web.client() as client:
        await web.log_in(client)
        assert "Sending is slowed down" in (await client.get("/account")).text
        text = await ask(client)
        assert (await send(client, text, sign(text))).json()["unlocked"] is True
    assert await web.database.read(lambda tx: restriction(tx, web.alice.id, time.time())) is None


async def test_a_quiet_account_shows_nothing(web: Any) -> None:
    async with web.client() as client:
        await web.log_in(client)
        page = (await client.get("/account")).text
        assert "Sending is" not in page
        assert "What happened here" not in page
        text = await ask(client)
        assert (await send(client, text, sign(text))).json() == {"unlocked": False, "location": "/account"}


async def test_nobody_unlocks_without_being_logged_in(web: Any) -> None:
    await lock(web)
    async with web.client() as client:
        assert (await client.get("/account/unlock")).headers["location"] == "/login"
        for path, body in (("nonce", {}), ("verify", {"message": "a", "signature": "0x"})):
            assert (await client.post(f"/auth/unlock/{path}", json=body)).status_code == 401
    assert await step(web) == Step.LOCKED


async def test_a_login_signature_unlocks_nothing_and_an_unlock_signature_logs_nobody_in(web: Any) -> None:
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        login = (await client.post("/auth/siwe/nonce", json={"address": ALICE.address, "chain_id": 1})).json()[
            "message"
        ]
        assert (await send(client, login, sign(login))).json()["error"] == "wrong-uri"
        text = await ask(client)
        answer = await client.post("/auth/siwe/verify", json={"message": text, "signature": sign(text)})
        assert answer.status_code == 403
        assert answer.json()["error"] == "wrong-uri"
    assert await step(web) == Step.LOCKED


async def test_the_nonces_of_login_and_unlock_are_not_exchangeable(web: Any) -> None:
    """Whoever rewrites the text around a nonce of one kind still cannot use it for the other."""
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        login = (await client.post("/auth/siwe/nonce", json={"address": ALICE.address, "chain_id": 1})).json()
        text = re.sub("Nonce: .*", f"Nonce: {login['nonce']}", await ask(client))
        assert (await send(client, text, sign(text))).json()["error"] == "used-nonce"
    assert await step(web) == Step.LOCKED


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("^127", "128", "wrong-domain"),
        ("/account/unlock\n", "/login\n", "wrong-uri"),
        ("Unlock sending from my mailbox", "Delete my mailbox", "wrong-statement"),
        ("Chain ID: 1", "Chain ID: 137", "wrong-chain"),
        (r"Expiration Time: \d{4}", "Expiration Time: 2001", "expired"),
        (r"Expiration Time: \d{4}", "Expiration Time: 2999", "lifetime-too-long"),
        ("This signature", "\u0442his signature", "malformed"),
    ],
)
async def test_a_message_that_does_not_fit_unlocks_nothing(web: Any, old: str, new: str, reason: str) -> None:
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        text = re.sub(old, new, await ask(client), count=1)
        answer = await send(client, text, sign(text))
        assert answer.status_code == 403
        assert answer.json()["error"] == reason
    assert await step(web) == Step.LOCKED


async def test_a_signature_is_good_once(web: Any) -> None:
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        text = await ask(client)
        assert (await send(client, text, sign(text))).status_code == 200
        await lock(web)
        assert (await send(client, text, sign(text))).json()["error"] == "used-nonce"
    assert await step(web) == Step.LOCKED


async def test_another_sessions_nonce_is_refused(web: Any) -> None:
    await lock(web)
    async with web.client() as one, web.client() as other:
        await web.log_in(one)
        await web.log_in(other)
        text = await ask(one)
        assert (await send(other, text, sign(text))).json()["error"] == "used-nonce"
    assert await step(web) == Step.LOCKED


async def test_a_wallet_of_somebody_else_unlocks_nothing(web: Any) -> None:
    """A thief with a browser session still open, but without the owner's wallet."""
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        for wallet in (BOB, MALLORY):
            text = await ask(client, wallet)
            answer = await send(client, text, sign(text, wallet))
            assert answer.status_code == 403
            assert answer.json()["error"] == "unbound-wallet"
            assert answer.json()["words"].startswith("Sending was not unlocked. This wallet does not open this account")
        text = await ask(client)
        assert (await send(client, text, sign(text, BOB))).json()["error"] == "wrong-signer"
        assert (await send(client, "nonsense", "0x" + "11" * 65)).status_code == 403
    assert await step(web) == Step.LOCKED


async def test_failing_again_and_again_means_waiting(web: Any) -> None:
    async with web.client() as client:
        await web.log_in(client)
        for _ in range(15):
            answer = await send(client, "nonsense", "0x" + "11" * 65)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0


async def test_a_request_from_another_site_is_refused(web: Any) -> None:
    await lock(web)
    async with web.client() as client:
        await web.log_in(client)
        text = await ask(client)
        body = {"message": text, "signature": sign(text)}
        answer = await client.post("/auth/unlock/verify", json=body, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
    assert await step(web) == Step.LOCKED
