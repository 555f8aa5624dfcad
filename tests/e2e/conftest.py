"""A whole node as its users have it: the installed command in a process of its own, on free ports of loopback."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .chromium import launched

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass
class NodeProcess:
    """A running `waxseal dev`, and what it told about itself."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]
    log: Path
    stopped: bool = field(default=False)

    @property
    def ports(self) -> dict[str, int]:
        return dict(self.facts["ports"])

    def person(self, index: int = 0) -> dict[str, str]:
        return dict(self.facts["people"][index])

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.facts["ca"])

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.ports["smtp"], local_hostname="client.example", timeout=60)

    def submission(self, index: int = 0) -> smtplib.SMTP:
        client = smtplib.SMTP("localhost", self.ports["submission"], local_hostname="client.example", timeout=60)
        client.starttls(context=self.tls())
        client.login(self.person(index)["address"], self.person(index)["app_password"])
        return client

    @contextlib.contextmanager
    def imap(self, index: int = 0) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=self.tls(), timeout=60)
        try:
            client.login(self.person(index)["address"], self.person(index)["app_password"])
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """End it as an operator would; returns its exit code."""
        if not self.stopped:
            self.process.send_signal(signal.SIGTERM)
            self._reap()
        return self.process.returncode

    def _reap(self) -> None:
        self.process.wait(STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()
        self.stopped = True


StartNode = Callable[..., NodeProcess]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes, several times on one folder if you like; whatever still runs is stopped at the end."""
    yield from _starting(tmp_path)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """One node for a whole module, for tests that do not mind each other's mail."""
    for start in _starting(tmp_path_factory.mktemp("shared")):
        yield start()


def _starting(tmp_path: Path) -> Iterator[StartNode]:
    started: list[NodeProcess] = []

    def start(*arguments: str, folder: Path | None = None) -> NodeProcess:
        place = folder or tmp_path / "node"
        log = tmp_path / f"node-{len(started)}.log"
        command = [sys.executable, "-m", "node", "dev", "--dir", str(place), "--ports", "auto", "--json", *arguments]
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            process.wait(STOP_SECONDS)
            process.stdout.close()
            raise AssertionError(f"the node did not start:\n{log.read_text()[-4000:]}")
        node = NodeProcess(process, json.loads(line), log)
        started.append(node)
        return node

    yield start
    for node in started:
        if not node.stopped:
            node.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for a whole module; pages are opened with `chromium.opened`."""
    with launched() as running:
        yield running
