"""The wallet login over HTTP, and everything that must not log anybody in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from nacl.signing import SigningKey

from identity.solana import format_address
from node.store import accounts

pytestmark = pytest.mark.anyio
ALICE = Wallet.from_key(b"\x01" * 32)
MALLORY = Wallet.from_key(b"\x03" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def sign(text: str, wallet: Any = ALICE) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()


async def ask(client: Any, wallet: Any = ALICE) -> str:
    answer = await client.post("/auth/siwe/nonce", json={"address": wallet.address, "chain_id": 1})
    assert answer.status_code == 200
    text: str = answer.json()["message"]
    return text


async def send(client: Any, text: str, signature: str) -> Any:
    return await client.post("/auth/siwe/verify", json={"message": text, "signature": signature})


async def test_a_signature_opens_a_session_and_logging_out_ends_it(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/account")).headers["location"] == "/login"
        answer = await web.log_in(client)
        assert answer.json() == {"address": "alice@waxseal.test", "location": "/account"}
        cookie = answer.headers["set-cookie"]
        assert re.search(r"waxseal-session=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", cookie)
        page = await client.get("/account")
        assert "alice@waxseal.test" in page.text
        assert ALICE.address in page.text
        assert "mail.waxseal.test" in page.text
        token = client.cookies["waxseal-session"]
        assert (await client.post("/auth/logout")).status_code == 303
        assert (await client.get("/account", headers={"cookie": f"waxseal-session={token}"})).status_code == 303


async def test_only_the_tokens_hash_is_kept(web: Any) -> None:
    async with web.client() as client:
        await web.log_in(client)
        token = client.cookies["waxseal-session"].encode()
    stored = b"".join(path.read_bytes() for path in web.database.path.parent.glob("node.sqlite*"))
    assert token not in stored


async def test_the_chain_named_is_one_we_accept(web: Any) -> None:
    async with web.client() as client:
        for asked, named in ((1, 1), (31337, 31337), (5, 1), (None, 1)):
            answer = await client.post("/auth/siwe/nonce", json={"address": ALICE.address, "chain_id": asked})
            assert f"\nChain ID: {named}\n" in answer.json()["message"]


async def test_a_program_can_build_the_message_itself(web: Any) -> None:
    async with web.client() as client:
        answer = (await client.post("/auth/siwe/nonce", json={})).json()
        assert answer["domain"] == f"127.0.0.1:{web.port}"
        assert answer["uri"] == f"{web.origin}/login"
        assert answer["chain_ids"] == [1, 31337]
        assert "message" not in answer


async def test_a_nonce_used_twice_is_refused(web: Any) -> None:
    async with web.client() as client:
        text = await ask(client)
        browser = client.cookies["waxseal-browser"]
        assert (await send(client, text, sign(text))).status_code == 200
        again = await client.post(
            "/auth/siwe/verify",
            json={"message": text, "signature": sign(text)},
            headers={"cookie": f"waxseal-browser={browser}"},
        )
        assert again.status_code == 403
        assert again.json()["error"] == "used-nonce"


async def test_another_browsers_nonce_is_refused(web: Any) -> None:
    """Login CSRF: a stranger's signed message must not log this browser in to the stranger's account."""
    async with web.client() as one, web.client() as other:
        text = await ask(one)
        await ask(other)
        assert (await send(other, text, sign(text))).json()["error"] == "used-nonce"


async def test_a_browser_without_its_cookie_is_refused(web: Any) -> None:
    async with web.client() as one, web.client() as other:
        text = await ask(one)
        assert (await send(other, text, sign(text))).status_code == 400


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("^127", "128", "wrong-domain"),
        ("Sign in to your mailbox", "Sign away your mailbox", "wrong-statement"),
        ("/login\n", "/other\n", "wrong-uri"),
        ("Chain ID: 1", "Chain ID: 137", "wrong-chain"),
        (r"Issued At: \d{4}", "Issued At: 2999", "issued-in-future"),
        (r"Expiration Time: \d{4}", "Expiration Time: 2001", "expired"),
        (r"Expiration Time: \d{4}", "Expiration Time: 2999", "lifetime-too-long"),
        ("This signature", "\u0442his signature", "malformed"),
    ],
)
async def test_a_message_that_does_not_fit_is_refused(web: Any, old: str, new: str, reason: str) -> None:
    async with web.client() as client:
        text = re.sub(old, new, await ask(client), count=1)
        answer = await send(client, text, sign(text))
        assert answer.status_code == 403
        assert answer.json()["error"] == reason
        assert "session" not in answer.headers.get("set-cookie", "")


async def test_high_s_and_foreign_signatures_are_refused(web: Any) -> None:
    async with web.client() as client:
        text = await ask(client)
        signed = bytes.fromhex(sign(text)[2:])
        twin = (
            signed[:32] + (ORDER - int.from_bytes(signed[32:64], "big")).to_bytes(32, "big") + bytes([55 - signed[64]])
        )
        assert (await send(client, text, "0x" + twin.hex())).json()["error"] == "high-s"
        text = await ask(client)
        assert (await send(client, text, sign(text, MALLORY))).json()["error"] == "wrong-signer"
        text = await ask(client, MALLORY)
        unbound = (await send(client, text, sign(text, MALLORY))).json()
        assert unbound["error"] == "unbound-wallet"
        assert "ask whoever runs this node" in unbound["words"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"message": 1, "signature": "0x"}', b'{"message": "a"}', b'{"a": 1}', b"\xff", b'"\\ud800"',
     b'{"message": "\\ud800", "signature": "0x"}', b"[" * 60_000],
)  # fmt: skip
async def test_a_broken_body_is_refused(web: Any, body: bytes) -> None:
    async with web.client() as client:
        await ask(client)
        headers = {"content-type": "application/json"}
        for path in ("/auth/siwe/verify", "/auth/siwe/nonce"):
            answer = await client.post(path, content=body, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["error"] == "bad-request"


async def test_failing_again_and_again_is_answered_with_a_time_to_wait(web: Any) -> None:
    async with web.client() as client:
        await ask(client)
        for _ in range(15):
            answer = await send(client, "nonsense", "0x" + "11" * 65)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert "wait" in answer.json()["words"]


SOLANA = SigningKey(b"\x01" * 32)
SOLANA_ADDRESS = format_address(bytes(SOLANA.verify_key))


async def test_a_solana_wallet_logs_in(web: Any) -> None:
    await web.database.write(lambda tx: accounts.bind(tx, web.alice.id, f"solana:{SOLANA_ADDRESS}"))
    async with web.client() as client:
        asked = await client.post("/auth/siwe/nonce", json={"address": SOLANA_ADDRESS})
        text = asked.json()["message"]
        assert f"your Solana account:\n{SOLANA_ADDRESS}\n" in text
        assert "\nChain ID: mainnet\n" in text
        answer = await send(client, text, "0x" + SOLANA.sign(text.encode()).signature.hex())
        assert answer.json() == {"address": "alice@waxseal.test", "location": "/account"}
        assert f"solana:{SOLANA_ADDRESS}" in (await client.get("/account")).text


@pytest.mark.parametrize("address", ["1" * 44, "A" * 32, SOLANA_ADDRESS[:-4], SOLANA_ADDRESS + "1"])
async def test_an_address_of_the_wrong_length_is_told_so(web: Any, address: str) -> None:
    async with web.client() as client:
        answer = await client.post("/auth/siwe/nonce", json={"address": address})
        assert answer.status_code == 400


async def test_a_wallet_bound_with_its_chain_is_shown_with_it(web: Any) -> None:
    await web.database.write(lambda tx: accounts.bind(tx, web.alice.id, f"eip155:10:{MALLORY.address.lower()}"))
    async with web.client() as client:
        await web.log_in(client)
        assert f"eip155:10:{MALLORY.address}" in (await client.get("/account")).text


async def test_a_contract_wallet_where_no_chain_is_read(web: Any) -> None:
    async with web.client() as client:
        text = await ask(client)
        answer = await send(client, text, "0x" + "ab" * 3000)
        assert answer.status_code == 403
        assert "does not read the chain" in answer.json()["words"]
