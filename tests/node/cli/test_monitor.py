"""`waxseal monitor` as people and cron call it: what it takes, what it says, and the code it ends with."""

from __future__ import annotations

import hashlib
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.anchor import checkpoint, fork, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteSigner

SIGNER = NoteSigner("log.test/log", b"\x07" * 32)
Call = Callable[..., Any]


def signed(*entries: bytes) -> str:
    """A checkpoint of a log of up to two entries, as RFC 9162 §2.1.1 counts them."""
    leaves = [merkle.leaf_hash(hashlib.sha256(entry).digest()) for entry in entries]
    root = merkle.node_hash(*leaves) if len(leaves) == 2 else leaves[0]
    return checkpoint.sign(Checkpoint(SIGNER.name, len(leaves), root), SIGNER)


class Shown(http.server.BaseHTTPRequestHandler):
    """What the made-up log serves, by path."""

    documents: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.documents.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def documents() -> dict[str, bytes]:
    return {"/log/checkpoint": signed(b"one").encode()}


@pytest.fixture
def log(documents: dict[str, bytes]) -> Iterator[str]:
    """The made-up log's address and key, as the command takes them."""
    handler = type("Handler", (Shown,), {"documents": documents})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}#{SIGNER.key}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def monitor(waxseal: Call, tmp_path: Path) -> Call:
    return lambda *arguments: waxseal("monitor", "--state", tmp_path / "state", "--once", *arguments)


def test_a_log_that_is_well_ends_with_0(monitor: Call, log: str) -> None:
    for _ in range(2):
        said = monitor(log)
        assert (said.code, said.out) == (0, "log.test/log: 1 entries, one history.\n")


def test_a_fork_ends_with_1_and_leaves_evidence(
    monitor: Call, log: str, documents: dict[str, bytes], tmp_path: Path
) -> None:
    assert monitor(log).code == 0
    documents["/log/checkpoint"] = signed(b"another").encode()
    said = monitor(log, "--metrics-file", tmp_path / "metrics.prom")
    assert said.code == 1
    assert "log.test/log: ALARM, fork: the log has signed two histories" in said.out
    (evidence,) = (tmp_path / "state").glob("*/fork-*.json")
    assert str(evidence) in said.out
    metrics = (tmp_path / "metrics.prom").read_text()
    assert 'waxseal_monitored_forks{origin="log.test/log"} 1.0' in metrics
    assert 'waxseal_monitor_findings_total{kind="fork"}' in metrics
    assert "waxseal_logins" not in metrics
    checked = monitor(log, "--check-evidence", evidence)
    assert checked.code == 1
    assert "log.test/log has signed two histories" in checked.out


def test_evidence_that_convicts_nobody_ends_with_2(monitor: Call, log: str, tmp_path: Path) -> None:
    one = signed(b"one")
    file = tmp_path / "evidence.json"
    file.write_text(fork.Fork(one, one, checkpoint.read(one).root).to_json())
    said = monitor(log, "--check-evidence", file)
    assert said.code == 2
    assert "the second tree continues the first" in said.out
    file.write_text("{}")
    assert monitor(log, "--check-evidence", file).code == 2
    assert "cannot read" in monitor(log, "--check-evidence", tmp_path / "none").words


def test_findings_as_json(monitor: Call, log: str, documents: dict[str, bytes]) -> None:
    del documents["/log/checkpoint"]
    said = monitor(log, "--json")
    assert said.code == 3
    (finding,) = json.loads(said.out)
    assert (finding["origin"], finding["kind"], finding["alarm"]) == ("log.test/log", "unreachable", False)


def test_a_log_without_its_witnesses_ends_with_4(monitor: Call, log: str) -> None:
    witness = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    said = monitor(log, "--witness", witness, "--quorum", "1")
    assert said.code == 4
    assert "1 witnesses must cosign" in said.out


def test_several_logs_are_looked_at_and_the_worst_counts(monitor: Call, log: str) -> None:
    other = NoteSigner("other.test/log", b"\x08" * 32).key
    url = log.partition("#")[0]
    said = monitor(log, f"{url}#{other}")
    assert said.code == 1  # what is served there is not the other log's
    assert "log.test/log: 1 entries, one history." in said.out
    assert "other.test/log: ALARM, unsigned" in said.out


def test_it_follows_until_it_is_told_to_stop(log: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "node", "monitor", log, "--state", str(tmp_path / "s"), "--every", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "log.test/log: 1 entries, one history.\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


KEY = str(SIGNER.key)
WRONG_ID = KEY.replace("+", "+0", 1).replace(KEY.split("+")[1], KEY.split("+")[1][:7])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["http://127.0.0.1:1"], "names no key"),
        ([WRONG_ID], "does not fit"),
        (["hello"], "log key looks like"),
        ([f"http://example.org#{KEY}"], "over https:// only"),
        ([f"ftp://example.org#{KEY}"], "no address"),
        ([f"https://me:secret@example.org#{KEY}"], "no address"),
        ([KEY, KEY], "named twice"),
        ([KEY, "--key", str(NoteSigner("x.test/log", b"\x01" * 32).key)], "no such log"),
        ([KEY, "--quorum", "1"], "needs as many --witness"),
        ([KEY, "--witness", KEY], "no witness's"),
        ([KEY, "--anchor", "eip155:1:0x12:0x34"], "--anchor is"),
        ([KEY, "--anchor", f"x.test/log=eip155:1:0x{'11' * 20}:0x{'22' * 20}"], "--anchor is"),
        ([KEY, "--anchor", f"eip155:1:0x{'11' * 20}:0x{'22' * 20}"], "need --rpc"),
        ([KEY, "--peer", "peer.test"], "no address"),
        ([KEY, "--registry", "eip155:1"], "give --account"),
        ([KEY, "--registry", "1", "--account", "0x" + "11" * 20], "--registry is"),
        ([KEY, "--registry", "eip155:1", "--account", "0x" + "11" * 20], "need --rpc"),
        ([KEY, "--account", "x.test/log=0x" + "11" * 20], "--account is"),
    ],
)
def test_what_cannot_be_meant_is_refused(monitor: Call, arguments: list[str], why: str) -> None:
    said = monitor(*arguments)
    assert said.code not in {0, 3, 4}
    assert why in said.words
    assert "secret" not in said.words


def test_a_folder_that_cannot_be_written_is_named(waxseal: Call, log: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = waxseal("monitor", log, "--once", "--state", tmp_path / "file" / "state")
    assert said.code not in {0, 3, 4}
    assert "name another place with --state" in said.words


def test_a_log_that_went_on_by_a_proof(monitor: Call, log: str, documents: dict[str, bytes]) -> None:
    assert monitor(log).code == 0
    documents["/log/checkpoint"] = signed(b"one", b"two").encode()
    leaves = [merkle.leaf_hash(hashlib.sha256(entry).digest()) for entry in (b"one", b"two")]
    documents["/log/tile/0/000.p/2"] = b"".join(leaves)
    said = monitor(log)
    assert (said.code, said.out) == (0, "log.test/log: 2 entries, one history.\n")
