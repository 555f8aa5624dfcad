"""doctor on witnesses: who answers as one, how far each has cosigned, and keys that are wrong."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from node.anchor.cosignature import CosignatureSigner
from node.anchor.note import NoteSigner

Call = Callable[..., Any]
KEY = str(CosignatureSigner("w.test/witness", b"\x01" * 32).key)


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers every POST with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def doctor(waxseal: Call, place: Any) -> Call:
    def call(**witness: Any) -> Any:
        place.write(classifier={"enabled": False}, witness=witness)
        return waxseal("doctor", "-c", place.config)

    return call


def test_a_witness_that_answers(doctor: Call, waxseal: Call, place: Any) -> None:
    with answering(400) as url:
        said = doctor(ask=[{"url": url, "key": KEY}])
        assert "ok witness w.test/witness answers as a witness" in said.words
        assert not place.data.exists()
        waxseal("domain", "add", "example.test", "-c", place.config)
        said = doctor(ask=[{"url": url, "key": KEY}])
        assert "has cosigned all 0 entries" in said.words
    assert said.code == 0


@pytest.mark.parametrize("status", [200, 404, 302])
def test_something_else_that_answers(doctor: Call, status: int) -> None:
    with answering(status) as url:
        said = doctor(ask=[{"url": url, "key": KEY}])
    assert f"HTTP status {status} where a witness says 400" in said.words


def test_a_witness_that_is_down_is_no_reason_not_to_start(doctor: Call) -> None:
    said = doctor(ask=[{"url": "http://127.0.0.1:1", "key": KEY}])
    assert "look witness w.test/witness no answer from it" in said.words
    assert said.code == 0


def test_wrong_keys_are_wrong(doctor: Call) -> None:
    log = str(NoteSigner("log.test/log", b"\x02" * 32).key)
    said = doctor(ask=[{"url": "http://127.0.0.1:1", "key": log}], logs=[KEY])
    assert said.code == 1
    assert "is no witness's Ed25519 key" in said.words
    assert "witness.logs: the log key is of another kind" in said.words
    said = doctor(logs=[log])
    assert "ok witness for log.test/log; `waxseal log-key --witness` prints the key" in said.words
