"""Our own node as a benchmark subject: started by its command line in a temporary folder, ended by its process id."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import Processes

START_SECONDS = 60  # the first start makes keys and deploys the contract
WAXSEAL = Path(sys.executable).with_name("waxseal")


@dataclass(frozen=True)
class Person:
    """Somebody with a mailbox."""

    address: str
    password: str


@dataclass(frozen=True)
class Node:
    """A running node: its ports on 127.0.0.1, its people, its processes."""

    smtp: int
    imaps: int
    people: list[Person]
    processes: Processes


def missing() -> str | None:
    """Why the node cannot run here, or None."""
    return None if WAXSEAL.exists() else f"{WAXSEAL} is not there: run `make setup` and use .venv/bin/python"


@contextmanager
def running(*, classifier: bool) -> Iterator[Node]:
    """Start `waxseal dev` in a temporary folder; stop it with SIGTERM and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="waxseal-"))
    log = (folder / "log").open("wb")
    command = [str(WAXSEAL), "dev", "--dir", str(folder / "data"), "--ports", "auto", "--json"]
    if not classifier:
        command.append("--no-classifier")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, "NO_COLOR": "1"})
    try:
        said = json.loads(first_line(process, folder / "log"))
        people = [Person(person["address"], person["app_password"]) for person in said["people"]]
        yield Node(said["ports"]["smtp"], said["ports"]["imaps"], people, Processes([process.pid]))
    finally:
        if process.poll() is None:
            Processes([process.pid]).end(signal.SIGTERM)
        process.wait(10)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def first_line(process: subprocess.Popen[bytes], log: Path) -> bytes:
    """What the node says when it is ready; what it logged, when it does not come to that."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise SystemExit(f"the node did not start within {START_SECONDS} seconds:\n{log.read_text()[-2000:]}")
    return line
