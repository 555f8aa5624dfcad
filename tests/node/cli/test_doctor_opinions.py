"""doctor: a line for each program that is asked for an opinion; none is asked about mail."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def doctor(waxseal: Call, place: Any) -> Call:
    def call(**sections: Any) -> Any:
        place.write(classifier={"enabled": False}, **sections)
        return waxseal("doctor", "-c", place.config)

    return call


def test_nothing_is_said_of_what_is_off(doctor: Call) -> None:
    said = doctor()
    assert said.code == 0
    assert not [word for word in ("rspamd", "spamassassin", "clamav", "language model") if word in said.words]


def test_those_that_are_there(doctor: Call, clamd: Any, rspamd: Any, spamd: Any) -> None:
    said = doctor(
        clamav={"enabled": True, "server": clamd.unix},
        rspamd={"enabled": True, "server": rspamd.tcp},
        spamassassin={"enabled": True, "server": spamd.unix},
    )
    assert said.code == 0, said.words
    assert "ok clamav ClamAV 1." in said.words
    assert f"ok rspamd answers at {rspamd.tcp}" in said.words
    assert f"ok spamassassin answers at {spamd.unix}" in said.words


def test_those_that_are_not(doctor: Call, tmp_path: Path) -> None:
    said = doctor(
        clamav={"enabled": True, "server": str(tmp_path / "no.sock")},
        rspamd={"enabled": True, "server": "127.0.0.1:9"},
        spamassassin={"enabled": True, "server": "127.0.0.1:9"},
    )
    assert said.code == 1
    missing = f"wrong clamav nobody answers at {tmp_path / 'no.sock'}: No such file or directory; mail flows without"
    assert missing in said.words
    assert "wrong rspamd no answer from rspamd at 127.0.0.1:9" in said.words
    assert "wrong spamassassin nobody answers at 127.0.0.1:9: Connection refused; mail flows without" in said.words


def test_one_that_hangs(doctor: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.doctor_opinions.PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = doctor(clamav={"enabled": True, "server": f"127.0.0.1:{server.getsockname()[1]}"})
    assert said.code == 1
    assert "wrong clamav no answer in 0 s; mail flows without its opinion" in said.words


@contextmanager
def api(models: list[str]) -> Iterator[tuple[str, list[str]]]:
    """A local server with GET /v1/models; yields its address and the authorizations it was shown."""
    shown: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            body = json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in models]}).encode()
            self.send_response(200 if self.path == "/v1/models" and shown[-1] == f"Bearer {KEY}" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", shown
        server.shutdown()
        thread.join()


def test_a_language_model(doctor: Call, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    with api(["judge-1", "other"]) as (endpoint, shown):
        settings = {"enabled": True, "endpoint": endpoint, "model": "judge-1", "api_key_file": key}
        said = doctor(language_model=settings)
        assert said.code == 0, said.words
        assert f"ok language model {endpoint} answers" in said.words
        assert "does not list" not in said.words
        assert shown == [f"Bearer {KEY}"]
        assert "answers, but does not list judge-2" in doctor(language_model={**settings, "model": "judge-2"}).words
        key.write_text("another")
        refused = doctor(language_model=settings)
        assert refused.code == 1
        assert "answers with HTTP status 401" in refused.words
        key.chmod(0o644)
        assert "can be read by everybody: chmod 600" in doctor(language_model=settings).words


def test_a_key_in_the_environment(doctor: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with api(["judge-1"]) as (endpoint, shown):
        settings = {"enabled": True, "endpoint": endpoint, "model": "judge-1", "api_key_variable": "WAXSEAL_TEST_KEY"}
        monkeypatch.setenv("WAXSEAL_TEST_KEY", KEY)
        assert doctor(language_model=settings).code == 0
        assert shown == [f"Bearer {KEY}"]
        for broken in ("", f"two {KEY}", "ключ"):
            monkeypatch.setenv("WAXSEAL_TEST_KEY", broken)
            said = doctor(language_model=settings)
            assert "the API key of language_model is empty or no key" in said.words
            assert KEY not in said.words


def test_a_key_that_is_not_there(doctor: Call, tmp_path: Path) -> None:
    said = doctor(language_model={"enabled": True, "model": "m", "api_key_file": tmp_path / "none"})
    assert f"cannot read language_model.api_key_file {tmp_path / 'none'}: No such file or directory" in said.words
