"""A bare IMAP client over TLS for measuring: it sends commands, reads to their tagged replies, and parses nothing."""

from __future__ import annotations

import itertools
import socket
import ssl
import time


def append_command(mailbox: str, message: bytes) -> bytes:
    """APPEND with a non-synchronising literal (RFC 7888)."""
    return f'APPEND "{mailbox}" {{{len(message)}+}}\r\n'.encode() + message


class ImapError(Exception):
    """The server answered NO or BAD, or closed the connection."""


class Connection:
    """One logged-in connection. Tags are random enough not to occur in a message."""

    def __init__(self, port: int, user: str, password: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False  # loopback, a certificate made a minute ago
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), 120)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain)
        self._buffer = bytearray()
        self._tags = (b"q7Zk%dx" % number for number in itertools.count())
        self.line()
        self.command(f'LOGIN "{user}" "{password}"'.encode())

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()

    def command(self, text: bytes) -> bytes:
        """Send one command, return everything up to its tagged reply."""
        tag = self.send(text)
        return self.result(tag)

    def send(self, text: bytes) -> bytes:
        """Send one command without waiting; return its tag."""
        tag = next(self._tags)
        self._socket.sendall(tag + b" " + text + b"\r\n")
        return tag

    def raw(self, data: bytes) -> None:
        """Send octets as they are."""
        self._socket.sendall(data)

    def result(self, tag: bytes) -> bytes:
        """Everything up to the tagged reply.

        Raises:
            ImapError: the reply is not OK.
        """
        marker, start = b"\r\n" + tag + b" ", 0
        while True:
            if self._buffer.startswith(tag + b" "):
                at = 0
                break
            at = self._buffer.find(marker, start)
            if at >= 0:
                at += 2
                break
            start = max(0, len(self._buffer) - len(marker))
            self._receive()
        while (end := self._buffer.find(b"\r\n", at)) < 0:
            self._receive()
        before, status = bytes(self._buffer[:at]), bytes(self._buffer[at + len(tag) + 1 : end])
        del self._buffer[: end + 2]
        if not status.startswith(b"OK"):
            raise ImapError(status.decode("utf-8", "replace"))
        return before

    def line(self) -> bytes:
        """The next line, without its end."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def append(self, mailbox: str, messages: list[bytes]) -> None:
        """Store messages, one command each; literals without waiting (LITERAL+), replies read at the end."""
        for tag in [self.send(append_command(mailbox, message)) for message in messages]:
            self.result(tag)

    def idle_until(self, ending: bytes, seconds: float) -> float:
        """Read lines until one ends that way; return when (perf_counter)."""
        self._socket.settimeout(seconds)
        while not self.line().endswith(ending):
            pass
        return time.perf_counter()

    def _receive(self) -> None:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ImapError("the server closed the connection")
        self._buffer += data
