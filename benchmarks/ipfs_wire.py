"""One huge attachment through a whole node: in by SMTP, out by IMAP, the same octets, and the node's memory.

    .venv/bin/python benchmarks/ipfs_wire.py [--mib 1400]

Starts `waxseal dev` without the classifier in a temporary folder, with the largest message it can be told to take
(2,048 MiB: some 1,490 MiB before base64). Needs four times the message on disk. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ipfs import message
from waxseal_node import WAXSEAL, first_line

MIB = 1 << 20
WAIT = 900  # seconds for anything


class Memory(threading.Thread):
    """Watches one process: the highest of its own (not file-mapped) memory, MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self.peak = 0.0

    def run(self) -> None:
        """Look 50 times a second until the process ends."""
        with suppress(OSError, StopIteration):
            while True:
                self.peak = max(self.peak, self.now())
                time.sleep(0.02)

    def now(self) -> float:
        """MiB."""
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("RssAnon:"))
        return int(line.split()[1]) / 1024

    def phase(self) -> float:
        """The peak since the last call."""
        peak, self.peak = max(self.peak, self.now()), 0.0
        return round(peak, 1)


def send(port: int, recipient: str, size: int) -> tuple[str, int, float]:
    """Deliver the message; (SHA-256 of its content, octets, seconds from the first to the 250)."""
    digest, octets, began = hashlib.sha256(), 0, time.perf_counter()
    with closing(socket.create_connection(("127.0.0.1", port), WAIT)) as plain, plain.makefile("rb") as replies:
        expect(replies, b"220")
        for command, code in (
            (b"EHLO bench.test", b"250"),
            (b"MAIL FROM:<>", b"250"),
            (b"RCPT TO:<%s>" % recipient.encode(), b"250"),
            (b"DATA", b"354"),
        ):
            plain.sendall(command + b"\r\n")
            expect(replies, code)
        for piece in message(size):  # base64 lines never begin with a dot
            digest.update(piece)
            octets += len(piece)
            plain.sendall(piece)
        plain.sendall(b".\r\n")
        expect(replies, b"250")
    return digest.hexdigest(), octets, time.perf_counter() - began


def expect(replies: BinaryIO, code: bytes) -> None:
    """Read one reply."""
    while (line := replies.readline())[3:4] == b"-":
        pass
    if not line.startswith(code):
        raise SystemExit(f"the node said {line!r} instead of {code!r}")


def fetch(port: int, user: str, password: str, octets: int) -> tuple[str, float]:
    """Read the whole message; (SHA-256 of its last `octets` octets, seconds). What stands before are trace fields."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with ExitStack() as stack:
        plain = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), WAIT)))
        sealed = stack.enter_context(closing(context.wrap_socket(plain)))
        replies = stack.enter_context(sealed.makefile("rb", buffering=MIB))
        replies.readline()
        for command in (f'a LOGIN "{user}" "{password}"', "a SELECT INBOX"):
            sealed.sendall(command.encode() + b"\r\n")
            while not (line := replies.readline()).startswith(b"a "):
                pass
            if not line.startswith(b"a OK"):
                raise SystemExit(f"the node said {line!r}")
        began = time.perf_counter()
        sealed.sendall(b"a FETCH * BODY.PEEK[]\r\n")
        while not (found := re.search(rb"BODY\[\] \{(\d+)\}", replies.readline())):
            pass
        trace, digest = int(found[1]) - octets, hashlib.sha256()
        replies.read(trace)
        left = octets
        while left:
            data = replies.read(min(left, MIB))
            if not data:
                raise SystemExit("the connection ended inside the message")
            digest.update(data)
            left -= len(data)
        return digest.hexdigest(), time.perf_counter() - began


def wait_for_offload(log: Path, memory: Memory) -> float:
    """Seconds until the node says that the attachment left the message; memory is looked at meanwhile."""
    began = time.perf_counter()
    while "offload.cut" not in (text := log.read_text("utf-8", "replace")):
        if "offload.failed" in text or time.perf_counter() - began > WAIT or not memory.is_alive():
            raise SystemExit("the attachment did not leave the message:\n" + text[-2000:])
        time.sleep(0.5)
    return time.perf_counter() - began


def measure(folder: Path, size: int) -> dict[str, float]:
    """All figures; memory is the serving process's own, MiB, and its highest in each phase."""
    data = folder / "data"
    command = [str(WAXSEAL), "dev", "--dir", str(data), "--ports", "auto", "--json", "--no-classifier"]
    with (folder / "log").open("wb") as log, ExitStack() as stack:
        first = stack.enter_context(started(command, log))
        first_line(first, folder / "log")  # the first start writes the settings
        end(first)
        settings = data / "waxseal.toml"
        text = re.sub(r"(?m)^#? ?max_message_mib = .*$", "max_message_mib = 2048", settings.read_text())
        settings.write_text(text.replace('level = "warning"', 'level = "info"'))
        node = stack.enter_context(started(command, log))
        said = json.loads(first_line(node, folder / "log"))
        memory = Memory(node.pid)
        memory.start()
        person = said["people"][0]
        figures = {"at rest, MiB": memory.phase()}
        sent, octets, seconds = send(said["ports"]["smtp"], person["address"], size)
        figures |= {"message, MB": round(octets / 1e6), "in by SMTP, MB/s": round(octets / 1e6 / seconds, 1)}
        figures["highest while it comes in, MiB"] = memory.phase()
        seconds = wait_for_offload(folder / "log", memory)
        figures |= {"left the message, s after the 250": round(seconds, 1)}
        figures["highest while it leaves, MiB"] = memory.phase()
        got, seconds = fetch(said["ports"]["imaps"], person["address"], person["app_password"], octets)
        figures |= {"out by IMAP over TLS, MB/s": round(octets / 1e6 / seconds, 1)}
        figures["highest while it goes out, MiB"] = memory.phase()
        end(node)
        if got != sent:
            raise SystemExit("what came out is not what went in")
    return figures


@contextmanager
def started(command: list[str], log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The node; it ends with the context, whatever happened in it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, "NO_COLOR": "1"})
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a node by its process id; once more does nothing."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--mib", type=int, default=1400)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waxseal-"))
    try:
        figures = measure(folder, options.mib * MIB)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not options.json:
        for label, value in figures.items():
            print(f"{label:48}{value:10.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
