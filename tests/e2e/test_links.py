"""A 60 MB attachment leaves as a link, and Chromium opens it: a whole node, and a server elsewhere."""

from __future__ import annotations

import email
import email.policy
import hashlib
import queue
import random
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trio

from node.auth.sessions import Sessions
from node.base.address import parse_address
from node.cli.dev import Choice, local_settings
from node.ipfs.cid import Cid
from node.ipfs.unixfs import dag
from node.net.ipfs.gateway import Gateway
from node.service.folders import Folders
from node.store import accounts
from node.store.database import Database, Writing

from .chromium import MARKS, opened, shoot
from .conftest import _starting

controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
pytestmark = MARKS

LARGE, SMALL = 60_000_000, 700_000
MEMORY = 120 << 20  # octets of its own that the node may grow by while it takes and gives 60 MB
SHOWN = re.compile(r"http://localhost:\d+/link/[\w-]{22}#[\w-]{43}")


class Elsewhere:
    """Another server (aiosmtpd), which takes everything."""

    def __init__(self) -> None:
        self.came: queue.Queue[bytes] = queue.Queue()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.came.put(bytes(envelope.content))
        return "250 2.0.0 kept"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    handler = Elsewhere()
    running = controller.Controller(handler, hostname="127.0.0.1", port=handler.port)
    running.start()
    yield handler
    running.stop()


@pytest.fixture(scope="module")
def linking(elsewhere: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A node whose people may send links, and whose mail goes elsewhere."""
    place = tmp_path_factory.mktemp("linking")
    local_settings(place / "node", Choice.AUTO, classifier=False)
    config = place / "node" / "waxseal.toml"
    text = config.read_text("utf-8")
    text = text.replace("[relay]\n", f'[relay]\nsmarthost = "127.0.0.1:{elsewhere.port}"\n', 1)
    text = text.replace("[links]\n", "[links]\nenabled = true\nthreshold_mib = 0.5\ndownloads = 2\n", 1)
    text = text.replace("[gateway]\n", '[gateway]\nenabled = true\npeers = ["127.0.0.1"]\n', 1)
    config.write_text(text.replace("[smtp]\n", "[smtp]\nmax_message_mib = 100\n", 1), "utf-8")
    for start in _starting(place):
        yield start("--no-classifier")


def send(node: Any, elsewhere: Elsewhere, content: bytes, name: str = "report.zip") -> tuple[bytes, str]:
    """Send an attachment as a link; the message as its sender wrote it, and the address that came elsewhere."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"] = node.person()["address"], "zoe@far.example"
    message["Subject"], message["X-Waxseal-Links"] = "the report", "yes"
    message.set_content("Here it is.\n")
    message.add_attachment(content, "application", "zip", filename=name)
    written = message.as_bytes()
    with node.submission() as client:
        client.sendmail(node.person()["address"], ["zoe@far.example"], written)
    went = elsewhere.came.get(timeout=60)
    assert len(went) < 10_000
    notice = list(email.message_from_bytes(went, policy=email.policy.default).iter_parts())[1]
    found = SHOWN.search(next(iter(notice.iter_parts())).get_content())
    assert found
    return written, found[0]


@contextmanager
def watched(process: int) -> Iterator[list[int]]:
    """The most memory of its own that a process has meanwhile, less what it had before, in octets."""
    status, over, grown = Path(f"/proc/{process}/status"), threading.Event(), [0]

    def own() -> int:
        found = re.search(r"RssAnon:\s+(\d+) kB", status.read_text())
        assert found
        return int(found[1]) << 10

    before = own()

    def look() -> None:
        while not over.wait(0.02):
            grown[0] = max(grown[0], own() - before)

    thread = threading.Thread(target=look)
    thread.start()
    yield grown
    over.set()
    thread.join()


def fetched(page: Any, address: str) -> bytes:
    page.goto(address)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    page.get_by_text("Downloaded, opened and checked").wait_for()
    assert saved.value.suggested_filename == "report.zip"
    return Path(saved.value.path()).read_bytes()


def told(page: Any, address: str, words: str, *, click: bool = True) -> None:
    """The page says so, and saves nothing."""
    page.on("download", lambda _download: pytest.fail("something was saved"))
    page.goto("about:blank")
    page.goto(address)
    if click:
        page.get_by_role("button", name="Download").click()
    page.get_by_text(words).wait_for()


def test_sixty_megabytes(linking: Any, elsewhere: Elsewhere, browser: Any) -> None:
    content = random.Random(6).randbytes(LARGE)
    with watched(linking.process.pid) as grown:
        _, address = send(linking, elsewhere, content)
        asked: list[str] = []
        with opened(browser, "light") as page:
            page.on("request", lambda request: asked.append(request.url))
            got = fetched(page, address)
            shoot(page, "link-done-light")
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()
    assert grown[0] < MEMORY, grown
    secret = address.partition("#")[2]
    assert len([url for url in asked if "/leaf/" in url]) == -(-LARGE // (1 << 18))
    assert secret not in linking.log.read_text(), "the key reaches no log"


def test_what_can_be_wrong_with_a_link(linking: Any, elsewhere: Elsewhere, browser: Any) -> None:
    content = random.Random(7).randbytes(SMALL)
    written, address = send(linking, elsewhere, content)
    place, _, secret = address.partition("#")
    with opened(browser, "dark") as page:
        page.goto(address)
        page.get_by_role("button", name="Download").wait_for()
        shoot(page, "link-dark")
        told(page, place, "The key is missing", click=False)
        shoot(page, "link-cut-dark")
        told(page, f"{place}#{secret[:-5]}", "The key is missing", click=False)
        wrong = secret[:-5] + ("AAAAA" if secret[-5:] != "AAAAA" else "BBBBA")
        told(page, f"{place}#{wrong}", "is not the right one")
        shoot(page, "link-wrong-dark")
    with opened(browser, "light") as page:  # a server that gives other octets
        page.route("**/leaf/1", _changed)
        told(page, address, "The file is damaged")
        shoot(page, "link-damaged-light")
    with opened(browser, "light") as page:
        assert fetched(page, address) == content, "the second download, and the last"
        page.goto("about:blank")
        page.goto(address)
        page.get_by_text("All downloads of this link are used up").wait_for()
        shoot(page, "link-exhausted-light")
    with linking.imap() as client:  # the client's copy is the client's: as it was written
        client.append("Sent", None, None, written)
        client.select("Sent", readonly=True)
        (answer, *_) = client.fetch("1", "(BODY.PEEK[])")[1]
        assert isinstance(answer, tuple)
        assert answer[1].endswith(written)


def _changed(route: Any) -> None:
    answer = route.fetch()
    body = bytearray(answer.body())
    body[1000] ^= 1
    route.fulfill(response=answer, body=bytes(body))


def test_a_peer_reads_the_sealed_blocks(linking: Any, elsewhere: Elsewhere) -> None:
    """The other node's side: what it reads at a trustless gateway, here from this one."""
    folder = Folders(Path(linking.facts["dir"])).blocks
    before = set(folder.glob("??/bafy*"))
    send(linking, elsewhere, random.Random(10).randbytes(SMALL))
    (root,) = (Cid.parse(path.name) for path in set(folder.glob("??/bafy*")) - before)

    async def read_all() -> list[Cid]:
        async with Gateway.open(f"http://127.0.0.1:{linking.ports['http']}", "peer", 30) as peer:

            async def fetch(cid: Cid) -> bytes:
                return await peer.block(str(cid), cid.names)

            return [block.cid async for block in dag(fetch, root)]

    read = trio.run(read_all)
    assert read[0] == root
    assert len(read) == 1 + 3


def test_a_block_that_rotted(linking: Any, elsewhere: Elsewhere, browser: Any) -> None:
    folder = Folders(Path(linking.facts["dir"]))
    before = set(folder.blocks.glob("??/bafk*"))
    _, address = send(linking, elsewhere, random.Random(8).randbytes(SMALL))
    for path in set(folder.blocks.glob("??/bafk*")) - before:
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with opened(browser, "light") as page:
        told(page, address, "This does not work right now")
        assert page.get_by_role("button", name="Try again").is_enabled()


def test_expired_and_revoked(linking: Any, elsewhere: Elsewhere, browser: Any) -> None:
    content = random.Random(9).randbytes(SMALL)
    _, old = send(linking, elsewhere, content, "old.zip")
    _, address = send(linking, elsewhere, content, "ended.zip")
    _, mine = send(linking, elsewhere, content)
    database = Folders(Path(linking.facts["dir"])).database
    with sqlite3.connect(database, timeout=30) as connection:  # time has passed
        connection.execute("UPDATE link SET expires = 1 WHERE name = 'old.zip'")
    connection.close()
    token = trio.run(_session, database, linking.person()["address"])
    origin = f"http://localhost:{linking.ports['http']}"
    for scheme in ("light", "dark"):
        with opened(browser, scheme, origin) as page:
            page.context.add_cookies([{"name": "waxseal-session", "value": token, "url": origin}])
            page.goto("/account")
            page.get_by_role("link", name="Your links").click()
            page.get_by_text("ended.zip").wait_for()
            if scheme == "dark":
                page.get_by_label("Revoke ended.zip", exact=True).click()
                shoot(page, "links-dark")
                page.get_by_role("button", name="Yes, revoke ended.zip now").click()
                page.get_by_text(re.compile("revoked ")).wait_for()
                page.get_by_label("Always as a link").check()
                page.get_by_role("button", name="Save").click()
                page.wait_for_load_state()
                assert page.get_by_label("Always as a link").is_checked()
            shoot(page, f"links-after-{scheme}")
    with opened(browser, "light") as page:
        for ended in (old, address):
            page.goto(ended)
            page.get_by_text("This link does not work any more").wait_for()
        assert fetched(page, mine) == content
    context = browser.new_context(java_script_enabled=False)
    quiet = context.new_page()
    quiet.goto(mine)
    assert "needs JavaScript" in quiet.content()
    assert not quiet.get_by_role("button", name="Download").is_visible()
    context.close()


async def _session(database: Path, address: str) -> str:
    async with Database.open(database) as opened:

        def begin(tx: Writing) -> str:
            account = accounts.find(tx, parse_address(address))
            assert account
            return Sessions(opened, seconds=3600).begin(tx, account)

        return await opened.write(begin)
