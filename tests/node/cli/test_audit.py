"""`waxseal audit`: what the commands did is written down, can be checked here and elsewhere, and nothing is missing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from node.anchor.keys import open_keys

RULE = '{"did": "did:web:example.org"}'


@pytest.fixture
def busy(waxseal, place):
    """A node whose operator has done this and that; its log's key."""
    for command in (
        ("domain", "add", "example.test"),
        ("account", "add", "ann@example.test", "--name", "Ann"),
        ("account", "wallet", "ann@example.test", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("account", "password", "ann@example.test", "--name", "phone"),
        ("alias", "add", "info@example.test", "ann@example.test"),
        ("gate", "set", "ann@example.test", RULE),
        ("gate", "remove", "ann@example.test"),
        ("alias", "remove", "info@example.test"),
        ("invitation", "make", "example.test"),
        ("domain", "set", "example.test", "--separator", "-"),
    ):
        said = waxseal(*command, "-c", place.config)
        assert said.code == 0, said.words
    return str(open_keys(place.data / "keys", "mx.example.test").log_key)


def change(place, statement: str) -> None:
    with sqlite3.connect(next(place.data.glob("*.db"))) as connection:
        connection.execute(statement)


def test_what_the_operator_did_is_listed(waxseal, place, busy) -> None:
    rows = [line.split("\t") for line in waxseal("audit", "list", "-c", place.config).out.splitlines()]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert [row[2] for row in rows] == [
        "domain-added",
        "person-added",
        "identity-bound",
        "app-password-made",
        "alias-added",
        "gate-set",
        "gate-removed",
        "alias-removed",
        "invited",
        "domain-changed",
    ]
    assert {row[3] for row in rows} == {"operator"}
    assert rows[3][4] == "ann@example.test"
    assert "name=phone" in rows[3][5]
    gates = waxseal("audit", "list", "--kind", "gate-set", "-c", place.config).out.splitlines()
    assert len(gates) == 1
    assert "did:web:example.org" in gates[0]
    assert waxseal("audit", "list", "--subject", "example.test", "-c", place.config).out.count("\n") == 3
    assert waxseal("audit", "list", "--since", "2999-01-01", "-c", place.config).out == ""
    assert waxseal("audit", "list", "--until", "2001-01-01T12:00:00", "-c", place.config).out == ""
    assert waxseal("audit", "list", "--actor", "nobody@example.test", "-c", place.config).out == ""


def test_no_secret_is_written_down(waxseal, place, busy) -> None:
    password = waxseal("account", "password", "ann@example.test", "--name", "laptop", "-c", place.config).out.strip()
    code = waxseal("invitation", "make", "example.test", "-c", place.config).out.strip()
    listed = waxseal("audit", "list", "-c", place.config).out
    assert "laptop" in listed
    assert password not in listed
    assert code not in listed


def test_one_event_is_shown_whole(waxseal, place, busy) -> None:
    out = waxseal("audit", "show", 6, "-c", place.config).out
    assert "kind: gate-set\nactor: operator\nsubject: ann@example.test\nothers: filter\n" in out
    assert '"version":"waxseal.event/1"' in out
    assert "entry: 5 of 10: " in out
    said = waxseal("audit", "show", 99, "-c", place.config)
    assert said.code == 1
    assert "there is no event 99; `waxseal audit list` shows which there are" in said.words


def test_an_export_is_checked_with_nothing_but_the_key(waxseal, place, busy, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    said = waxseal("audit", "export", "-o", file, "-c", place.config)
    assert "10 events written" in said.words
    assert file.stat().st_mode & 0o777 == 0o600
    assert waxseal("audit", "export", "-c", place.config).out.count("\n") == 10
    away = tmp_path / "elsewhere.toml"
    said = waxseal("audit", "verify", file, "--log-key", busy, "-c", away)
    assert (said.code, said.out) == (0, "10 events hold (numbers 1 to 10)\n")

    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(line for n, line in enumerate(lines) if n != 4) + "\n")
    said = waxseal("audit", "verify", file, "--log-key", busy)
    assert said.code == 0
    assert "event 5 is missing" in said.out
    file.write_text("\n".join(lines).replace("did:web:example.org", "did:web:example.com"))
    said = waxseal("audit", "verify", file, "--log-key", busy)
    assert said.code == 1
    assert "DOES NOT HOLD: line 6: event 6 is not entry 5 of the log of 10 entries" in said.out
    other = str(open_keys(tmp_path / "keys", "mx.example.test").log_key)
    assert waxseal("audit", "verify", file, "--log-key", other).out.count("DOES NOT HOLD") == 10
    file.write_bytes(b"\xff\x00\n{}\n" + b"x" * 1_000_000)
    said = waxseal("audit", "verify", file, "--log-key", busy)
    assert said.code == 1
    assert "0 events hold" in said.out


def test_an_export_may_be_a_part(waxseal, place, busy) -> None:
    lines = waxseal("audit", "export", "--kind", "gate-set", "-c", place.config).out.splitlines()
    assert [json.loads(json.loads(line)["document"])["kind"] for line in lines] == ["gate-set"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit_event SET actor = 'ann@example.test' WHERE number = 6", "event 6: its row does not say"),
        ("DELETE FROM audit_event WHERE number = 6", "event 6 is missing"),
        ("UPDATE audit_event SET salt = zeroblob(32) WHERE number = 6", "event 6 is not what entry 5 of the log says"),
    ],
)
def test_a_changed_database_is_noticed(waxseal, place, busy, statement: str, words: str) -> None:
    said = waxseal("audit", "verify", "-c", place.config)
    assert (said.code, said.out.startswith("10 events checked")) == (0, True)
    change(place, statement)
    said = waxseal("audit", "verify", "-c", place.config)
    assert said.code == 1
    assert f"DOES NOT HOLD: {words}" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--kind", "logins"), "there is no kind 'logins'"),
        (("list", "--since", "yesterday"), "'yesterday' is no moment"),
        (("verify", "nothing.jsonl"), "name the log's key with --log-key"),
        (("verify", "nothing.jsonl", "--log-key", "x"), "x"),
        (("export", "-o", "/nowhere/trail"), "cannot write /nowhere/trail"),
    ],
)
def test_mistakes_are_told(waxseal, place, busy, arguments: tuple[str, ...], words: str) -> None:
    said = waxseal("audit", *arguments, *(() if arguments[0] == "verify" else ("-c", place.config)))
    assert said.code != 0
    assert words in said.words


def test_a_running_nodes_trail_holds(waxseal, node, note, tmp_path: Path) -> None:
    """Beside the running node: its policy, its keys, its people's first passwords, and the log that it signs."""
    assert waxseal("send", note, "--to", "alice@waxseal.test", "--server", node.smtp).code == 0
    said = waxseal("audit", "verify", "-c", node.config)
    assert (said.code, "DOES NOT HOLD" in said.out) == (0, False)
    kinds = {line.split("\t")[2] for line in waxseal("audit", "list", "-c", node.config).out.splitlines()}
    assert {"policy-changed", "key-in-use", "person-added", "identity-bound", "app-password-made"} <= kinds
    file = tmp_path / "trail.jsonl"
    assert waxseal("audit", "export", "-o", file, "-c", node.config).code == 0
    key = waxseal("log-key", "-c", node.config).out.strip()
    said = waxseal("audit", "verify", file, "--log-key", key)
    assert said.code == 0
    assert "is missing" not in said.out
