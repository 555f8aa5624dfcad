"""Durable inbound mail: messages a second and CPU milliseconds a message, beside Postfix -> Dovecot fed the same mail.

    .venv/bin/python benchmarks/inbound.py --peer            # needs root, postfix, dovecot-imapd, dovecot-lmtpd
    .venv/bin/python benchmarks/inbound.py --classifier off

A message counts when it lies in the mailbox: for our node the 250 says so (checked over IMAP afterwards), for the peer
the clock runs until every accepted message is in its maildir. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import peer
import waxseal_node
from imap_wire import Connection, ImapError
from processes import Processes

SENDER = Path(__file__).with_name("sender.py")
COUNTS = {"4k": 1500, "40k": 500}
WARM_UP = 100
SETTLE_SECONDS = 120


@dataclass(frozen=True)
class Subject:
    """A server under load: where mail goes, and how many messages are durably there."""

    name: str
    port: int
    recipients: list[str]
    processes: Processes
    stored: Callable[[], int]


@dataclass(frozen=True)
class Figure:
    """One measurement."""

    subject: str
    size: str
    messages: int
    refused: int
    per_second: float
    cpu_ms: float
    median_ms: float
    p99_ms: float


def measure(subject: Subject, size: str, first: int, count: int, options: argparse.Namespace) -> Figure:
    """Send `count` messages, numbered from `first`, and wait until all accepted ones are stored."""
    before, cpu = subject.stored(), subject.processes.cpu_seconds()
    sent = _send(subject, size, first, count, options)
    stored = subject.stored() - before
    while stored < sent["accepted"] and time.monotonic() < sent["began"] + SETTLE_SECONDS:
        time.sleep(0.02)
        stored = subject.stored() - before
    elapsed = max(sent["seconds"], time.monotonic() - sent["began"]) if subject.name == "peer" else sent["seconds"]
    if stored != sent["accepted"]:
        raise SystemExit(f"{subject.name}: {sent['accepted']} messages were accepted, {stored} are in the mailboxes")
    used = subject.processes.cpu_seconds() - cpu
    if sent["refused"]:
        print(f"  {subject.name} refused {sent['refused']}: {sent['first_refusals']}", file=sys.stderr)
    return Figure(
        subject.name,
        size,
        stored,
        int(sent["refused"]),
        stored / elapsed,
        used / max(stored, 1) * 1000,
        sent["median_ms"],
        sent["p99_ms"],
    )


def _send(subject: Subject, size: str, first: int, count: int, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, str(SENDER), "--port", str(subject.port), "--size", size, "--to", *subject.recipients]
    command += ["--first", str(first), "--count", str(count), "--seconds", str(options.seconds)]
    command += ["--connections", str(options.connections), "--per-connection", str(options.per_connection)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=options.seconds + 300)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _in_mailboxes(running: waxseal_node.Node) -> Callable[[], int]:
    """Messages in the folders mail is delivered to, asked over IMAP."""

    def stored() -> int:
        total = 0
        for person in running.people:
            connection = Connection(running.imaps, person.address, person.password)
            for folder in ("INBOX", "Junk"):
                try:
                    said = connection.command(f'STATUS "{folder}" (MESSAGES)'.encode())
                except ImapError:
                    continue
                total += int(said.rpartition(b"MESSAGES ")[2].partition(b")")[0])
            connection.close()
        return total

    return stored


def subjects(options: argparse.Namespace, stack: ExitStack) -> list[Subject]:
    """Start what was asked for. All run side by side and are measured in turn, so they meet the same weather."""
    found = []
    if options.peer:
        ours = stack.enter_context(peer.running())
        people = [f"{name}@{peer.DOMAIN}" for name in ("ann", "ben")]
        found.append(Subject("peer", ours.smtp, people, ours.processes, ours.stored))
    for classifier in {"on": [True], "off": [False], "both": [False, True], "none": []}[options.classifier]:
        running = stack.enter_context(waxseal_node.running(classifier=classifier))
        people = [person.address for person in running.people]
        name = "filtered" if classifier else "plain"
        found.append(Subject(name, running.smtp, people, running.processes, _in_mailboxes(running)))
    return found


def run(options: argparse.Namespace) -> list[Figure]:
    """Every subject, every size, several rounds in turn; the median round of each."""
    rounds: dict[tuple[str, str], list[Figure]] = {}
    with ExitStack() as stack:
        every = subjects(options, stack)
        number = 0
        for size in options.sizes:
            for subject in every:
                measure(subject, size, number, WARM_UP, options)
            number += WARM_UP
            count = options.count or COUNTS[size]
            for _ in range(options.rounds):
                for subject in every:
                    figure = measure(subject, size, number, count, options)
                    rounds.setdefault((subject.name, size), []).append(figure)
                    _say(options, figure)
                number += count
    return [_median(figures) for figures in rounds.values()]


def _median(figures: list[Figure]) -> Figure:
    middle = statistics.median_low(figure.per_second for figure in figures)
    return next(figure for figure in figures if figure.per_second == middle)


def _say(options: argparse.Namespace, figure: Figure) -> None:
    if not options.json:
        print(
            f"{figure.subject:9} {figure.size:4} {figure.messages:5} messages {figure.per_second:7.0f} /s"
            f" {figure.cpu_ms:7.2f} ms CPU each, answered in {figure.median_ms:.0f} ms (99 %: {figure.p99_ms:.0f})",
            flush=True,
        )


def summary(figures: list[Figure]) -> dict[str, object]:
    """The last line: each ratio is ours to the peer's messages a second; the peer has no filter in either."""
    found = {(figure.subject, figure.size): figure for figure in figures}
    result: dict[str, object] = {}
    for kind in ("plain", "filtered"):
        ours = {size: figure for (subject, size), figure in found.items() if subject == kind}
        result[f"per_second_{kind}"] = {size: round(figure.per_second, 1) for size, figure in ours.items()}
        result[f"cpu_ms_{kind}"] = {size: round(figure.cpu_ms, 2) for size, figure in ours.items()}
        result[f"ratio_{kind}"] = {
            size: round(figure.per_second / found["peer", size].per_second, 2)
            for size, figure in ours.items()
            if ("peer", size) in found
        }
    others = [figure for figure in figures if figure.subject == "peer"]
    result["per_second_peer"] = {figure.size: round(figure.per_second, 1) for figure in others}
    result["cpu_ms_peer"] = {figure.size: round(figure.cpu_ms, 2) for figure in others}
    return {**result, "figures": [asdict(figure) for figure in figures]}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--peer", action="store_true", help="measure Postfix -> Dovecot too")
    parser.add_argument(
        "--classifier", choices=("on", "off", "both", "none"), default="both", help="none: only the peer"
    )
    parser.add_argument("--sizes", nargs="+", choices=sorted(COUNTS), default=sorted(COUNTS, reverse=True))
    parser.add_argument("--count", type=int, help=f"messages a round, {COUNTS} otherwise")
    parser.add_argument("--seconds", type=float, default=120, help="start no message later than that in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--per-connection", type=int, default=20)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    for wanted, why in ((options.peer, peer.missing()), (options.classifier != "none", waxseal_node.missing())):
        if wanted and why:
            raise SystemExit(why)
    print(json.dumps(summary(run(options))))


if __name__ == "__main__":
    main()
