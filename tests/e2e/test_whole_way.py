"""One message's whole way through a running node, with the standard library's clients."""

from __future__ import annotations

import email
import email.policy
import json
import smtplib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

NOTE = (
    b"From: Nora <nora@example.org>\r\nTo: alice@waxseal.test\r\nSubject: Tuesday\r\n"
    b"Message-ID: <one@example.org>\r\n\r\nSee you on Tuesday.\r\n"
)
KEYS = ["dir", "domain", "ports", "ca", "people", "log_origin", "chain_id", "contract"]
PORTS = ["smtp", "submission", "submissions", "imap", "imaps", "http"]


def _newest(client, mailbox: str = "INBOX") -> bytes:
    """The last message of a mailbox; the mailbox stays selected."""
    count = client.select(mailbox)[1][0].decode()
    return client.fetch(count, "(BODY.PEEK[])")[1][0][1]


def test_the_line_for_scripts_has_exactly_the_promised_keys(node) -> None:
    facts = node.facts
    assert list(facts) == KEYS
    assert list(facts["ports"]) == PORTS
    assert facts["domain"] == "waxseal.test"
    assert len(facts["people"]) == 2
    for person in facts["people"]:
        assert list(person) == ["address", "wallet", "private_key", "app_password"]
    assert facts["contract"].startswith("0x")


def test_mail_from_outside_is_read_over_imap(node) -> None:
    address = node.person()["address"]
    with node.smtp() as client:
        assert client.sendmail("nora@example.org", [address], NOTE) == {}
    with node.imap() as client:
        kept = _newest(client)
    assert kept.endswith(NOTE)
    header = email.message_from_bytes(kept, policy=email.policy.default)
    assert "content=" in header["X-Waxseal-Verdict"]
    assert header["Received"]
    assert header["Return-Path"] == "<nora@example.org>"


def test_people_write_to_each_other(node) -> None:
    alice, bob = node.person(0)["address"], node.person(1)["address"]
    message = f"From: {alice}\r\nTo: {bob}\r\nSubject: hello\r\n\r\nHello Bob.\r\n".encode()
    with node.submission() as client:
        client.sendmail(alice, [bob], message)
    with node.imap(1) as client:
        kept = email.message_from_bytes(_newest(client), policy=email.policy.default)
    assert kept["Date"]
    assert kept["Message-ID"]
    assert "Hello Bob." in kept.get_content()


def test_nobody_sends_as_somebody_else(node) -> None:
    alice, bob = node.person(0)["address"], node.person(1)["address"]
    with node.submission() as client, pytest.raises(smtplib.SMTPSenderRefused) as caught:
        client.sendmail(bob, [alice], NOTE)
    assert caught.value.smtp_code == 550
    with node.submission() as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(alice, [bob], NOTE)
    assert refused.value.smtp_code == 550


def test_who_is_not_here_is_told_at_once(node) -> None:
    with node.smtp() as client:
        client.ehlo()
        client.mail("nora@example.org")
        assert client.rcpt("nobody@waxseal.test")[0] == 550
        assert client.rcpt("someone@elsewhere.example")[0] == 550
        assert client.rcpt("postmaster@waxseal.test")[0] == 250


def test_no_login_without_tls(node) -> None:
    with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=60) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.mail("x@waxseal.test")[0] == 530
    with socket.create_connection(("127.0.0.1", node.ports["imap"]), 60) as raw:
        assert b"LOGINDISABLED" in raw.recv(1000)


def test_mail_and_people_are_there_again_after_a_restart(start_node) -> None:
    node = start_node()
    first = node.facts
    with node.smtp() as client:
        client.sendmail("nora@example.org", [node.person()["address"]], NOTE)
    assert node.stop() == 0
    again = start_node()
    assert again.facts["people"] == first["people"]
    assert again.facts["contract"] == first["contract"]
    with again.imap() as client:
        assert client.select("INBOX")[1] == [b"1"]
        assert _newest(client).endswith(NOTE)


def test_a_forged_verdict_is_renamed(node) -> None:
    forged = b"X-Waxseal-Verdict: waxseal.test; content=ham score=0.0000\r\n" + NOTE
    with node.smtp() as client:
        client.sendmail("nora@example.org", [node.person()["address"]], forged)
    with node.imap() as client:
        kept = email.message_from_bytes(_newest(client))
    assert len(kept.get_all("X-Waxseal-Verdict")) == 1
    assert kept["X-Foreign-Verdict"]


def test_a_receipt_proves_the_message_and_a_changed_byte_fails(node, tmp_path: Path) -> None:
    folder = node.facts["dir"]
    with node.smtp() as client:
        client.sendmail("nora@example.org", [node.person()["address"]], NOTE)
    with node.imap() as client:
        kept = _newest(client)
    message, receipt = tmp_path / "message.eml", tmp_path / "receipt.json"
    message.write_bytes(kept)
    config = str(Path(folder) / "waxseal.toml")
    waxseal = [sys.executable, "-m", "node"]
    command = [*waxseal, "receipt", str(message), "--anchored", "--config", config]
    made = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert made.returncode == 0, made.stderr
    receipt.write_text(made.stdout)
    verify = [*waxseal, "verify", str(message), "--receipt", str(receipt), "--config", config, "--json"]
    good = subprocess.run(verify, capture_output=True, text=True, timeout=90, check=False)
    assert good.returncode == 0, good.stdout + good.stderr
    asked = [step for step in json.loads(good.stdout)["steps"] if step["asked"]]
    assert [(step["number"], step["holds"]) for step in asked] == [(number, True) for number in (1, 2, 3, 4, 6)]
    message.write_bytes(kept.replace(b"Tuesday.", b"Thursday"))
    bad = subprocess.run(verify, capture_output=True, text=True, timeout=90, check=False)
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["steps"][0]["holds"] is False


def test_strangers_get_no_receipts(node) -> None:
    url = f"http://127.0.0.1:{node.ports['http']}/receipts/{'0' * 64}"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=60)
    assert caught.value.code in (401, 404)
    caught.value.close()
