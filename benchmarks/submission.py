"""Submission with and without the lookout over what accounts send: messages a second and CPU milliseconds a message.

    .venv/bin/python benchmarks/submission.py --rounds 5

Two nodes run at once, one with `sending.enabled = false`; rounds go to them in turn, so that what else the machine does
hits both alike. Connections are logged in over TLS before the clock starts; every message is distinct, goes to somebody
of the node, and counts with its 250. The last line is JSON.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from messages import SIZES
from processes import Processes

from node.cli.dev import Choice, local_settings


class Client(threading.Thread):
    """One logged-in connection with pipelined envelopes (RFC 2920)."""

    def __init__(self, facts: dict[str, Any], messages: list[bytes]) -> None:
        super().__init__()
        self._messages = messages
        self._sender, self._recipient = (person["address"] for person in facts["people"])
        raw = socket.create_connection(("127.0.0.1", facts["ports"]["submissions"]))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = ssl.create_default_context(cafile=facts["ca"])
        self._socket = tls.wrap_socket(raw, server_hostname="localhost")
        self._file = self._socket.makefile("rb")
        self._expect(b"220")
        self._say(b"EHLO bench.example\r\n", b"250")
        secret = base64.b64encode(f"\0{self._sender}\0{facts['people'][0]['app_password']}".encode())
        self._say(b"AUTH PLAIN " + secret + b"\r\n", b"235")

    def run(self) -> None:
        envelope = f"MAIL FROM:<{self._sender}>\r\nRCPT TO:<{self._recipient}>\r\nDATA\r\n".encode()
        for message in self._messages:
            self._socket.sendall(envelope)
            for code in (b"250", b"250", b"354"):
                self._expect(code)
            self._say(message, b"250")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _say(self, data: bytes, code: bytes) -> None:
        self._socket.sendall(data)
        self._expect(code)

    def _expect(self, code: bytes) -> None:
        while (line := self._file.readline())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise SystemExit(f"expected {code.decode()}, got {line.decode()}")


def start(stack: ExitStack, folder: Path, *, enabled: bool) -> tuple[dict[str, Any], Processes]:
    """A node in a process of its own, without a model, and with limits nobody reaches."""
    local_settings(folder, Choice.AUTO, classifier=False)
    limits = [f"{name}_recipients_per_{time} = 100000000" for name in ("new", "max") for time in ("hour", "day")]
    lines = "\n".join([f"enabled = {str(enabled).lower()}", *limits])
    file = folder / "waxseal.toml"
    file.write_text(file.read_text("utf-8").replace("[sending]\n", f"[sending]\n{lines}\n", 1), "utf-8")
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
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.terminate)
    assert process.stdout
    return json.loads(process.stdout.readline()), Processes([process.pid])


def measure(
    facts: dict[str, Any], processes: Processes, first: int, options: argparse.Namespace
) -> tuple[float, float]:
    """Messages a second, and the server's CPU milliseconds a message."""
    sender, recipient = (person["address"] for person in facts["people"])
    made = [_made(options.size, first + number, sender, recipient) for number in range(options.count)]
    clients = [Client(facts, made[place :: options.connections]) for place in range(options.connections)]
    cpu, began = processes.cpu_seconds(), time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    elapsed, used = time.monotonic() - began, processes.cpu_seconds() - cpu
    for client in clients:
        client.close()
    return options.count / elapsed, used / options.count * 1000


def _made(size: str, number: int, sender: str, recipient: str) -> bytes:
    message = SIZES[size](number, recipient)
    start = message.index(b"From:")
    message = message[:start] + b"From: " + sender.encode() + message[message.index(b"\r\n", start) :]
    return message.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=1500, help="messages a round")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--size", choices=sorted(SIZES), default="4k")
    options = parser.parse_args()
    figures: dict[str, list[tuple[float, float]]] = {"off": [], "on": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waxseal-")))
        nodes = {name: start(stack, folder / name, enabled=name == "on") for name in figures}
        for turn in range(options.rounds + 1):
            for name in figures if turn % 2 else reversed(figures):
                figure = measure(*nodes[name], turn * options.count, options)
                if turn:  # the first warms up
                    figures[name].append(figure)
                    print(f"{name:>4} {figure[0]:8.0f} messages/s {figure[1]:8.3f} CPU ms", file=sys.stderr)
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in figures.items()
    }
    print(json.dumps({name: {"per_second": rate, "cpu_ms": cpu} for name, (rate, cpu) in medians.items()}))


if __name__ == "__main__":
    main()
