"""A mailbox for the holder of a token: in with it, out without it, and mail comes in all the while."""

from __future__ import annotations

import imaplib
import json
import smtplib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

WITHIN = 3  # gates.ends_within_seconds
SLACK = 20  # for two busy cores; the promise itself is measured in docs/gates.md


def waxseal(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node", *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def gated(start_node: Any, chain: Any, folder: Path) -> Any:
    """A node that reads the chain: its settings are written by a first start, then completed."""
    node = start_node("--no-classifier", folder=folder)
    assert node.stop() == 0
    config = folder / "waxseal.toml"
    text = config.read_text()
    text = text.replace("[chains]\n", f'[chains]\nrpc = {{ "{chain.chain}" = "{chain.url}" }}\n')
    config.write_text(text.replace("[gates]\n", f"[gates]\nends_within_seconds = {WITHIN}\n"))
    return start_node("--no-classifier", folder=folder)


def give(chain: Any, contract: str, giver: str, taker: str) -> None:
    chain.ask("anvil_impersonateAccount", giver)
    chain.ask("anvil_setBalance", giver, hex(10**18))
    chain.send(contract, "transferFrom(address,address,uint256)", giver, taker, 7, sender=giver)


def until_let_in(node: Any) -> None:
    """A block counts as the newest for a moment; after that a token that came back is seen."""
    deadline = time.monotonic() + WITHIN + SLACK
    while True:
        try:
            with node.imap():
                return
        except imaplib.IMAP4.error:
            assert time.monotonic() < deadline


@pytest.mark.slow
def test_a_token_opens_a_mailbox_and_its_loss_closes_it(start_node: Any, token_chain: Any, tmp_path: Path) -> None:
    folder, contract = tmp_path / "node", token_chain.deploy("Ticket")
    node = gated(start_node, token_chain, folder)
    config, person = folder / "waxseal.toml", node.person()
    address, wallet, stranger = person["address"], person["wallet"], token_chain.people[5]
    rule = json.dumps({"chain": token_chain.chain, "standard": "erc721", "contract": contract})
    token_chain.finalize()

    done = waxseal(config, "gate", "set", address, rule, "--revoke", "latest")
    assert done.returncode == 0, done.stderr
    with pytest.raises(imaplib.IMAP4.error, match=r"AUTHORIZATIONFAILED.*does not hold"), node.imap():
        pass
    asked = waxseal(config, "gate", "test", address, address)
    assert (asked.returncode, "holds 0, needs 1" in asked.stdout) == (1, True), asked

    token_chain.send(contract, "mint(address,uint256)", wallet, 7)
    token_chain.finalize()
    asked = waxseal(config, "gate", "test", address, address)
    assert (asked.returncode, asked.stdout.splitlines()[-1]) == (0, f"{address}: yes"), asked
    number = int(token_chain.ask("eth_blockNumber"), 16)
    assert asked.stdout.startswith(f"finalized\t{number - 2}\tyes\terc721 {contract} on {token_chain.chain}\tholds 1")

    with node.imap() as client:
        assert client.select("INBOX")[0] == "OK"
        client.send(b"i IDLE\r\n")
        assert client.readline().startswith(b"+")
        give(token_chain, contract, wallet, stranger)
        began, lines = time.monotonic(), [b""]
        client.sock.settimeout(WITHIN + SLACK)
        while not lines[-1].startswith(b"* BYE"):
            lines.append(client.readline())
            assert lines[-1], lines
        assert b"no longer holds" in lines[-1]
        assert time.monotonic() - began < WITHIN + SLACK
        assert client.readline() == b""
        client.shutdown()
    with pytest.raises(imaplib.IMAP4.error, match=r"no longer holds|does not hold"), node.imap():
        pass
    with smtplib.SMTP("localhost", node.ports["submission"], timeout=60) as sender:
        sender.starttls(context=node.tls())
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.1.*hold"):
            sender.login(address, person["app_password"])
    with (
        imaplib.IMAP4_SSL("localhost", node.ports["imaps"], ssl_context=node.tls(), timeout=60) as client,
        pytest.raises(imaplib.IMAP4.error, match="Name or password is wrong"),
    ):
        client.login(address, "wrong")

    with node.smtp() as sender:
        sender.sendmail("someone@elsewhere.test", [address], b"Subject: kept for you\r\n\r\nwhile you are out\r\n")
    give(token_chain, contract, stranger, wallet)
    token_chain.finalize()
    until_let_in(node)
    with node.imap() as client:
        client.select("INBOX")
        assert client.search(None, "SUBJECT", '"kept for you"')[1] != [b""]
    assert node.stop() == 0
