"""Commands beside a running node: people, sending, receipts and their verification."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
TO = "alice@waxseal.test"


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the message of `delivered` lies."""
    return tmp_path_factory.mktemp("kept") / "kept.eml"


@pytest.fixture
def delivered(waxseal: Call, node: Any, note: Path, kept: Path) -> Path:
    """A message as the node keeps it, in a file."""
    if not kept.exists():
        assert waxseal("send", note, "--to", TO, "--server", node.smtp).code == 0
        kept.write_bytes(node.inbox(TO, node.facts["people"][0]["app_password"])[-1])
    return kept


def test_an_account_added_now_gets_mail_and_logs_in_at_once(waxseal: Call, node: Any, note: Path) -> None:
    local = f"carol-{secrets.token_hex(4)}"
    assert waxseal("domain", "add", "late.test", "-c", node.config).code == 0
    assert waxseal("account", "add", f"{local}@late.test", "-c", node.config).code == 0
    password = waxseal("account", "password", f"{local}@late.test", "-c", node.config).out.strip()
    said = waxseal("send", note, "--to", f"{local}@late.test", "--from", "nora@other.test", "--server", node.smtp)
    assert said.code == 0
    assert said.out.startswith(f"{note}: 250 ")
    (message,) = node.inbox(f"{local}@late.test", password)
    assert message.endswith(note.read_bytes())


def test_send_the_sample_through_every_way_in(waxseal: Call, node: Any) -> None:
    person, ports = node.facts["people"][0], node.facts["ports"]
    login = ("--user", person["address"], "--password", person["app_password"], "--ca", node.facts["ca"])
    for tls, port in (("starttls", ports["submission"]), ("implicit", ports["submissions"])):
        said = waxseal(
            "send", "--sample", "--to", TO, "--from", TO, "--server", f"localhost:{port}", "--tls", tls, *login
        )
        assert said.code == 0, said.words
        assert said.out.startswith("the sample: 250 ")


def test_send_says_who_was_refused(waxseal: Call, node: Any, note: Path) -> None:
    said = waxseal("send", note, "--to", TO, "--to", "nobody@waxseal.test", "--server", node.smtp)
    assert said.code == 1
    assert f"{note}: 250" in said.out
    assert "nobody@waxseal.test: 550" in said.out


def test_send_with_a_wrong_password(waxseal: Call, node: Any, note: Path) -> None:
    server = f"localhost:{node.facts['ports']['submission']}"
    said = waxseal(
        *("send", note, "--to", TO, "--server", server, "--tls", "starttls", "--ca", node.facts["ca"]),
        *("--user", TO, "--password", "wrong"),
    )
    assert said.code == 1
    assert "the server refuses AUTH: 535" in said.err


def test_send_does_not_trust_a_self_made_certificate_unasked(waxseal: Call, node: Any, note: Path) -> None:
    server = f"localhost:{node.facts['ports']['submission']}"
    said = waxseal("send", note, "--to", TO, "--server", server, "--tls", "starttls")
    assert said.code == 1
    assert "certificate" in said.err.lower()


@pytest.mark.slow
def test_a_receipt_and_its_steps(waxseal: Call, node: Any, delivered: Path, tmp_path: Path) -> None:
    said = waxseal("receipt", delivered, "--anchored", "-c", node.config)
    assert (said.code, said.err) == (0, "")
    receipt = tmp_path / "receipt.json"
    receipt.write_text(said.out)

    words = waxseal("verify", delivered, "-r", receipt, "-c", node.config)
    assert (words.code, words.out.count(": holds.")) == (0, 5)
    said = json.loads(waxseal("verify", delivered, "-r", receipt, "-c", node.config, "--json").out)
    assert (said["version"], said["exit"]) == ("waxseal.verification/1", 0)
    assert [(step["number"], step["name"], step["holds"], step["asked"]) for step in said["steps"]] == [
        (1, "message", True, True),
        (2, "leaf", True, True),
        (3, "inclusion", True, True),
        (4, "checkpoint", True, True),
        (5, "registry", None, False),
        (6, "chain", True, True),
        (7, "consistency", None, False),
        (8, "witnesses", None, False),
    ]

    stranger = waxseal("verify", delivered, "-r", receipt)
    assert (stranger.code, stranger.out.count(": not checked. Not checked:")) == (3, 2)
    key = waxseal("log-key", "-c", node.config).out.strip()
    with_key = waxseal("verify", delivered, "-r", receipt, "--log-key", key)
    assert (with_key.code, with_key.out.count(": holds.")) == (3, 4)

    changed = tmp_path / "changed.eml"
    changed.write_bytes(delivered.read_bytes().replace(b"Tuesday", b"Tuesdax"))
    lie = waxseal("verify", changed, "-r", receipt, "-c", node.config)
    assert lie.code == 1
    assert lie.out.startswith("1. message: DOES NOT HOLD. ")


@pytest.mark.slow
def test_the_node_registers_its_key_by_itself(
    waxseal: Call, node: Any, delivered: Path, tmp_path: Path, domains_say: dict[str, str]
) -> None:
    receipt = tmp_path / "receipt.json"
    receipt.write_text(waxseal("receipt", delivered, "--anchored", "-c", node.config).out)
    for _ in range(30):  # right after the anchor; each look takes about a second
        if (shown := waxseal("registry", "show", "-c", node.config)).code == 0:
            break
    key = waxseal("log-key", "-c", node.config).out.strip()
    assert f"* {key}  since block" in shown.out
    said = waxseal("verify", delivered, "-r", receipt, "-c", node.config, "--registry", "eip155:24225")
    assert said.code == 0, said
    assert "5. registry: holds. The key is registered by" in said.out

    policy = tmp_path / "policy.json"
    policy.write_text(waxseal("policy", "show", "-c", node.config).out)
    for _ in range(30):  # published after the key, and once more whenever somebody changed a domain meanwhile
        if (told := waxseal("policy", "verify", policy, "-c", node.config)).code == 0:
            break
    assert told.code == 0, told

    stranger = ("verify", delivered, "-r", receipt, "-c", node.config, "--registry", "eip155:24225", "--account", "dns")
    refused = waxseal(*stranger)
    assert (refused.code, "names no account on eip155:24225" in refused.err) == (2, True)
    account = json.loads(waxseal("registry", "show", "--json", "-c", node.config).out)["registration"]["account"]
    origin = json.loads(receipt.read_text())["origin"].partition("/")[0]
    domains_say[f"_waxseal.{origin}."] = f'"v=waxseal1; account=eip155:24225:{account}"'
    assert waxseal(*stranger).code == 0


def test_a_receipt_of_the_digest_is_the_same(waxseal: Call, node: Any, delivered: Path) -> None:
    by_file = json.loads(waxseal("receipt", delivered, "-c", node.config).out)
    by_digest = json.loads(waxseal("receipt", by_file["sha256"], "-c", node.config).out)
    assert (by_digest["sha256"], by_digest["salt"]) == (by_file["sha256"], by_file["salt"])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("nonsense", "a log key looks like example.org/log+1a2b3c4d+AbCd"),
        ("other.test/log+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "the log key's id does not fit"),
    ],
)
def test_a_log_key_that_is_none(
    waxseal: Call, node: Any, delivered: Path, tmp_path: Path, key: str, words: str
) -> None:
    receipt = tmp_path / "receipt.json"
    receipt.write_text(waxseal("receipt", delivered, "-c", node.config).out)
    said = waxseal("verify", delivered, "-r", receipt, "--log-key", key)
    assert said.code == 2
    assert words in said.err


def test_another_logs_key_vouches_for_nothing(
    waxseal: Call, node: Any, place: Any, delivered: Path, tmp_path: Path
) -> None:
    from node.anchor.keys import open_keys

    receipt = tmp_path / "receipt.json"
    receipt.write_text(waxseal("receipt", delivered, "-c", node.config).out)
    key = str(open_keys(place.data / "keys", "mx.example.test").log_key)
    assert waxseal("log-key", "-c", place.config).out.strip() == key
    said = waxseal("verify", delivered, "-r", receipt, "--log-key", key)
    assert said.code == 1
    assert "4. checkpoint: DOES NOT HOLD." in said.out


@pytest.mark.parametrize("damage", ["sha256", "salt", "time", "origin"])
def test_a_forged_receipt_does_not_hold(waxseal: Call, node: Any, delivered: Path, tmp_path: Path, damage: str) -> None:
    claim = json.loads(waxseal("receipt", delivered, "-c", node.config).out)
    claim[damage] = {"sha256": "00" * 32, "salt": "00" * 32, "time": 1, "origin": "other.test/log"}[damage]
    (tmp_path / "receipt.json").write_text(json.dumps(claim))
    said = waxseal("verify", delivered, "-r", tmp_path / "receipt.json", "-c", node.config)
    assert said.code == 1
    assert "DOES NOT HOLD" in said.out
