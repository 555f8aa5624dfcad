"""Dangerous mail on a whole node: held over SMTP, absent in IMAP, decided on the command line, not lost by a kill."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import random
import threading
import zipfile
from pathlib import Path

import apsw
import pytest

from node.cli import main
from tests.e2e.test_kill import Sender

KILLS = 8


def lure(number: int = 0) -> bytes:
    """A mail with a program in an archive; every number another one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("invoice.pdf.exe", b"MZ" + b"\0" * 64 + b"%d" % number)
    body = base64.encodebytes(buffer.getvalue()).replace(b"\n", b"\r\n")
    return (
        b"From: Billing <billing@kudzu.example>\r\nSubject: Invoice %d\r\nX-Number: %d\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: application/zip; name="invoice.zip"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment; filename="invoice.zip"\r\n\r\n' % (number, number)
    ) + body


def waxseal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr("sys.argv", ["waxseal", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    return out


def send(node, content: bytes) -> None:
    with node.smtp() as client:
        client.sendmail("billing@kudzu.example", [node.person()["address"]], content)


def subjects(node, mailbox: str = "INBOX") -> list[bytes]:
    with node.imap() as client:
        count = int(client.select(mailbox, readonly=True)[1][0])
        reply = client.fetch(f"1:{count}", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if count else []
        return [item[1].strip() for item in reply if isinstance(item, tuple)]


def test_held_shown_released_and_dropped(start_node, tmp_path, monkeypatch, capsys) -> None:
    node = start_node("--no-classifier")
    config = tmp_path / "waxseal.toml"
    config.write_text(f'hostname = "mx.example.test"\ndata = "{node.facts["dir"]}"\n')
    monkeypatch.setenv("WAXSEAL_CONFIG", str(config))
    for number in (1, 2):
        send(node, lure(number))
    assert subjects(node) == [b"Subject: Mail for you is being held back"]
    assert subjects(node, "Junk") == []
    rows = [line.split("\t") for line in waxseal(monkeypatch, capsys, "held", "list").splitlines()]
    assert [row[4] for row in rows] == ["Invoice 1", "Invoice 2"]
    assert [row[2:4] for row in rows] == [["billing@kudzu.example", node.person()["address"]]] * 2
    shown = waxseal(monkeypatch, capsys, "held", "show", rows[0][0])
    assert "archive holds a program" in shown
    assert "threat=0.9" in shown
    assert "X-Number: 1" in shown
    said = waxseal(monkeypatch, capsys, "held", "release", rows[0][0])
    assert node.person()["address"] in said
    assert b"Subject: Invoice 1" in subjects(node)
    assert "Invoice 2" in waxseal(monkeypatch, capsys, "held", "drop", rows[1][0])
    assert waxseal(monkeypatch, capsys, "held", "list") == ""
    assert subjects(node)[-1:] == [b"Subject: Invoice 1"]
    assert node.stop() == 0


def test_a_released_message_has_its_receipt(start_node, tmp_path, monkeypatch, capsys) -> None:
    """It was accepted when it was held: the log has it from then on, in the form that is released."""
    node = start_node("--no-classifier")
    config = tmp_path / "waxseal.toml"
    config.write_text(f'hostname = "localhost"\ndata = "{node.facts["dir"]}"\n')
    monkeypatch.setenv("WAXSEAL_CONFIG", str(config))
    send(node, lure())
    number = waxseal(monkeypatch, capsys, "held", "list").split("\t")[0]
    waxseal(monkeypatch, capsys, "held", "release", number)
    with node.imap() as client:
        count = int(client.select("INBOX", readonly=True)[1][0])
        content = client.fetch(str(count), "(BODY.PEEK[])")[1][0][1]
    database = apsw.Connection(str(Path(node.facts["dir"]) / "waxseal.db"))
    found = database.execute(
        "SELECT count(*) FROM leaf WHERE message_sha256 = ?", (hashlib.sha256(content).digest(),)
    ).fetchall()
    database.close()
    assert found == [(1,)]
    assert node.stop() == 0


@pytest.mark.slow
def test_nothing_that_was_held_is_lost_by_a_kill(start_node, monkeypatch) -> None:
    monkeypatch.setattr("tests.e2e.test_kill._message", lure)
    numbers, promised, chance = itertools.count(), {}, random.Random(20261121)
    for _ in range(KILLS):
        node = start_node("--no-classifier")
        senders = [Sender(node, numbers, promised, []) for _ in range(4)]
        for sender in senders:
            sender.start()
        senders[0].first.wait(30)
        threading.Event().wait(chance.uniform(0, 0.4))  # the moment of the kill is the experiment
        node.kill()
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
    database = apsw.Connection(str(Path(node.facts["dir"]) / "waxseal.db"))
    assert database.pragma("integrity_check") == "ok"
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    kept = dict(database.execute("SELECT subject, count(*) FROM held GROUP BY subject").fetchall())
    lost = database.execute("SELECT count(*) FROM held JOIN blob ON blob.id = blob_id WHERE refs < 1").fetchall()
    unlogged = database.execute(
        "SELECT count(*) FROM held JOIN blob b ON b.id = blob_id LEFT JOIN leaf ON message_sha256 = b.sha256 "
        'WHERE leaf."index" IS NULL'
    ).fetchall()
    database.close()
    assert lost == unlogged == [(0,)]
    assert len(promised) > KILLS
    assert all(kept.get(f"Invoice {number}") == 1 for number in promised)
