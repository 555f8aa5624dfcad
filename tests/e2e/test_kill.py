"""The promise behind 250: kill the node at random moments, again and again, and count messages, leaves and events."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import random
import signal
import smtplib
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
import trio
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from node.anchor.audit_trail import Check
from node.anchor.keys import open_keys
from node.anchor.leaf import Outcome
from node.store.database import Database

KILLS = 50
SENDERS = 6
# Imports once, then forks a node for each line: a start costs a third of what it costs a new interpreter.
NURSERY = """
import os, sys
import node.cli.dev, node.service.node
from node.cli import main
for line in sys.stdin:
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["waxseal", *line.split()]
        sys.exit(main())
    os.waitpid(child, 0)
    print("gone", flush=True)
"""
REFUSED_EVERY = 4  # a message that goes round in circles


class Nursery:
    """Starts nodes on one folder, one at a time, and ends each as a power cut would."""

    def __init__(self, node, log: Path) -> None:
        """`node` has run on that folder before and is stopped."""
        self.before, self.child = node, 0
        with log.open("w") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self.process = subprocess.Popen([sys.executable, "-c", NURSERY], text=True, bufsize=1, **pipes)

    def start(self):
        assert self.process.stdin
        self.process.stdin.write(f"dev --dir {self.before.facts['dir']} --ports auto --json --no-classifier\n")
        self.child = int(self._line())
        return replace(self.before, facts=json.loads(self._line()))

    def kill(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        assert self._line() == "gone\n"

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Sender(threading.Thread):
    """Sends distinct messages one after the other until the connection breaks; keeps what was promised."""

    def __init__(self, node, numbers: itertools.count, promised: dict[int, bytes], refused: list[int]) -> None:
        super().__init__(daemon=True)
        self.node, self.numbers, self.promised, self.refused = node, numbers, promised, refused
        self.first = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client = self.node.smtp()
            address = self.node.person()["address"]
            while True:
                number = next(self.numbers)
                content = _message(number)
                if number % REFUSED_EVERY == 0:
                    with contextlib.suppress(smtplib.SMTPDataError):
                        client.sendmail("nora@example.org", [address], b"Received: again\r\n" * 101 + content)
                        raise AssertionError("a message that goes round in circles was taken")
                    self.refused.append(number)
                    continue
                client.sendmail("nora@example.org", [address], content)
                self.promised[number] = content
                self.first.set()
        self.first.set()


class Visitor(threading.Thread):
    """Logs in with a wallet, again and again, until the node is gone; counts the logins that were answered."""

    def __init__(self, node, logins: list[str]) -> None:
        super().__init__(daemon=True)
        self.origin = f"http://localhost:{node.ports['http']}"
        self.wallet, self.logins = Wallet.from_key(node.person(1)["private_key"]), logins

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):  # the latter: half an answer
            while True:
                cookie, asked = self.post("nonce", {"address": self.wallet.address, "chain_id": 1})
                message = json.loads(asked)["message"]
                signature = bytes(self.wallet.sign_message(encode_defunct(text=message)).signature)
                self.post("verify", {"message": message, "signature": f"0x{signature.hex()}"}, cookie)
                self.logins.append(message)

    def post(self, path: str, body: dict[str, object], cookie: str = "") -> tuple[str, bytes]:
        headers = {"content-type": "application/json", **({"cookie": cookie} if cookie else {})}
        url = f"{self.origin}/auth/siwe/{path}"
        with _direct.open(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as answer:
            return answer.headers.get("set-cookie", "").partition(";")[0], answer.read()


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _message(number: int) -> bytes:
    noise = random.Random(number)
    lines = [noise.randbytes(36).hex() for _ in range(noise.choice([1, 40, 400]))]
    body = "\r\n".join(lines)
    return f"From: nora@example.org\r\nSubject: {number}\r\nX-Number: {number}\r\n\r\n{body}\r\n".encode()


def _kept(node) -> list[bytes]:
    with node.imap() as client:
        found = []
        for mailbox in ("INBOX", "Junk"):
            count = int(client.select(mailbox, readonly=True)[1][0])
            for start in range(1, count + 1, 500):
                reply = client.fetch(f"{start}:{min(count, start + 499)}", "(BODY.PEEK[])")[1]
                found += [item[1] for item in reply if isinstance(item, tuple)]
        return found


@pytest.mark.slow
def test_nothing_that_was_promised_is_lost(start_node, tmp_path: Path) -> None:
    numbers, promised, chance = itertools.count(), {}, random.Random(20261120)
    refused: list[int] = []
    logins: list[str] = []
    node = start_node("--no-classifier")
    assert node.stop() == 0
    nursery = Nursery(node, tmp_path / "nodes.log")
    for _ in range(KILLS):
        node = nursery.start()
        senders = [*(Sender(node, numbers, promised, refused) for _ in range(SENDERS)), Visitor(node, logins)]
        for sender in senders:
            sender.start()
        senders[0].first.wait(30)
        threading.Event().wait(
            chance.uniform(0, 0.4)
        )  # the moment of the kill is the experiment, not a wait for anything
        nursery.kill()
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
    nursery.close()
    node = start_node("--no-classifier")
    kept = _kept(node)
    folder = Path(node.facts["dir"])
    assert node.stop() == 0
    _compare(kept, promised)
    _every_message_has_its_leaf(folder, kept)
    recorded = trio.run(_the_trail_holds, folder, len(kept))
    assert recorded["login"] >= len(logins), "a login that was answered has its event"
    print(
        f"{KILLS} kills, {len(promised)} promised, {len(kept)} kept, {len(refused)} refused, "
        f"{len(logins)} logins answered, {recorded['login']} recorded"
    )
    assert len(promised) > KILLS
    assert min(len(refused), len(logins)) > KILLS // 2


def _compare(kept: list[bytes], promised: dict[int, bytes]) -> None:
    by_number: dict[int, list[bytes]] = {}
    for content in kept:
        number = int(content.split(b"X-Number: ")[1].split(b"\r\n")[0])
        by_number.setdefault(number, []).append(content)
    for number, content in promised.items():
        found = by_number.get(number, [])
        assert len(found) == 1, f"message {number} is there {len(found)} times"
        assert found[0].endswith(content)


def _every_message_has_its_leaf(folder: Path, kept: list[bytes]) -> None:
    database = apsw.Connection(str(folder / "waxseal.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    assert database.pragma("integrity_check") == "ok"
    leaves = [bytes(row[0]) for row in database.execute("SELECT message_sha256 FROM leaf")]
    database.close()
    assert sorted(leaves) == sorted(hashlib.sha256(content).digest() for content in kept)


async def _the_trail_holds(folder: Path, messages: int) -> dict[str, int]:
    """Every entry of the log is a kept message or an event that is as it was written; how many events, by kind."""
    async with Database.open(folder / "waxseal.db") as database:
        check = Check(open_keys(folder / "keys", "waxseal.test").log_keys)
        await database.read(check.begin)
        while await database.read(check.events):
            pass
        while await database.read(check.entries):
            pass
        assert check.faults == []
        assert check.forgotten == 0
        assert check.size == messages + check.checked, "nothing that was refused has an entry"
        sql = "SELECT count(*), min(outcome), max(outcome), count(DISTINCT policy) FROM leaf"
        counted = await database.read(lambda tx: tx._cursor.execute(sql).fetchall())
        inbox = Outcome.INBOX.code
        assert counted == [(messages, inbox, inbox, 1)], (
            "each leaf says what became of its message, and by which policy"
        )
        kinds = "SELECT kind, count(*) FROM audit_event GROUP BY kind"
        found: dict[str, int] = dict(await database.read(lambda tx: tx._cursor.execute(kinds).fetchall()))
        assert (found["policy-changed"], found["key-in-use"]) == (1, 3)
        assert "key-rotated" not in found
        return found
