"""The promise behind 250: kill the node at random moments, again and again, and count the messages."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import smtplib
import threading
from pathlib import Path

import apsw
import pytest

KILLS = 50
SENDERS = 6


class Sender(threading.Thread):
    """Sends distinct messages one after the other until the connection breaks; keeps what was promised."""

    def __init__(self, node, numbers: itertools.count, promised: dict[int, bytes]) -> None:
        super().__init__(daemon=True)
        self.node, self.numbers, self.promised = node, numbers, promised
        self.first = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client = self.node.smtp()
            address = self.node.person()["address"]
            while True:
                number = next(self.numbers)
                content = _message(number)
                client.sendmail("nora@example.org", [address], content)
                self.promised[number] = content
                self.first.set()
        self.first.set()


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
def test_nothing_that_was_promised_is_lost(start_node) -> None:
    numbers, promised, chance = itertools.count(), {}, random.Random(20261120)
    for _ in range(KILLS):
        node = start_node("--no-classifier")
        senders = [Sender(node, numbers, promised) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        senders[0].first.wait(30)
        threading.Event().wait(
            chance.uniform(0, 0.4)
        )  # the moment of the kill is the experiment, not a wait for anything
        node.kill()
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
    node = start_node("--no-classifier")
    kept = _kept(node)
    folder = Path(node.facts["dir"])
    assert node.stop() == 0
    _compare(kept, promised)
    _every_message_has_its_leaf(folder, kept)
    print(f"{KILLS} kills, {len(promised)} promised, {len(kept)} kept")
    assert len(promised) > KILLS


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
