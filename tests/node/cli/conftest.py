"""The command line as people call it: arguments in, exit code and what it says out."""

from __future__ import annotations

import contextlib
import imaplib
import io
import json
import re
import signal
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest
import structlog

from node.base.config_text import commented_settings
from node.cli import main
from node.cli.dev import Choice, local_settings

BOXES = re.compile(r"[\u2500-\u257f]+")
ANYWHERE = ["127.0.0.1:0"]
NOTE = b"From: nora@other.test\r\nTo: ann@example.test\r\nSubject: note\r\n\r\nSee you on Tuesday.\r\n"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left behind; `out` and `err` as printed, `words` all of it without tables' lines and breaks."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join(BOXES.sub(" ", f"{self.out} {self.err}").split())


Call = Callable[..., Said]


@pytest.fixture
def waxseal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """`waxseal("domain", "list", "-c", file)` runs the console script's function in this process."""
    for name, value in {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WAXSEAL_CONFIG", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer sets one of its own

    def call(*arguments: object, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "argv", ["waxseal", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        capfd.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Said(code if isinstance(code, int) else int(code is not None), out, err)

    yield call
    structlog.reset_defaults()


@dataclass(frozen=True, slots=True)
class Place:
    """A settings file and the data directory it names."""

    config: Path
    data: Path

    def write(self, **sections: Any) -> None:
        """Write the settings anew, with other sections."""
        both = {"listen_starttls": ANYWHERE, "listen_tls": ANYWHERE}
        settings = {
            "hostname": "mx.example.test",
            "data": self.data,
            "smtp": {"listen": ANYWHERE},
            "submission": both,
            "imap": both,
            "http": {"listen": ANYWHERE},
        }
        self.config.write_text(commented_settings({**settings, **sections}), "utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A node that has not started yet."""
    made = Place(tmp_path / "waxseal.toml", tmp_path / "data")
    made.write()
    return made


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A message in a file."""
    file = tmp_path / "note.eml"
    file.write_bytes(NOTE)
    return file


@dataclass(frozen=True, slots=True)
class Node:
    """A node in a process of its own."""

    config: Path
    facts: dict[str, Any]

    @property
    def smtp(self) -> str:
        return f"127.0.0.1:{self.facts['ports']['smtp']}"

    def inbox(self, address: str, password: str) -> list[bytes]:
        """The whole messages in somebody's INBOX."""
        context = ssl.create_default_context(cafile=self.facts["ca"])
        with imaplib.IMAP4_SSL("localhost", self.facts["ports"]["imaps"], ssl_context=context, timeout=30) as client:
            client.login(address, password)
            client.select("INBOX", readonly=True)
            _, found = client.search(None, "ALL")
            answers = [client.fetch(number.decode(), "(BODY[])")[1] for number in found[0].split()]
            return [bytes(answer[0][1]) for answer in answers if isinstance(answer[0], tuple)]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A running `waxseal dev` without a model, anchoring at once."""
    folder = tmp_path_factory.mktemp("node")
    local_settings(folder, Choice.AUTO, classifier=False)
    config = folder / "waxseal.toml"
    config.write_text(config.read_text("utf-8").replace("every_seconds = 10.0", "every_seconds = 1.0"), "utf-8")
    command = [
        sys.executable,
        "-m",
        "node",
        "dev",
        "--dir",
        str(folder),
        "--ports",
        "auto",
        "--json",
        "--no-classifier",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Node(config, json.loads(process.stdout.readline()))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait(30)


class NameServer(socketserver.BaseRequestHandler):
    """Answers TXT questions from `texts`; what is not there does not exist."""

    texts: ClassVar[dict[str, str]] = {}

    def handle(self) -> None:
        wire, socket = self.request
        query = dns.message.from_wire(wire)
        (question,) = query.question
        response = dns.message.make_response(query, recursion_available=True)
        if text := self.texts.get(question.name.to_text()):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", text))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        socket.sendto(response.to_wire(), self.client_address)


@pytest.fixture
def domains_say(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """TXT records, by absolute name, of the only name server that commands of this test reach."""
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), NameServer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def resolver() -> dns.asyncresolver.Resolver:
            made = dns.asyncresolver.Resolver(configure=False)
            made.nameservers, made.port = ["127.0.0.1"], server.server_address[1]
            return made

        monkeypatch.setattr("node.anchor.domain_word.system_resolver", resolver)
        monkeypatch.setattr(NameServer, "texts", {})
        yield NameServer.texts
        server.shutdown()
