"""The other side's mail servers: many SMTP connections from one process, every message distinct.

Started by inbound.py as a process of its own, so that its work is not counted as the server's. Messages are made before
the clock starts. Prints one line of JSON: messages sent, accepted, refused, seconds, when it began (monotonic clock).
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

from messages import SIZES


@dataclass
class Load:
    """What is to be sent, and what became of it."""

    messages: list[tuple[str, bytes]]
    until: float
    next: int = 0
    accepted: int = 0
    refused: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def take(self) -> tuple[str, bytes] | None:
        """The next recipient and message, or None when all is sent or time is over."""
        if self.next == len(self.messages) or time.monotonic() > self.until:
            return None
        self.next += 1
        return self.messages[self.next - 1]


class Connection:
    """One SMTP client connection: greeting, EHLO, then messages with pipelined envelopes (RFC 2920), then QUIT.

    `state` names the reply that is awaited.
    """

    def __init__(self, load: Load, port: int, per_connection: int) -> None:
        self.load = load
        self.left = per_connection
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.state = "greeting"
        self.replies_due = 1
        self.input = b""
        self.output = memoryview(b"")
        self.message = b""
        self.began = 0.0

    def readable(self) -> bool:
        """Take what arrived; False when the connection is over."""
        data = self.socket.recv(65536)
        if not data:
            if self.state != "quit":
                self._refuse("connection closed by the server")
            return False
        self.input += data
        while (end := self.input.find(b"\r\n")) >= 0:
            line, self.input = self.input[:end], self.input[end + 2 :]
            if line[3:4] != b"-" and not self._reply(line):
                return False
        return True

    def writable(self) -> None:
        """Send what waits."""
        if self.output:
            self.output = self.output[self.socket.send(self.output) :]

    def _reply(self, line: bytes) -> bool:
        if self.state == "quit":
            return False
        expected = {"data": b"3"}.get(self.state if self.replies_due == 1 else "", b"2")
        if not line.startswith(expected):
            self._refuse(line.decode("utf-8", "replace"))
            return False
        self.replies_due -= 1
        if self.replies_due == 0:
            self._next()
        return True

    def _next(self) -> None:
        match self.state:
            case "greeting":
                self._say("hello", 1, b"EHLO bench.example\r\n")
            case "data":
                self._say("done", 1, self.message)
            case "done":
                self.load.accepted += 1
                self.load.latencies.append(time.monotonic() - self.began)
                self._envelope()
            case _:
                self._envelope()

    def _envelope(self) -> None:
        taken = self.load.take() if self.left else None
        if taken is None:
            self._say("quit", 1, b"QUIT\r\n")
            return
        self.left -= 1
        recipient, self.message = taken
        self.began = time.monotonic()
        envelope = f"MAIL FROM:<bench@sender.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        self._say("data", 3, envelope.encode())

    def _say(self, state: str, replies: int, data: bytes) -> None:
        self.state, self.replies_due, self.output = state, replies, memoryview(data)
        self.writable()

    def _refuse(self, why: str) -> None:
        self.load.refused.append(f"{self.state}: {why}")


def send(load: Load, port: int, connections: int, per_connection: int) -> None:
    """Keep that many connections busy until everything was sent."""
    selector = selectors.DefaultSelector()

    def open_one() -> None:
        connection = Connection(load, port, per_connection)
        selector.register(connection.socket, selectors.EVENT_READ, connection)

    for _ in range(connections):
        open_one()
    while selector.get_map():
        ready = selector.select(30)
        if not ready:
            raise SystemExit("the server has not answered on any connection for 30 seconds")
        for key, events in ready:
            connection: Connection = key.data
            if events & selectors.EVENT_WRITE:
                connection.writable()
            if events & selectors.EVENT_READ and not connection.readable():
                selector.unregister(connection.socket)
                connection.socket.close()
                if load.next < len(load.messages) and time.monotonic() < load.until:
                    open_one()
                continue
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.output else 0)
            if wanted != key.events:
                selector.modify(connection.socket, wanted, connection)


def _stuffed(message: bytes) -> bytes:
    """The message as DATA carries it (RFC 5321 §4.5.2)."""
    return message.replace(b"\r\n.", b"\r\n..") + (b"" if message.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def main() -> None:
    """Send and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", nargs="+", required=True, help="recipients, taken in turn")
    parser.add_argument("--size", choices=sorted(SIZES), required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first message")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120, help="start no message after that time")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--per-connection", type=int, default=20)
    given = parser.parse_args()
    make = SIZES[given.size]
    recipients = [given.to[number % len(given.to)] for number in range(given.count)]
    made = [(to, _stuffed(make(given.first + number, to))) for number, to in enumerate(recipients)]
    began = time.monotonic()
    load = Load(made, began + given.seconds)
    send(load, given.port, min(given.connections, given.count), given.per_connection)
    waits = sorted(load.latencies) or [0.0]
    result = {
        "sent": load.next,
        "accepted": load.accepted,
        "refused": len(load.refused),
        "first_refusals": load.refused[:3],
        "began": began,
        "seconds": time.monotonic() - began,
        "median_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[len(waits) * 99 // 100] * 1000,
    }
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
