"""Mail that leaves the house by a smart host: a foreign server (aiosmtpd) takes it, or its refusal comes back."""

from __future__ import annotations

import email
import email.policy
import socket
import subprocess
import sys
from pathlib import Path

import dkim
from aiosmtpd.controller import Controller

from node.cli.dev import Choice, local_settings


class Outside:
    """A foreign server that takes everything but mail for `nobody`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 never heard of them"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


def test_mail_goes_out_and_refusals_come_back(start_node, tmp_path: Path) -> None:
    outside = Outside()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(outside, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        folder = tmp_path / "node"
        local_settings(folder, Choice.AUTO, False)
        config = folder / "waxseal.toml"
        text = config.read_text()
        assert "[relay]\n" in text
        config.write_text(text.replace("[relay]\n", f'[relay]\nsmarthost = "127.0.0.1:{port}"\n'))
        node = start_node("--no-classifier")
        alice = node.person()["address"]
        records = _published(config, alice.partition("@")[2])
        message = f"From: {alice}\r\nTo: zoe@far.example\r\nSubject: out\r\n\r\nOut we go.\r\n".encode()
        with node.submission() as client:
            client.sendmail(alice, ["zoe@far.example", "nobody@far.example"], message)
        with node.imap() as client:
            bounce = _wait_for_bounce(client)
    finally:
        controller.stop()
    ((sender, recipients, content),) = outside.taken
    assert (sender, recipients) == (alice, ["zoe@far.example"])
    assert b"Out we go." in content
    assert b"Return-Path:" not in content
    assert content.count(b"DKIM-Signature:") == len(records) == 2
    signatures = dkim.DKIM(content)
    assert all(signatures.verify(idx=number, dnsfunc=lambda name, timeout=5: records[name]) for number in (0, 1))
    assert bounce.get_content_type() == "multipart/report"
    assert "never heard of them" in bounce.as_string()
    assert bounce["Return-Path"] is None or bounce["Return-Path"] == "<>"


def _published(config: Path, domain: str) -> dict[bytes, bytes]:
    """The DKIM records that the administrator is told to publish."""
    command = [sys.executable, "-m", "node", "dns", "show", domain, "-c", str(config)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split(" ", 4) for line in lines if "._domainkey." in line]
    return {row[0].encode(): row[4].replace('" "', "").strip('"').encode() for row in rows}


def _wait_for_bounce(client) -> email.message.EmailMessage:
    """Ask again and again, a bounded number of times; IDLE came to imaplib only with Python 3.14."""
    for _ in range(3000):
        count = client.select("INBOX", readonly=True)[1][0].decode()
        if count != "0":
            content = client.fetch(count, "(BODY.PEEK[])")[1][0][1]
            return email.message_from_bytes(content, policy=email.policy.default)
    raise AssertionError("no bounce came")
