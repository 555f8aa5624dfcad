"""Learning over the wire: what people do with their mail in an ordinary client changes where their next mail goes."""

from __future__ import annotations

import imaplib
import json
import random
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import apsw
import pytest

from ai.classifier import Classifier
from ai.heads import PERSON, Head
from ai.lessons import Trainer, unpack_facts
from ai.teachers import Source, for_person
from node.checks.learned import probability
from node.cli.dev import Choice, local_settings

ROUNDS = 600  # looks at the metrics, a tenth of a second apart
KILLS = 8

OFFER = (
    "From: Bargain Watches <news@bargain-watches.example>\r\nTo: you@waxseal.test\r\n"
    "Subject: Issue {number}: 80% OFF replica Rolex - order NOW!!!\r\nMessage-ID: <{number}@watches.example>\r\n"
    "\r\nDear Friend,\r\n\r\nCHEAP replica watches ONLINE! Rolex $199, Omega $149, Breitling $99, best quality!!!\r\n"
    "100% satisfaction guaranteed or your money back. Limited time offer, act now, click here!\r\n"
    "This week with number {number}: {word} and {other}.\r\n\r\nORDER NOW: http://bargain-watches.example/order?{number}\r\n"
)
NOTE = (
    "From: Vera Holm <vera@garden-friends.example>\r\nTo: you@waxseal.test\r\nSubject: Seed swap number {number}\r\n"
    "Message-ID: <{number}@garden-friends.example>\r\n\r\nHello,\r\n\r\nthe garden friends meet on Saturday at the "
    "allotment behind the station. Bring seeds of tomatoes and beans if you have some; we have {word} and {other}.\r\n"
    "Tea is at four.\r\n\r\nVera\r\n"
)
WORDS = ("copper", "velvet", "granite", "maple", "silver", "cotton", "amber", "walnut", "linen", "pearl")


@pytest.fixture(scope="module")
def junk_at() -> float:
    """A threshold that the offer is well above and the note well below, whatever model ships."""
    model = Classifier.load()
    high, low = (max(-8.0, min(8.0, model.score(offer(0, text)).margin)) for text in (OFFER, NOTE))
    assert high > low + 3
    return probability(high - min(2.0, (high - low) / 3))


@pytest.fixture
def start(start_node, tmp_path: Path, junk_at: float):
    """Start nodes on one folder, with that threshold."""

    def begin():
        folder = tmp_path / "node"
        local_settings(folder, Choice.AUTO, True)
        file = folder / "waxseal.toml"
        text = file.read_text().replace("#junk_at = ...", f"junk_at = {junk_at:.6f}", 1)  # the classifier's comes first
        assert f"\njunk_at = {junk_at:.6f}" in text.partition("[classifier]")[2].partition("[rspamd]")[0]
        file.write_text(text)
        return start_node(folder=folder)

    return begin


@pytest.fixture
def node(start):
    return start()


def offer(number: int, text: str = OFFER) -> bytes:
    word, other = random.Random(number).sample(WORDS, 2)
    return text.format(number=number, word=word, other=other).encode()


def send(node, content: bytes, *people: int) -> None:
    with node.smtp() as client:
        client.sendmail("news@bargain-watches.example", [node.person(one)["address"] for one in people], content)


def where(node, number: int, person: int = 0) -> str:
    """The mailbox in which a message lies."""
    with node.imap(person) as client:
        return next((name for name in ("INBOX", "Junk", "Trash") if found(client, name, number)), "")


def found(client: imaplib.IMAP4, mailbox: str, number: int) -> str:
    client.select(mailbox)
    uids = client.uid("SEARCH", "HEADER", "Message-ID", f"<{number}@")[1][0]
    return uids.decode()


def move(node, number: int, source: str, target: str, person: int = 0) -> None:
    with node.imap(person) as client:
        uid = found(client, source, number)
        assert client.uid("MOVE", uid, target)[0] == "OK"


def keyword(node, number: int, change: str, word: str) -> None:
    with node.imap() as client:
        uid = found(client, "Junk", number)
        assert client.uid("STORE", uid, change, f"({word})")[0] == "OK"


def counted(node, name: str) -> float:
    url = f"http://127.0.0.1:{node.ports['http']}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Heads:
    """Waits until people's heads have followed; the figure is taken before the lesson."""

    def __init__(self, node, more: int = 1) -> None:
        self._node, self._more = node, more
        self._before = counted(node, 'waxseal_heads_total{whose="person"}')

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exc: object) -> None:
        for _ in range(ROUNDS):
            if counted(self._node, 'waxseal_heads_total{whose="person"}') >= self._before + self._more:
                return
            threading.Event().wait(0.1)
        raise AssertionError(f"nothing was learned:\n{self._node.log.read_text()[-3000:]}")


def learn(node, *arguments: str) -> str:
    folder = Path(node.facts["dir"])
    command = [sys.executable, "-m", "node", "learn", *arguments, "-c", str(folder / "waxseal.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_message_moved_out_of_junk_frees_the_next_one_for_this_person_alone(node) -> None:
    send(node, offer(1), 0, 1)
    assert where(node, 1, 0) == where(node, 1, 1) == "Junk"
    with Heads(node):
        move(node, 1, "Junk", "INBOX")
    send(node, offer(2), 0, 1)
    assert where(node, 2, 0) == "INBOX"
    assert where(node, 2, 1) == "Junk"
    send(node, offer(3), 0)
    with node.imap() as client:
        uid = found(client, "INBOX", 3)
        header = client.uid("FETCH", uid, "(BODY.PEEK[HEADER])")[1][0][1]
    assert b"personal=ham" in header
    assert b"learned=-" in header
    with node.imap() as client:  # the header of a message to several readers tells nobody what another taught
        uid = found(client, "INBOX", 2)
        assert b"personal=" not in client.uid("FETCH", uid, "(BODY.PEEK[HEADER])")[1][0][1]


def test_junk_keywords_teach_and_taking_them_off_takes_it_back(start) -> None:
    node = start()
    send(node, offer(21), 0)
    assert where(node, 21) == "Junk"
    with Heads(node):
        keyword(node, 21, "+FLAGS", "$NotJunk")
    send(node, offer(22), 0)
    assert where(node, 22) == "INBOX"
    with Heads(node):
        keyword(node, 21, "-FLAGS", "$NotJunk")
    send(node, offer(23), 0)
    assert where(node, 23) == "Junk"
    with Heads(node):
        keyword(node, 23, "+FLAGS", "NonJunk")  # Thunderbird's
    with Heads(node):
        keyword(node, 23, "+FLAGS.SILENT", "Junk")  # both at once say nothing
    send(node, offer(24), 0)
    assert where(node, 24) == "Junk"


def test_putting_a_message_into_junk_and_deleting_spam(node) -> None:
    for number in (30, 31):
        with Heads(node), node.imap(1) as client:
            client.append("Junk", None, None, offer(number, NOTE))
    send(node, offer(32, NOTE), 1)
    assert where(node, 32, 1) == "Junk"
    for _ in range(2):
        learn(node, "undo", "--account", node.person(1)["address"])
    move(node, 32, "Junk", "Trash", 1)  # deleting spam is no word for it
    with Heads(node):
        send(node, offer(33), 1)
        move(node, 33, "Junk", "INBOX", 1)
    assert '"label": "ham"' in learn(node, "export", "--account", node.person(1)["address"]).splitlines()[-1]


@pytest.mark.parametrize("way", ["undo", "reset"])
def test_undo_and_reset_take_effect_in_the_running_node(start, way: str) -> None:
    node = start()
    address = node.person()["address"]
    send(node, offer(1), 0)
    with Heads(node):
        move(node, 1, "Junk", "INBOX")
    send(node, offer(2), 0)
    assert where(node, 2) == "INBOX"
    assert "moved\tham\t1 lessons" in learn(node, "status", "--account", address)
    with Heads(node):
        learn(node, way, "--account", address)
    send(node, offer(3), 0)
    assert where(node, 3) == "Junk"
    assert learn(node, "export", "--account", address) == ""


def test_an_administrator_teaches_everybodys_head(start, tmp_path: Path) -> None:
    node = start()
    files = []
    for number in range(12):
        files.append(tmp_path / f"{number}.eml")
        files[-1].write_bytes(offer(100 + number))
    assert "12 of 12 messages taught as ham" in learn(node, "ham", *map(str, files))
    for _ in range(ROUNDS):
        if counted(node, 'waxseal_heads_total{whose="node"}'):
            break
        threading.Event().wait(0.1)
    send(node, offer(1), 0, 1)
    assert where(node, 1, 0) == where(node, 1, 1) == "INBOX"
    with node.imap() as client:
        uid = found(client, "INBOX", 1)
        assert b"learned=-" in client.uid("FETCH", uid, "(BODY.PEEK[HEADER])")[1][0][1]
    rows = [json.loads(line) for line in learn(node, "export").splitlines()]
    assert [row["source"] for row in rows] == ["administrator"] * 12
    assert b"watch" not in json.dumps(rows).lower().encode()


@pytest.mark.slow
def test_a_lesson_counts_exactly_once_however_often_the_node_is_killed(start) -> None:
    chance = random.Random(20261121)
    for number in range(KILLS):
        node = start()
        send(node, offer(number), 0)
        mailbox = where(node, number)
        move(node, number, mailbox, "INBOX" if mailbox == "Junk" else "Junk")
        threading.Event().wait(chance.uniform(0, 0.3))  # the moment of the kill is the experiment
        node.kill()
    node = start()
    with Heads(node):
        send(node, offer(99, NOTE), 0)
        move(node, 99, "INBOX", "Junk")
    address = node.person()["address"]
    rows = [json.loads(line) for line in learn(node, "export", "--account", address).splitlines()]
    folder = Path(node.facts["dir"])
    assert node.stop() == 0
    assert len(rows) == KILLS + 1 == len({row["sha256"] for row in rows})
    database = apsw.Connection(str(folder / "waxseal.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    (content, last), *_ = database.execute("SELECT content, last FROM head WHERE account_id IS NOT NULL")
    newest = database.execute("SELECT max(id) FROM lesson").fetchall()[0][0]
    lessons = database.execute("SELECT id, is_spam, source, time, facts FROM lesson ORDER BY id").fetchall()
    database.close()
    assert last == newest
    trainer = Trainer(Head.empty(PERSON))
    for _, is_spam, source, time, packed in lessons:
        facts = unpack_facts(bytes(packed))
        assert facts
        trainer.learn(for_person(facts, bool(is_spam), Source(source), time))
    assert trainer.head().to_bytes() == bytes(content)
