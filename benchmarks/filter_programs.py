"""Waxseal's classifier, SpamAssassin and bogofilter as benchmark subjects (rspamd: `filter_rspamd.py`).

Each learns into a folder of its own and serves from it, on pipes or Unix sockets in that folder; Debian's own services
and their state are neither used nor touched, and processes are ended by their ids.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from processes import Processes

from ai.classifier import Classifier
from ai.data.corpus import Sample
from ai.locate import find_model

START_SECONDS = 90
ANSWER_SECONDS = 60
Judge = Callable[[bytes], float]


class Unanswered(Exception):
    """A filter gave no score for a message."""


@dataclass(frozen=True)
class Server:
    """A running filter: one judge (raw message to score) for each of its workers, and its processes."""

    judges: list[Judge]
    processes: Processes


class Filter(Protocol):
    """A program that gives messages scores; from ``threshold`` on, it says itself, a message is spam."""

    name: str
    threshold: float

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        ...

    def version(self) -> str:
        """Program and version."""
        ...

    def learn(self, folder: Path, samples: Sequence[Sample]) -> None:
        """Learn from labelled messages, keeping everything in ``folder``."""
        ...

    def serving(self, folder: Path, workers: int, cores: Sequence[int]) -> AbstractContextManager[Server]:
        """Serve what was learnt in ``folder`` with ``workers`` processes that may use ``cores`` only."""
        ...


def absent(*programs: str) -> str | None:
    """Which programs are not installed, or None."""
    gone = [name for name in programs if shutil.which(name, path=SEARCH) is None]
    return f"not installed: {', '.join(gone)}" if gone else None


SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


def first_line(*command: str) -> str:
    """The first line that a command says."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=environment())
    return (done.stdout or done.stderr).splitlines()[0].strip()


def environment(home: Path | None = None) -> dict[str, str]:
    """Ours, with the system's programs in the path, and a home without anybody's settings."""
    return {**os.environ, "PATH": SEARCH, "LC_ALL": "C", **({"HOME": str(home)} if home else {})}


def pinned(cores: Sequence[int], *command: str | Path) -> list[str]:
    """The command, bound to some cores."""
    return ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)]


@contextmanager
def started(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that stays in the foreground, its words in ``folder/output``; ended by its id with all its children."""
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=environment(folder)
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            Processes([process.pid]).end(signal.SIGTERM)
        process.wait(10)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when ``ready`` says so; end the run with the log's last words when that does not happen."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise SystemExit(f"{process.args!r} did not start within {START_SECONDS} seconds:\n{said}")
        time.sleep(0.05)


def listens(path: Path) -> bool:
    """Somebody accepts connections on a Unix socket."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    except OSError:
        return False
    return True


def ask(path: Path, request: bytes, *, half_close: bool = True) -> bytes:
    """Send a request over a new connection to a Unix socket; everything that comes back until it is closed."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_SECONDS)
        try:
            client.connect(str(path))
            client.sendall(request)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(1 << 16), b""))
        except OSError as error:
            raise Unanswered(f"{path}: {error}") from error


@contextmanager
def piped(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that answers on standard output what it is asked on standard input, a line each."""
    with (folder / "output").open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            cwd=folder,
            env=environment(folder),
        )
    assert process.stdin
    assert process.stdout
    try:
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def line_of(process: subprocess.Popen[bytes], question: bytes = b"") -> bytes:
    """The next line that a piped program answers."""
    assert process.stdin
    assert process.stdout
    try:
        if question:
            process.stdin.write(question)
        line = b""
        while not line.endswith(b"\n"):
            more = process.stdout.read(1 << 12)
            if not more:
                raise Unanswered(f"{process.args!r} ended")
            line += more
    except OSError as error:
        raise Unanswered(f"{process.args!r}: {error}") from error
    return line


def write_messages(folder: Path, samples: Sequence[Sample], *, spam: bool) -> list[Path]:
    """Put the ham or the spam into files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, sample in enumerate(one for one in samples if one.is_spam is spam):
        paths.append(folder / f"{number:06}.eml")
        paths[-1].write_bytes(sample.raw)
    return paths


class Waxseal:
    """The shipped model (or the one in ``model``), as it is: it learns nothing here. No context: bytes alone."""

    name = "Waxseal"

    def __init__(self, model: Path | None) -> None:
        self._model = find_model(model)
        self.threshold = Classifier.load(self._model).junk if self._model else float("nan")

    def missing(self) -> str | None:
        return None if self._model else "no model in models/; run `make model` or name a folder with --model"

    def version(self) -> str:
        manifest = Classifier.load(self._model).manifest
        return f"Waxseal {manifest.name} of {manifest.created} (mail.onnx {manifest.sha256.get('mail.onnx', '')[:12]})"

    def learn(self, folder: Path, samples: Sequence[Sample]) -> None:
        """Nothing: its training is in the model."""

    @contextmanager
    def serving(self, folder: Path, workers: int, cores: Sequence[int]) -> Iterator[Server]:
        worker = Path(__file__).with_name("filter_worker.py")
        with ExitStack() as stack:
            command = pinned(cores, sys.executable, worker, str(self._model))
            processes = [stack.enter_context(piped(command, folder)) for _ in range(workers)]
            for process in processes:
                line_of(process)
            yield Server([_waxseal_judge(one) for one in processes], Processes([one.pid for one in processes]))


def _waxseal_judge(process: subprocess.Popen[bytes]) -> Judge:
    return lambda raw: float(line_of(process, len(raw).to_bytes(4) + raw))


class Bogofilter:
    """bogofilter with Debian's defaults, many messages a process (`-b`), which spares it starting anew for each."""

    name = "bogofilter"
    threshold = 0.99  # spam_cutoff

    def missing(self) -> str | None:
        return absent("bogofilter", "stdbuf")

    def version(self) -> str:
        return first_line("bogofilter", "-V")

    def learn(self, folder: Path, samples: Sequence[Sample]) -> None:
        for spam, option in ((False, "-n"), (True, "-s")):
            paths = write_messages(folder / f"learn-{option}", samples, spam=spam)
            names = "".join(f"{path}\n" for path in paths)
            command = ["bogofilter", "-d", str(folder), option, "-b"]
            subprocess.run(command, input=names, text=True, check=True, capture_output=True, env=environment(folder))

    @contextmanager
    def serving(self, folder: Path, workers: int, cores: Sequence[int]) -> Iterator[Server]:
        command = pinned(cores, "stdbuf", "-oL", "bogofilter", "-d", folder, "-b", "-TT")
        with ExitStack() as stack:
            processes = [stack.enter_context(piped(command, folder)) for _ in range(workers)]
            judges = [_bogofilter_judge(one, folder / f"message-{n}") for n, one in enumerate(processes)]
            yield Server(judges, Processes([one.pid for one in processes]))


def bogofilter_score(line: bytes) -> float:
    """The spamicity in a line of `bogofilter -b -TT`: the path, a blank, the figure."""
    try:
        return float(line.split()[-1])
    except (IndexError, ValueError):
        raise Unanswered(repr(line)) from None


def _bogofilter_judge(process: subprocess.Popen[bytes], path: Path) -> Judge:
    def judge(raw: bytes) -> float:
        path.write_bytes(raw)
        return bogofilter_score(line_of(process, f"{path}\n".encode()))

    return judge


class SpamAssassin:
    """spamd with Debian's rules and Bayes, local tests only (`-L`); it does not learn from what it judges."""

    name = "SpamAssassin"
    threshold = 5.0  # required_score

    def missing(self) -> str | None:
        return absent("spamd", "sa-learn")

    def version(self) -> str:
        updated = any(Path("/var/lib/spamassassin").glob("[0-9]*"))
        return first_line("spamd", "--version") + (", rules of sa-update" if updated else ", rules of the package")

    def learn(self, folder: Path, samples: Sequence[Sample]) -> None:
        site = folder / "site"
        site.mkdir()
        for file in Path("/etc/spamassassin").glob("*.pre"):
            shutil.copy(file, site)
        (site / "local.cf").write_text(LOCAL_CF.format(folder=folder))
        learn = ["sa-learn", f"--siteconfigpath={site}", "--local"]
        for spam, option in ((False, "--ham"), (True, "--spam")):
            write_messages(folder / f"learn{option}", samples, spam=spam)
            _run(*learn, "--no-sync", option, str(folder / f"learn{option}"), home=folder)
        _run(*learn, "--sync", home=folder)

    @contextmanager
    def serving(self, folder: Path, workers: int, cores: Sequence[int]) -> Iterator[Server]:
        path = folder / "spamd.sock"
        children = [f"--max-children={workers}", f"--min-children={workers}", f"--max-spare={workers}"]
        options = ["--local", "--nouser-config", "--syslog=stderr", f"--siteconfigpath={folder / 'site'}", *children]
        with started(pinned(cores, "spamd", *options, f"--socketpath={path}"), folder) as process:
            wait_until(lambda: listens(path), process, folder / "output")
            yield Server([_spamd_judge(path)] * workers, Processes([process.pid]))


def _run(*command: str, home: Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(home))
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


_SPAM_LINE = re.compile(rb"^Spam: \w+ ; (-?[\d.]+) / -?[\d.]+\r?$", re.MULTILINE)


def spamd_score(reply: bytes) -> float:
    """The score in spamd's answer to CHECK, a multiple of 0.1."""
    found = _SPAM_LINE.search(reply)
    if not reply.startswith(b"SPAMD/") or not found:
        raise Unanswered(repr(reply[:100]))
    return float(found[1])


def _spamd_judge(path: Path) -> Judge:
    return lambda raw: spamd_score(ask(path, b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(raw) + raw))


# Files that everybody may write: started by root, spamd's children become nobody.
LOCAL_CF = """
use_bayes 1
bayes_path {folder}/bayes
bayes_file_mode 0777
bayes_auto_learn 0
bayes_auto_expire 0
dns_available no
"""
