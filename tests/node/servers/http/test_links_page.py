"""Pages of links: who may look, begin, read and end; bad ids, wrong keys, used-up and ended links."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.ipfs import link_keys
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cipher import Cipher
from node.ipfs.seal import new_header
from node.ipfs.sealed_file import Lock, write
from node.ipfs.unixfs import CLASSIC
from node.servers.http import links as pages
from node.servers.http.house import house
from node.servers.http.link_desk import LinkDesk
from node.servers.http.meter import Meter
from node.store import links
from node.store.links import Link

from .conftest import BOB

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(600_000)
NOW = 1_800_000_000
JSON = {"accept": "application/json"}


class Made:
    """A link of alice's, the desk, and what opens it."""

    def __init__(self, web: Any, desk: LinkDesk, secret: bytes, link: Link, lock: Lock) -> None:
        self.web, self.desk, self.secret, self.link, self.lock = web, desk, secret, link, lock
        self.path = f"/link/{link_keys.text(link.id)}"

    @property
    def proof(self) -> dict[str, str]:
        return {"proof": link_keys.text(link_keys.proof(self.secret, self.link.id))}

    async def now(self) -> Link:
        return await self.web.database.read(lambda tx: links.get(tx, self.link.id))


@pytest.fixture
async def made(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    blocks = LocalBlocks(tmp_path / "blocks")
    secret, id = link_keys.new_secret(), link_keys.new_id()
    lock = Lock(new_header(len(CONTENT), CLASSIC.chunk, Cipher.AES_256_GCM), link_keys.content_key(secret, id))
    root = await write(blocks, lock, iter([CONTENT]), [])
    kept = hashlib.sha256(link_keys.proof(secret, id)).digest()
    link = Link(
        id, web.alice.id, bytes(root.cid), len(CONTENT), "<b>report</b>.zip", "x@y.example",
        NOW, NOW + 1000, 2, 0, 0, kept, os.urandom(32),
    )  # fmt: skip
    await web.database.write(lambda tx: links.begin(tx, link))
    made = Made(web, LinkDesk(blocks, clock=lambda: NOW), secret, link, lock)
    monkeypatch.setattr(pages, "house", lambda request: replace(house(request), links=made.desk))
    return made


async def test_a_download_leaf_by_leaf(web: Any, made: Made) -> None:
    async with web.client() as client:
        page = await client.get(made.path)
        assert page.status_code == 200
        assert "&lt;b&gt;report&lt;/b&gt;.zip" in page.text
        assert "586 KiB" in page.text
        assert "2 downloads left" in page.text
        assert "<noscript>" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert (await made.now()).downloads == 0, "looking uses none up"
        begun = (await client.post(f"{made.path}/download", json=made.proof)).json()
        assert begun["size"] == len(CONTENT)
        ticket = {"x-link-ticket": begun["ticket"]}
        leaves = [(await client.get(f"{made.path}/leaf/{n}", headers=ticket)).content for n in range(3)]
        header = made.lock.header
        assert b"".join(header.open(made.lock.key, n, leaf) for n, leaf in enumerate(leaves)) == CONTENT
        assert (await made.now()).downloads == 1
        for number, status in ((3, 404), (1 << 70, 404), ("x", 404), ("-1", 404)):
            assert (await client.get(f"{made.path}/leaf/{number}", headers=ticket)).status_code == status


async def test_the_count_is_used_up(web: Any, made: Made) -> None:
    async with web.client() as client:
        for status in (200, 200, 410):
            answer = await client.post(f"{made.path}/download", json=made.proof)
            assert answer.status_code == status
        assert answer.json()["error"] == "exhausted"
        assert (await client.get(made.path)).status_code == 410
        assert (await made.now()).downloads == 2


async def test_a_wrong_key_begins_nothing_and_uses_nothing_up(web: Any, made: Made) -> None:
    other = link_keys.text(os.urandom(32))
    async with web.client() as client:
        for proof in (other, "", "x" * 60_000, link_keys.text(made.secret), made.proof["proof"] + "="):
            answer = await client.post(f"{made.path}/download", json={"proof": proof})
            assert (answer.status_code, answer.json()["error"]) == (403, "wrong-key")
        for body in (b"", b"[]", b'{"proof": 1}', b'{"proof": "", "more": 1}'):
            answer = await client.post(
                f"{made.path}/download", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400
        assert (await client.post(f"{made.path}/download", data={"proof": other})).status_code == 400
        assert (await made.now()).downloads == 0


async def test_a_ticket_is_for_one_link_and_one_time(web: Any, made: Made) -> None:
    link, soon = made.link, NOW + 60
    good = link_keys.ticket(link.ticket_key, link.id, soon)
    async with web.client() as client:

        async def status(ticket: bytes | str) -> int:
            shown = ticket if isinstance(ticket, str) else link_keys.text(ticket)
            return (await client.get(f"{made.path}/leaf/0", headers={"x-link-ticket": shown})).status_code

        assert await status(good) == 200
        assert await status(link_keys.ticket(link.ticket_key, os.urandom(16), soon)) == 403
        assert await status(link_keys.ticket(os.urandom(32), link.id, soon)) == 403
        assert await status(link_keys.ticket(link.ticket_key, link.id, NOW - 1)) == 403
        assert await status((soon + 9).to_bytes(8, "big") + good[8:]) == 403
        for silly in ("", "x", "~" * 54, link_keys.text(good) + "A", "A" * 5000):
            assert await status(silly) == 403
        assert (await client.get(f"{made.path}/leaf/0")).status_code == 403


async def test_what_ended_is_over_for_downloads_under_way_too(web: Any, made: Made) -> None:
    async with web.client() as client, web.client() as alice, web.client() as bob:
        begun = (await client.post(f"{made.path}/download", json=made.proof)).json()
        ticket = {"x-link-ticket": begun["ticket"], **JSON}
        await web.log_in(alice)
        listing = await alice.get("/account/links")
        assert "1 of 2" in listing.text
        assert "&lt;b&gt;report" in listing.text
        assert "x@y.example" in listing.text
        revoke = f"/account{made.path.replace('/link', '/links')}/revoke"
        assert (await client.post(revoke)).status_code == 401
        await web.log_in(bob, BOB)
        assert (await bob.post(revoke)).status_code == 404, "another's"
        assert (await client.get(f"{made.path}/leaf/0", headers=ticket)).status_code == 200
        assert (await alice.post(revoke)).status_code == 303
        assert (await client.get(f"{made.path}/leaf/0", headers=ticket)).status_code == 410
        assert (await client.post(f"{made.path}/download", json=made.proof)).status_code == 410
        assert (await client.get(made.path)).status_code == 410
        assert (await alice.post(revoke)).status_code == 404
        assert "revoked" in (await alice.get("/account/links")).text


async def test_an_expired_link(web: Any, made: Made) -> None:
    made.desk = replace(made.desk, clock=lambda: NOW + 1001)
    async with web.client() as client:
        assert (await client.get(made.path)).status_code == 410
        answer = await client.post(f"{made.path}/download", json=made.proof)
        assert (answer.status_code, answer.json()["error"]) == (410, "over")


async def test_guessed_ids(web: Any, made: Made) -> None:
    id = link_keys.text(made.link.id)
    made.desk = replace(made.desk, asks=Meter(12, 0.001))
    wrong = [
        link_keys.text(os.urandom(16)),
        id[:-1],
        id + "A",
        id + "==",
        "%2e%2e",
        "..%2fadmin",
        "\u00fc",
        id[::-1] + "=",
    ]
    async with web.client() as client:
        for text in wrong:
            assert (await client.get(f"/link/{text}")).status_code == 404
        statuses = [(await client.get(f"/link/{wrong[0]}")).status_code for _ in range(8)]
        assert statuses[-1] == 429, "guessing costs as much as looking"
        answer = await client.get(made.path)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 60) == (429, True)


async def test_a_damaged_block_is_a_shortage(web: Any, made: Made, tmp_path: Path) -> None:
    for path in (tmp_path / "blocks").glob("??/bafk*"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    ticket = link_keys.text(link_keys.ticket(made.link.ticket_key, made.link.id, NOW + 60))
    async with web.client() as client:
        answer = await client.get(f"{made.path}/leaf/1", headers={"x-link-ticket": ticket, **JSON})
        assert (answer.status_code, answer.json()["error"]) == (503, "temporary")


async def test_the_choice(web: Any, made: Made) -> None:
    async with web.client() as client:
        assert (await client.post("/account/links", data={"way": "always"})).status_code == 401
        assert (await client.get("/account/links")).status_code == 401
        await web.log_in(client)
        for way, wanted in (("always", True), ("never", False), ("domain", None)):
            assert (await client.post("/account/links", data={"way": way})).status_code == 303
            assert await web.database.read(lambda tx: links.choice(tx, web.alice.id)) is wanted
            assert f'value="{way}" checked' in (await client.get("/account/links")).text
        assert (await client.post("/account/links", data={"way": "sometimes"})).status_code == 404


async def test_without_the_setting_there_are_no_links(web: Any) -> None:
    async with web.client() as client:
        for path in ("/link/AAAAAAAAAAAAAAAAAAAAAA", "/link/AAAAAAAAAAAAAAAAAAAAAA/leaf/0"):
            assert (await client.get(path)).status_code == 404
