"""Real programs take a message out of a mailbox, and its receipt still proves it; people get receipts in a browser."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import mailbox
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from node.auth.sessions import Sessions
from node.base.address import parse_address
from node.service.folders import Folders
from node.store import accounts
from node.store.database import Database, Writing

WAIT = 60
NOTE = (
    b"From: Nora <nora@example.org>\r\nTo: alice@waxseal.test\r\nSubject: proof of tea\r\n"
    b"Message-ID: <tea@example.org>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\n\r\n"
    b"See you on Tuesday.\r\n\r\nFrom here on it is downhill.\r\n>From there, too.\r\n"
)


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture(scope="module")
def kept(node: Any) -> bytes:
    """The message as the node keeps it, by imaplib: the exact bytes."""
    with node.smtp() as client:
        client.sendmail("nora@example.org", [node.person()["address"]], NOTE)
    with node.imap() as client:
        client.select("INBOX", readonly=True)
        (answer, *_) = client.fetch("1", "(BODY.PEEK[])")[1]
    assert isinstance(answer, tuple)
    assert answer[1].endswith(NOTE)
    return bytes(answer[1])


def waxseal(node: Any, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node", *arguments, "--config", Path(node.facts["dir"]) / "waxseal.toml"]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)


@pytest.fixture(scope="module")
def receipt(node: Any, kept: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = waxseal(node, "receipt", hashlib.sha256(kept).hexdigest(), "--anchored")
    assert made.returncode == 0, made.stderr
    path = tmp_path_factory.mktemp("receipt") / "receipt.json"
    path.write_text(made.stdout)
    return path


def proves(node: Any, message: Path, receipt: Path) -> str:
    """All steps hold; returns the words of the first."""
    done = waxseal(node, "verify", message, "--receipt", receipt, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    alone = [sys.executable, "-I", "-S", Path("node/anchor/standalone/waxseal_verify.py").absolute(), message, receipt]
    by_file = subprocess.run(alone, capture_output=True, text=True, timeout=WAIT, check=False, env={})
    assert by_file.stdout.startswith("1. message: holds."), by_file
    return str(json.loads(done.stdout)["steps"][0]["words"])


def test_imaplib_gets_the_exact_bytes(node: Any, kept: bytes, receipt: Path, tmp_path: Path) -> None:
    (tmp_path / "m.eml").write_bytes(kept)
    assert "undone" not in proves(node, tmp_path / "m.eml", receipt)


def test_imap_gives_message_and_receipt(node: Any, kept: bytes, tmp_path: Path) -> None:
    """Nothing but IMAP: FETCH for the message, GETMETADATA for its receipt, and a stranger's `verify`."""
    name = "/private/vendor/waxseal/receipt/1"
    with node.imap() as client:
        assert "METADATA" in client.capabilities or b"METADATA" in client.capability()[1][0]
        client.select("INBOX", readonly=True)
        ((_, message), _) = client.uid("FETCH", "1", "(BODY.PEEK[])")[1]
        assert client.xatom("GETMETADATA", "INBOX", f"({name})")[0] == "OK"
        ((begin, receipt), end) = client.response("METADATA")[1]
        assert (begin.split(b" {")[0], end) == (f"INBOX ({name}".encode(), b")")
        assert client.xatom("SETMETADATA", "INBOX", f'({name} "mine")')[0] == "NO"
        assert client.xatom("GETMETADATA", "INBOX", f"{name}9")[0] == "OK"
        assert client.response("METADATA")[1][0].endswith(b"NIL)")
    with node.imap(1) as client:
        client.select("INBOX", readonly=True)
        assert client.xatom("GETMETADATA", "INBOX", name)[0] == "OK"
        assert hashlib.sha256(kept).hexdigest().encode() not in str(client.response("METADATA")[1]).encode()
    for file, content in (("m.eml", message), ("r.json", receipt)):
        (tmp_path / file).write_bytes(content)
    assert waxseal(node, "verify", tmp_path / "m.eml", "--receipt", tmp_path / "r.json").returncode in (0, 3)
    (tmp_path / "m.eml").write_bytes(message.replace(b"Tuesday", b"Friday"))
    assert waxseal(node, "verify", tmp_path / "m.eml", "--receipt", tmp_path / "r.json").returncode == 1


def test_mbsyncs_maildir(node: Any, kept: bytes, receipt: Path, tmp_path: Path) -> None:
    person, near = node.person(), tmp_path / "near"
    near.mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"IMAPAccount node\nHost localhost\nPort {node.ports['imaps']}\nUser {person['address']}\n"
        f"Pass {person['app_password']}\nSSLType IMAPS\nSystemCertificates no\nCertificateFile {node.facts['ca']}\n\n"
        f"IMAPStore far\nAccount node\n\nMaildirStore near\nPath {near}/\nInbox {near}/INBOX\n\n"
        "Channel inbox\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSync Pull\nSyncState *\n"
    )
    subprocess.run([need("mbsync"), "-c", config, "-a"], check=True, capture_output=True, timeout=WAIT)
    files = [path for kind in ("new", "cur") for path in (near / "INBOX" / kind).iterdir()]
    (mine,) = [path for path in files if b"proof of tea" in path.read_bytes()]
    words = proves(node, mine, receipt)
    assert "line-ends" in words


@pytest.mark.parametrize("kind", ["mbox", "Maildir"])
def test_neomutt_saves_to_a_folder(node: Any, kept: bytes, receipt: Path, tmp_path: Path, kind: str) -> None:
    neomutt, script = need("neomutt"), need("script")
    person, url = node.person(), f"imaps://localhost:{node.ports['imaps']}"
    saved, config = tmp_path / "saved", tmp_path / "neomuttrc"
    config.write_text(
        f'set imap_user="{person["address"]}" imap_pass="{person["app_password"]}" mbox_type={kind}\n'
        f"set ssl_force_tls=yes certificate_file={node.facts['ca']} folder={url} spoolfile=+INBOX\n"
        "set quit=yes confirmappend=no confirmcreate=no sleep_time=0 wait_key=no move=no mark_old=no\n"
        "set header_cache= message_cachedir=\n"
        f"push \"<limit>~s 'proof of tea'<enter><copy-message>{saved}<enter><quit>\"\n"
    )
    command = shlex.join([neomutt, "-n", "-F", str(config), "-f", f"{url}/INBOX"])
    surroundings = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
    done = subprocess.run(  # it wants a terminal, so it gets one
        [script, "-qec", command, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=surroundings,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:]
    if kind == "Maildir":
        (saved,) = [path for where in ("new", "cur") for path in (saved / where).iterdir()]
    words = proves(node, saved, receipt)
    assert "line-ends" in words
    assert kind != "mbox" or "from-line" in words


def test_pythons_mbox(node: Any, kept: bytes, receipt: Path, tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    box.add(email.message_from_bytes(kept))
    box.close()
    assert "from-line" in proves(node, tmp_path / "box", receipt)


def test_a_changed_word_is_no_export(node: Any, kept: bytes, receipt: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed"
    path.write_bytes(
        b"From - Sat Nov 21 2026\n" + kept.replace(b"\r\n", b"\n").replace(b"Tuesday", b"Thursday") + b"\n"
    )
    done = waxseal(node, "verify", path, "--receipt", receipt)
    assert (done.returncode, "It looks exported" in done.stdout) == (1, True)
    assert waxseal(node, "receipt", path).returncode == 1


# --- the page -----------------------------------------------------------------------------------------------------

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


async def _session(database: Path, address: str) -> str:
    async with Database.open(database) as opened:

        def begin(tx: Writing) -> str:
            account = accounts.find(tx, parse_address(address))
            assert account
            return Sessions(opened, seconds=3600).begin(tx, account)

        return await opened.write(begin)


@pytest.fixture
def page(node: Any, tmp_path: Path) -> Iterator[Any]:
    """A browser in which Alice is logged in."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (apt-get install chromium)")
    token = trio.run(_session, Folders(Path(node.facts["dir"])).database, node.person()["address"])
    origin = f"http://localhost:{node.ports['http']}"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(base_url=origin, accept_downloads=True, viewport={"width": 1000, "height": 900})
        context.add_cookies([{"name": "waxseal-session", "value": token, "url": origin}])
        context.set_default_timeout(15_000)
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        browser.close()
        assert complaints == []


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_person_drops_messages_and_gets_receipts(page: Any, node: Any, kept: bytes, tmp_path: Path) -> None:
    """One exact, one as Thunderbird exports it, one that is nobody's; a receipt saved, and one by mail."""
    exact, exported, foreign = (tmp_path / name for name in ("exact.eml", "thunder.mbox", "foreign.eml"))
    exact.write_bytes(kept)
    quoted = (
        kept.replace(b"\r\n", b"\n")
        .replace(b"\nFrom here", b"\n>From here")
        .replace(b"\n>From there", b"\n>>From there")
    )
    exported.write_bytes(b"From - Sat Nov 21 2026\nX-Mozilla-Status: 0001\nX-Mozilla-Keys:    \n" + quoted + b"\n")
    foreign.write_bytes(b"Subject: not yours\r\n\r\nhi\r\n")
    page.goto("/receipts")
    page.get_by_label("Choose messages").set_input_files([exact, exported, foreign])
    page.get_by_text("None of your messages here is foreign.eml").wait_for()
    assert page.locator("#found li").count() == 2
    assert "What its export changed was undone" in page.locator("#found li").nth(1).inner_text()
    if folder := os.environ.get("SCREENSHOTS"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{folder}/receipts-{scheme}.png", full_page=True)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the receipt of exact.eml").click()
    receipt = tmp_path / "r.json"
    saved.value.save_as(receipt)
    assert waxseal(node, "verify", exact, "--receipt", receipt).returncode in (0, 3)
    page.get_by_role("button", name="Mail the receipt of exact.eml to me").click()
    page.get_by_text("The receipt lies in your inbox.").wait_for()
    with node.imap() as client:
        client.select("INBOX", readonly=True)
        assert len(client.search(None, "SUBJECT", '"Receipt for message"')[1][0].split()) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_page_without_scripts(page: Any, node: Any, kept: bytes) -> None:
    page.goto("/account")
    page.get_by_role("link", name="Get a receipt").click()
    page.get_by_label("Or the message's SHA-256").fill(hashlib.sha256(kept).hexdigest())
    with page.expect_download() as saved:
        page.get_by_role("button", name="Get the receipt").click()
    assert saved.value.suggested_filename == f"{hashlib.sha256(kept).hexdigest()[:16]}.receipt.json"
