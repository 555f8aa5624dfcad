"""Opening a mailbox by oneself: off by default, behind a gate on a chain, by invitation; and every way to cheat."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import trio
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from identity.gates.rule import parse_rule, write_rule
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.signup import NEWCOMER_SECONDS, new_invitation
from node.base.address import parse_address
from node.base.config_chains import Chains
from node.base.config_names import Signup
from node.net.chain.reader import open_readers
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import accounts, domains, gates, newcomers
from node.store.database import Database, Writing
from node.store.newcomers import Invitation

pytestmark = pytest.mark.anyio

CHAIN = "eip155:31337"
ANN, BOB, CARL = (Wallet.from_key(bytes([number]) * 32) for number in (11, 12, 13))
ON = Signup(enabled=True, reserved=["boss"])


def sign(text: str, wallet: Any) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()


class Site:
    """A running web server that takes newcomers; `now` is its clock."""

    def __init__(self, origin: str, database: Database, now: list[float]) -> None:
        self.origin, self.database, self.now = origin, database, now

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.origin, timeout=120, trust_env=False)

    async def prove(self, client: httpx.AsyncClient, wallet: Any) -> httpx.Response:
        asked = await client.post("/auth/signup/nonce", json={"address": wallet.address, "chain_id": 1})
        text = asked.json()["message"]
        return await client.post("/auth/signup/verify", json={"message": text, "signature": sign(text, wallet)})

    async def open(self, client: httpx.AsyncClient, local: str, **more: str) -> httpx.Response:
        form = {"local": local, "domain": "waxseal.test", "invitation": "", **more}
        return await client.post("/signup/address", data=form)

    async def has(self, address: str) -> bool:
        return await self.database.read(lambda tx: accounts.find(tx, parse_address(address))) is not None

    async def gate(self, rule: Any, use: gates.Use = "signup") -> None:
        text = write_rule(parse_rule(json.dumps(rule)))
        await self.database.write(lambda tx: gates.put(tx, use, "waxseal.test", text, "finalized"))

    async def invite(self, domain: str = "waxseal.test", days: float = 1) -> str:
        code, kept = new_invitation()
        ends = int(self.now[0] + days * 86400)
        await self.database.write(lambda tx: newcomers.invite(tx, Invitation(kept, domain, "for a test", ends)))
        return code


def _domains(tx: Writing) -> None:
    for name in ("waxseal.test", "other.test"):
        domains.add(tx, name)


@asynccontextmanager
async def running(folder: Path, signup: Signup | None, rpc: str = "", now: float = 0) -> AsyncIterator[Site]:
    chains, clock = Chains(rpc={CHAIN: rpc} if rpc else {}, deadline_seconds=2), [now or time.time()]
    async with (
        Database.open(folder / "node.sqlite") as database,
        open_readers(chains, 0) as readers,
        trio.open_nursery() as nursery,
    ):
        await database.write(_domains)
        keeper = Doorkeeper(database, Evaluator(readers), 60, clock=lambda: clock[0])
        door, stop = await open_listener("127.0.0.1", 0, "http"), Stop()
        origin = f"http://127.0.0.1:{door.address[1]}"
        settings = WebSettings("waxseal.test", origin)
        gate = Gate(database, keeper)
        app = WebApp(database, gate, settings, doorkeeper=keeper, signup=signup, clock=lambda: clock[0])
        start = partial(serve, [door], WebServer(app).handle, limits=Limits(grace_seconds=2))
        await nursery.start(partial(start, busy=BUSY, farewell=FAREWELL, stop=stop))
        yield Site(origin, database, clock)
        stop.request()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path, ON) as opened:
        yield opened


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path, Signup(enabled=True, open=True)) as opened:
        yield opened


@pytest.mark.parametrize("signup", [None, Signup()])
async def test_it_is_off_by_default(tmp_path: Path, signup: Signup | None) -> None:
    async with running(tmp_path, signup) as site, site.client() as client:
        for path in ("/signup", "/signup/address"):
            assert (await client.get(path)).status_code == 404
        for path in ("/auth/signup/nonce", "/auth/signup/verify", "/signup/address"):
            assert (await client.post(path, json={})).status_code == 404
        assert "/signup" not in (await client.get("/")).text + (await client.get("/login")).text


async def test_a_wallet_opens_a_mailbox_and_is_inside(open_site: Site) -> None:
    async with open_site.client() as client:
        assert 'href="/signup"' in (await client.get("/")).text
        page = await client.get("/signup")
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=", page.text), "nothing inline"
        assert (await open_site.prove(client, ANN)).json() == {"location": "/signup/address"}
        form = await client.get("/signup/address")
        assert ANN.address in form.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=", form.text), "nothing inline"
        answer = await open_site.open(client, " Ann.B ")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        assert "ann.b@waxseal.test" in (await client.get("/account")).text
        # One mailbox a wallet; and the proof is used up.
        assert (await open_site.prove(client, ANN)).json()["error"] == "has-mailbox"
        again = await open_site.open(client, "second")
        assert again.status_code in (303, 403)
        assert not await open_site.has("second@waxseal.test")


async def test_the_gate_decides_and_the_page_says_why(tmp_path: Path, token_chain: Any) -> None:
    ticket, coin = token_chain.deploy("Ticket"), token_chain.deploy("Coin", 6)
    token_chain.send(coin, "mint(address,uint256)", ANN.address, 2_500_000)
    token_chain.finalize()
    now = float(int(token_chain.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16))
    async with running(tmp_path, ON, token_chain.url, now) as site, site.client() as client:
        await site.gate(
            {
                "all": [
                    {"chain": CHAIN, "standard": "erc721", "contract": ticket},
                    {"chain": CHAIN, "standard": "erc20", "contract": coin, "min": "2"},
                ]
            }
        )
        await site.prove(client, ANN)
        page = (await client.get("/signup/address")).text
        assert "you do not hold what is asked for" in page
        assert re.search(rf"erc721 {ticket}.*?not met.*?holds 0, needs 1.*?block \d+", page, re.DOTALL)
        assert re.search(rf"erc20 {coin}.*?>met<.*?holds 2\.5, needs 2", page, re.DOTALL)
        refused = await site.open(client, "ann")
        assert refused.status_code == 403
        assert "You do not hold what waxseal.test asks for." in refused.text
        assert "holds 0, needs 1" in refused.text
        assert not await site.has("ann@waxseal.test")
        elsewhere = await site.open(client, "ann", domain="other.test")  # the gate next door says nothing here
        assert (elsewhere.status_code, "takes invited people" in elsewhere.text) == (422, True)

        token_chain.send(ticket, "mint(address,uint256)", ANN.address, 7)
        token_chain.finalize()
        assert re.search(r"waxseal\.test:\s+you may", (await client.get("/signup/address")).text)
        assert (await site.open(client, "ann")).status_code == 303
        await site.gate({"chain": CHAIN, "standard": "erc721", "contract": ticket, "min": 2}, "login")
        account = (await client.get("/account")).text
        assert "What your mailbox asks for" in account
        assert "holds 1, needs 2" in account


async def test_a_chain_that_is_away_lets_nobody_in_but_the_invited(tmp_path: Path) -> None:
    async with running(tmp_path, ON, "http://127.0.0.1:9") as site, site.client() as client:
        await site.gate({"chain": CHAIN, "standard": "native", "min": "1"})
        await site.prove(client, ANN)
        assert "it cannot be told now" in (await client.get("/signup/address")).text
        assert (await site.open(client, "ann")).status_code == 403
        assert not await site.has("ann@waxseal.test")
        assert (await site.open(client, "ann", invitation=await site.invite())).status_code == 303


async def test_a_gate_that_cannot_be_read_is_shut(site: Site) -> None:
    await site.database.write(lambda tx: gates.put(tx, "signup", "waxseal.test", '{"moon":1}', "finalized"))
    async with site.client() as client:
        await site.prove(client, ANN)
        assert (await client.get("/signup/address")).status_code == 200
        assert (await site.open(client, "ann")).status_code == 403


async def test_invitations_are_good_once_at_their_domain_until_they_end(site: Site) -> None:
    code, other, old = await site.invite(), await site.invite("other.test"), await site.invite(days=-1)
    async with site.client() as ann, site.client() as bob:
        await site.prove(ann, ANN)
        await site.prove(bob, BOB)
        for wrong in ("", other, old, "guess", "a" * 5000):
            answer = await site.open(ann, "ann", invitation=wrong)
            assert answer.status_code == 422
            assert "invit" in answer.text
        assert (await site.open(ann, "ann", invitation=code.upper().replace("-", " "))).status_code == 303
        assert (await site.open(bob, "bob", invitation=code)).status_code == 422
        assert not await site.has("bob@waxseal.test")


async def test_guessing_invitations_gets_slow(site: Site) -> None:
    async with site.client() as client:
        await site.prove(client, ANN)
        codes = [(await site.open(client, "ann", invitation=f"guess-{number}")).status_code for number in range(13)]
        assert codes[:10] == [422] * 10
        assert codes[-1] == 429
        assert (await site.open(client, "ann", invitation=await site.invite())).status_code == 429


@pytest.mark.parametrize(
    "local", ["postmaster", "boss", "ad-min", "a", "x" * 40, "bob.eth", "añn", "<b>", "a..b", "", "a\0b"]
)
async def test_addresses_that_nobody_may_take(site: Site, local: str) -> None:
    async with site.client() as client:
        await site.prove(client, ANN)
        answer = await site.open(client, local, invitation=await site.invite())
        assert answer.status_code == 422
        assert "<b>" not in answer.text
        assert await site.database.read(accounts.listing) == []


async def test_an_address_that_is_taken_keeps_proof_and_invitation(open_site: Site) -> None:
    async with open_site.client() as ann, open_site.client() as bob:
        for client, wallet in ((ann, ANN), (bob, BOB)):
            await open_site.prove(client, wallet)
        assert (await open_site.open(ann, "ann")).status_code == 303
        taken = await open_site.open(bob, "ANN")
        assert (taken.status_code, "ann@waxseal.test is taken" in taken.text) == (422, True)
        assert (await open_site.open(bob, "bob")).status_code == 303
        foreign = await open_site.open(bob, "bob", domain="elsewhere.example")
        assert foreign.status_code in (303, 403, 422)
        assert not await open_site.has("bob@elsewhere.example")


async def test_domains_that_are_not_ours(open_site: Site) -> None:
    async with open_site.client() as client:
        await open_site.prove(client, ANN)
        answer = await open_site.open(client, "ann", domain="elsewhere.example")
        assert (answer.status_code, "choose one of the domains" in answer.text.lower()) == (422, True)


async def _steal_token(site: Site, ann: httpx.AsyncClient, bob: httpx.AsyncClient) -> httpx.Response:
    """Ann's message and signature, sent from Bob's browser."""
    asked = await ann.post("/auth/signup/nonce", json={"address": ANN.address, "chain_id": 1})
    await bob.post("/auth/signup/nonce", json={"address": ANN.address, "chain_id": 1})
    text = asked.json()["message"]
    return await bob.post("/auth/signup/verify", json={"message": text, "signature": sign(text, ANN)})


async def _replay(site: Site, ann: httpx.AsyncClient, bob: httpx.AsyncClient) -> httpx.Response:
    asked = await ann.post("/auth/signup/nonce", json={"address": ANN.address, "chain_id": 1})
    text = asked.json()["message"]
    body = {"message": text, "signature": sign(text, ANN)}
    await ann.post("/auth/signup/verify", json=body)
    return await ann.post("/auth/signup/verify", json=body)


async def _login_signature(site: Site, ann: httpx.AsyncClient, bob: httpx.AsyncClient) -> httpx.Response:
    """What was signed to log in opens no mailbox."""
    asked = await ann.post("/auth/siwe/nonce", json={"address": ANN.address, "chain_id": 1})
    text = asked.json()["message"]
    return await ann.post("/auth/signup/verify", json={"message": text, "signature": sign(text, ANN)})


async def _other_wallet(site: Site, ann: httpx.AsyncClient, bob: httpx.AsyncClient) -> httpx.Response:
    asked = await ann.post("/auth/signup/nonce", json={"address": ANN.address, "chain_id": 1})
    text = asked.json()["message"]
    return await ann.post("/auth/signup/verify", json={"message": text, "signature": sign(text, BOB)})


@pytest.mark.parametrize("cheat", [_steal_token, _replay, _login_signature, _other_wallet])
async def test_signatures_that_open_nothing(open_site: Site, cheat: Callable[..., Any]) -> None:
    async with open_site.client() as ann, open_site.client() as bob:
        answer = await cheat(open_site, ann, bob)
        assert answer.status_code == 403, answer.text
        assert await open_site.database.read(accounts.listing) == []


async def test_a_signup_signature_logs_nobody_in(open_site: Site) -> None:
    async with open_site.client() as client:
        await open_site.prove(client, ANN)
        await open_site.open(client, "ann")
        await client.post("/auth/logout")
        asked = await client.post("/auth/signup/nonce", json={"address": ANN.address, "chain_id": 1})
        text = asked.json()["message"]
        answer = await client.post("/auth/siwe/verify", json={"message": text, "signature": sign(text, ANN)})
        assert answer.status_code == 403


async def test_without_a_proof_or_with_an_old_one_nothing_opens(open_site: Site) -> None:
    async with open_site.client() as client:
        assert (await client.get("/signup/address")).headers["location"] == "/signup"
        assert (await open_site.open(client, "ann")).status_code == 403
        client.cookies.set("waxseal-newcomer", "A" * 43)
        assert (await open_site.open(client, "ann")).status_code == 403
    async with open_site.client() as client:
        await open_site.prove(client, ANN)
        open_site.now[0] += NEWCOMER_SECONDS + 1
        assert (await open_site.open(client, "ann")).status_code == 403
        assert await open_site.database.read(accounts.listing) == []


async def test_a_wallet_that_was_bound_meanwhile_opens_no_second_mailbox(open_site: Site) -> None:
    def bind(tx: Writing) -> None:
        account = accounts.add(tx, parse_address("first@waxseal.test"))
        accounts.bind(tx, account.id, f"eip155:{ANN.address.lower()}")

    async with open_site.client() as client:
        await open_site.prove(client, ANN)
        await open_site.database.write(bind)
        answer = await open_site.open(client, "second")
        assert (answer.status_code, "has a mailbox" in answer.text) == (403, True)


async def test_a_network_that_opens_many_gets_stuck(open_site: Site) -> None:
    codes = []
    for number in range(7):
        async with open_site.client() as client:
            await open_site.prove(client, Wallet.from_key(bytes([40 + number]) * 32))
            codes.append((await open_site.open(client, f"farm{number}")).status_code)
    assert codes == [303] * 6 + [429]


async def test_a_day_has_so_many_mailboxes(tmp_path: Path) -> None:
    async with running(tmp_path, Signup(enabled=True, open=True, per_day=1)) as site:
        codes = []
        for wallet in (ANN, BOB):
            async with site.client() as client:
                await site.prove(client, wallet)
                codes.append((await site.open(client, f"x{wallet.address[2:9].lower()}")).status_code)
        assert codes == [303, 429]


async def test_another_site_cannot_make_a_browser_open_one(open_site: Site) -> None:
    async with open_site.client() as client:
        await open_site.prove(client, ANN)
        form = {"local": "ann", "domain": "waxseal.test", "invitation": ""}
        answer = await client.post("/signup/address", data=form, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert not await open_site.has("ann@waxseal.test")


async def test_who_may_sign_up_but_not_log_in_is_told(open_site: Site) -> None:
    await open_site.gate({"did": "did:web:somebody.example"}, "login")
    async with open_site.client() as client:
        await open_site.prove(client, CARL)
        answer = await open_site.open(client, "carl")
        assert (answer.status_code, "you are not let in yet" in answer.text) == (403, True)
        assert await open_site.has("carl@waxseal.test")
