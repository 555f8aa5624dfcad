"""`waxseal receipt` for many messages, by mail, and with the verifier that needs nothing of ours."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def letters(node: Any) -> list[bytes]:
    """Three messages in a person's mailbox, as the node keeps them."""
    person = node.facts["people"][1]
    host, port = node.smtp.split(":")
    with smtplib.SMTP(host, int(port), timeout=30) as client:
        for number in range(3):
            head = f"From: nora@other.test\r\nTo: {person['address']}\r\nSubject: receipts {number}\r\n"
            client.sendmail("nora@other.test", [person["address"]], f"{head}\r\nFrom here on.\r\n".encode())
    kept = node.inbox(person["address"], person["app_password"])
    return [one for one in kept if b"Subject: receipts" in one][-3:]


def test_receipts_of_a_whole_mailbox(waxseal: Call, node: Any, letters: list[bytes], tmp_path: Path) -> None:
    person = node.facts["people"][1]
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    address = person["address"]
    folder = tmp_path / "many"
    said = waxseal("receipt", "--mailbox", f"{address}/INBOX", "--since", today, "--output", folder, "-c", node.config)
    assert (said.code, said.out) == (0, "")
    assert f"receipts in {folder}" in said.err
    for content in letters:
        receipt = folder / f"{hashlib.sha256(content).hexdigest()}.json"
        (tmp_path / "message.eml").write_bytes(content)
        assert json.loads(receipt.read_text())["version"] == "waxseal.receipt/2"
        checked = waxseal("verify", tmp_path / "message.eml", "-r", receipt, "-c", node.config)
        assert checked.code in (0, 3)  # 3 while the chain has not got it yet
    none = tmp_path / "none"
    waxseal("receipt", "--mailbox", f"{address}/INBOX", "--since", "2199-01-01", "--output", none, "-c", node.config)
    assert not none.exists()


def test_many_receipts_need_a_place(waxseal: Call, node: Any, letters: list[bytes]) -> None:
    address = node.facts["people"][1]["address"]
    assert "name a folder for them with --output" in waxseal("receipt", "--mailbox", address, "-c", node.config).err
    assert "name a message's file" in waxseal("receipt", "-c", node.config).err
    for wrong, words in (
        (["--mailbox", "nobody@elsewhere.test"], "nobody here has the address"),
        (["--mailbox", f"{address}/Nowhere"], "has no mailbox Nowhere"),
        (["--mailbox", address, "--since", "yesterday"], "is no day"),
    ):
        said = waxseal("receipt", *wrong, "--output", "/nowhere", "-c", node.config)
        assert (said.code, words in said.err) == (1, True), said.err


def test_an_exported_file_finds_its_receipt(waxseal: Call, node: Any, letters: list[bytes], tmp_path: Path) -> None:
    exported = tmp_path / "from-a-client.mbox"
    body = letters[0].replace(b"\r\n", b"\n").replace(b"\nFrom here", b"\n>From here")
    exported.write_bytes(b"From - Sat Nov 21 20:00:00 2026\nX-Mozilla-Status: 0001\n" + body + b"\n")
    said = waxseal("receipt", exported, "-c", node.config)
    assert said.code == 0
    assert json.loads(said.out)["sha256"] == hashlib.sha256(letters[0]).hexdigest()
    assert "not byte for byte" in said.err
    assert "from-line" in said.err


def test_a_receipt_by_mail(waxseal: Call, node: Any, letters: list[bytes], tmp_path: Path) -> None:
    """To somebody here: the letter lies in the inbox, and its file verifies."""
    person = node.facts["people"][1]
    digest = hashlib.sha256(letters[0]).hexdigest()
    said = waxseal("receipt", digest, "--mail-to", person["address"], "-c", node.config)
    assert (said.code, said.out) == (0, "")
    kept = node.inbox(person["address"], person["app_password"])
    (letter,) = [one for one in kept if f"Subject: Receipt for message {digest[:16]}".encode() in one]
    message = email.message_from_bytes(letter, policy=email.policy.default)
    assert message["Auto-Submitted"] == "auto-generated"
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "receipt.json"
    receipt, content = tmp_path / "r.json", tmp_path / "m.eml"
    receipt.write_bytes(attachment.get_content())
    content.write_bytes(letters[0])
    assert waxseal("verify", content, "-r", receipt, "-c", node.config).code in (0, 3)
    nobody = waxseal("receipt", digest, "--mail-to", f"nobody@{person['address'].partition('@')[2]}", "-c", node.config)
    assert nobody.code == 1


def test_the_verifier_comes_along(waxseal: Call, node: Any, letters: list[bytes], tmp_path: Path) -> None:
    assert waxseal("receipt", "--with-verifier", tmp_path).code == 0
    digest = hashlib.sha256(letters[0]).hexdigest()
    (tmp_path / "r.json").write_text(waxseal("receipt", digest, "-c", node.config).out)
    (tmp_path / "m.eml").write_bytes(letters[0])
    key = waxseal("log-key", "-c", node.config).out.split()[0]
    command = [sys.executable, "-I", "-S", tmp_path / "waxseal_verify.py", "m.eml", "r.json", "--log-key", key]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.count(": holds.")) == (3, 4), done
