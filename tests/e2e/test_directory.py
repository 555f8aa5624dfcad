"""A whole node: mail over real SMTP to aliases, tags, groups and full mailboxes; a shared mailbox in real clients."""

from __future__ import annotations

import imaplib
import shutil
import smtplib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DOMAIN = "waxseal.test"


@pytest.fixture(scope="module")
def waxseal(node: Any) -> Any:
    """A command on the running node's settings."""
    config = node.log.parent / "node" / "waxseal.toml"

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "node", *arguments, "-c", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    call("domain", "set", DOMAIN, "--tag-folders", "--catch-all", f"bob@{DOMAIN}")
    call("alias", "add", f"info@{DOMAIN}", f"alice@{DOMAIN}")
    call("group", "add", f"team@{DOMAIN}")
    call("group", "add-member", f"team@{DOMAIN}", f"info@{DOMAIN}", f"bob@{DOMAIN}")
    call("account", "add", f"office@{DOMAIN}")
    call("share", "add", f"office@{DOMAIN}", f"alice@{DOMAIN}", "--sends")
    return call


def subjects(client: imaplib.IMAP4, name: str = "INBOX") -> list[str]:
    client.select(name, readonly=True)
    numbers = client.search(None, "ALL")[1][0].split()
    found = [client.fetch(number.decode(), "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0] for number in numbers]
    return [one[1].decode().partition(":")[2].strip() for one in found if isinstance(one, tuple)]


def letter(subject: str) -> str:
    return f"From: nora@example.org\r\nTo: you\r\nSubject: {subject}\r\n\r\nSee you at four.\r\n"


def test_mail_finds_its_way(node: Any, waxseal: Any) -> None:
    with node.imap(0) as alice:
        alice.create("Lists")
    with node.smtp() as client:
        for subject, *names in (
            ("alias", "info"),
            ("tag", "alice+lists"),
            ("group", "team"),
            ("both", "team", "alice", "info+x"),
            ("stray", "whoever"),
        ):
            client.sendmail("nora@example.org", [f"{name}@{DOMAIN}" for name in names], letter(subject))
    with node.imap(0) as alice, node.imap(1) as bob:
        assert set(subjects(alice)) >= {"alias", "group", "both"}
        assert subjects(alice).count("both") == 1
        assert subjects(alice, "Lists") == ["tag"]
        assert set(subjects(bob)) >= {"group", "both", "stray"}
        assert not {"alias", "tag"} & set(subjects(bob))


def refused(node: Any, recipient: str) -> tuple[int, bytes]:
    """The reply that refuses a recipient, within a minute: without quotas a node asks every few seconds for any."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with node.smtp() as client:  # a connection of its own: one takes no more than so many messages
            try:
                client.sendmail("nora@example.org", [recipient], letter("big" * 100))
            except smtplib.SMTPRecipientsRefused as error:
                reply: tuple[int, bytes] = error.recipients[recipient]
                return reply
    raise AssertionError("taken whatever its quota")


def test_a_full_mailbox_is_a_452_and_sending_as_others_a_550(node: Any, waxseal: Any) -> None:
    waxseal("account", "add", f"small@{DOMAIN}")
    waxseal("quota", "set", f"small@{DOMAIN}", "100")
    code, words = refused(node, f"small@{DOMAIN}")
    assert code == 452
    assert words.startswith(b"4.2.2 ")
    with node.submission(0) as client:
        for author in (f"info@{DOMAIN}", f"office@{DOMAIN}"):
            text = letter("from us").replace("nora@example.org", author)
            assert client.sendmail(author, [f"bob@{DOMAIN}"], text) == {}
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(f"bob@{DOMAIN}", [f"bob@{DOMAIN}"], letter("forged"))


def test_a_shared_mailbox_in_imaplib_smtplib_and_mbsync(node: Any, waxseal: Any, tmp_path: Path) -> None:
    alice = node.person(0)
    name = f"office@{DOMAIN}/{alice['address']}"
    with node.smtp() as client:
        client.sendmail("nora@example.org", [f"office@{DOMAIN}"], letter("for the office"))
    with imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=60) as client:
        client.login(name, alice["app_password"])
        assert subjects(client) == ["for the office"]
    with imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=60) as client:
        words = f"office@{DOMAIN}\0{alice['address']}\0{alice['app_password']}".encode()
        client.authenticate("PLAIN", lambda _challenge: words)  # RFC 4616 §2
        assert subjects(client) == ["for the office"]
    with smtplib.SMTP("localhost", node.ports["submission"], timeout=60) as client:
        client.starttls(context=node.tls())
        client.login(name, alice["app_password"])
        client.sendmail(
            f"office@{DOMAIN}", [f"bob@{DOMAIN}"], letter("x").replace("nora@example.org", f"office@{DOMAIN}")
        )
    if shutil.which("mbsync") is None:
        pytest.skip("mbsync is not installed")
    config = tmp_path / "mbsyncrc"
    (tmp_path / "mail").mkdir()
    config.write_text(
        f"IMAPAccount office\nHost localhost\nPort {node.ports['imaps']}\nUser {name}\nPass {alice['app_password']}\n"
        f"SSLType IMAPS\nCertificateFile {node.facts['ca']}\n\nIMAPStore far\nAccount office\n\n"
        f"MaildirStore near\nPath {tmp_path}/mail/\nInbox {tmp_path}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel office\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n"
    )
    done = subprocess.run(["mbsync", "-c", config, "office"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    kept = [path.read_text() for path in (tmp_path / "mail" / "INBOX").glob("*/*") if path.is_file()]
    assert any("for the office" in text for text in kept)
