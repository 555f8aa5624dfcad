"""The same IMAP work for our node and for Dovecot, on a mailbox of 10,000 distinct messages, over TLS.

    .venv/bin/python benchmarks/imap.py --peer          # needs root, postfix, dovecot-imapd, dovecot-lmtpd

Each operation is timed at the client, with the CPU time of the server's processes beside it: the first time on a
freshly filled mailbox, and the median of later rounds on new connections. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import peer
import waxseal_node
from imap_wire import Connection, append_command
from messages import large, small
from processes import Processes

BOX = "Bench"
BATCH = 50  # messages appended before the replies are read
ONE_IN = 10  # messages of the large kind
IDLE_NOTICES = 15


@dataclass(frozen=True)
class Subject:
    """A server and how to log in."""

    name: str
    port: int
    user: str
    password: str
    processes: Processes

    def connect(self) -> Connection:
        """A new connection."""
        return Connection(self.port, self.user, self.password)


@dataclass(frozen=True)
class Timing:
    """One operation: wall and CPU milliseconds."""

    ms: float
    cpu_ms: float


Work = Callable[[Connection], object]


def message(number: int) -> bytes:
    """One of the mailbox's messages."""
    return large(number) if number % ONE_IN == 0 else small(number)


def fill(subject: Subject, count: int) -> Timing:
    """Make the mailbox with its messages."""
    connection = subject.connect()
    connection.command(f'CREATE "{BOX}"'.encode())
    spent = cpu = 0.0
    for first in range(0, count, BATCH):
        batch = [message(number) for number in range(first, min(count, first + BATCH))]
        took = timed(subject, partial(connection.append, BOX, batch))
        spent, cpu = spent + took.ms, cpu + took.cpu_ms
    connection.close()
    return Timing(spent, cpu)


def timed(subject: Subject, work: Callable[[], object]) -> Timing:
    """Run and time one piece of work."""
    cpu, began = subject.processes.cpu_seconds(), time.perf_counter()
    work()
    took = time.perf_counter() - began
    return Timing(took * 1000, (subject.processes.cpu_seconds() - cpu) * 1000)


def operations(count: int, round_: int) -> Iterator[tuple[str, Work]]:
    """What is measured, in this order, on a connection that has selected nothing yet."""
    draw = random.Random(round_)
    numbers = [draw.randint(1, count) for _ in range(min(1000, count))]
    last = max(1, count - 999)
    fresh = [small(10_000_000 + round_ * 1000 + number) for number in range(100)]
    yield "SELECT", lambda c: c.command(f'SELECT "{BOX}"'.encode())
    yield "FETCH 1:* (FLAGS)", lambda c: _all(c, b"FETCH 1:* (FLAGS)", count)
    yield "FETCH 1:* (UID ENVELOPE)", lambda c: _all(c, b"FETCH 1:* (UID ENVELOPE)", count)
    yield "FETCH 1:* (UID BODYSTRUCTURE)", lambda c: _all(c, b"FETCH 1:* (UID BODYSTRUCTURE)", count)
    yield "list view of the last 50", lambda c: c.command(b"FETCH %d:* (UID FLAGS ENVELOPE RFC822.SIZE)" % (count - 49))
    yield "1,000 bodies, one command", lambda c: c.command(b"FETCH %d:%d (BODY.PEEK[])" % (last, count))
    yield "1,000 bodies, a command each", lambda c: [c.command(b"FETCH %d (BODY.PEEK[])" % n) for n in numbers]
    yield "SEARCH SUBJECT", lambda c: c.command(b'UID SEARCH SUBJECT "question"')
    yield "STORE 1:1000 +FLAGS", lambda c: c.command(b"STORE 1:1000 +FLAGS (\\Flagged)")
    yield "STORE 1:1000 -FLAGS", lambda c: c.command(b"STORE 1:1000 -FLAGS (\\Flagged)")
    yield "100 APPENDs, one by one", lambda c: [c.command(append_command("Drafts", each)) for each in fresh]


def _all(connection: Connection, command: bytes, count: int) -> None:
    answered = connection.command(command).count(b" FETCH (")
    if answered < count:
        raise SystemExit(f"{command.decode()}: {answered} of {count} messages were answered")


def _note(watcher: Connection, seen: list[float]) -> None:
    seen.append(watcher.idle_until(b" EXISTS", 30))


def idle_notice(subject: Subject) -> float:
    """Median milliseconds from APPEND's OK on one connection to EXISTS on another that idles."""
    watcher, writer = subject.connect(), subject.connect()
    watcher.command(b'SELECT "Drafts"')
    watcher.send(b"IDLE")
    while not watcher.line().startswith(b"+"):
        pass
    delays = []
    for number in range(IDLE_NOTICES):
        seen: list[float] = []
        waiting = threading.Thread(target=_note, args=(watcher, seen))
        waiting.start()
        writer.command(append_command("Drafts", small(20_000_000 + number)))
        done = time.perf_counter()
        waiting.join()
        delays.append(max(0.0, seen[0] - done) * 1000)
    watcher.close()
    writer.close()
    return statistics.median(delays)


def measure(subject: Subject, count: int, rounds: int) -> dict[str, list[Timing]]:
    """Fill, then every operation in every round."""
    found = {f"fill with {count:,} messages": [fill(subject, count)]}
    first = subject.connect()
    first.command(b"STATUS INBOX (MESSAGES)")
    if b'"Drafts"' not in first.command(b'LIST "" "Drafts"').replace(b" Drafts", b' "Drafts"'):
        first.command(b'CREATE "Drafts"')
    first.close()
    for round_ in range(rounds):
        connection = subject.connect()
        for name, work in operations(count, round_):
            found.setdefault(name, []).append(timed(subject, partial(work, connection)))
        connection.close()
    found["IDLE notice after APPEND"] = [Timing(idle_notice(subject), 0.0)]
    return found


def subjects(options: argparse.Namespace, stack: ExitStack) -> list[Subject]:
    """Start what was asked for."""
    found = []
    if not options.only_peer:
        ours = stack.enter_context(waxseal_node.running(classifier=False))
        person = ours.people[0]
        found.append(Subject("waxseal", ours.imaps, person.address, person.password, ours.processes))
    if options.peer or options.only_peer:
        other = stack.enter_context(peer.running())
        found.append(Subject("dovecot", other.imaps, "ann", peer.PASSWORD, other.processes))
    return found


def table(results: dict[str, dict[str, list[Timing]]]) -> Iterator[str]:
    """Lines for people: milliseconds first time / median later, and CPU of the last."""
    names = list(results)
    yield f"{'milliseconds: first, later (CPU)':36}" + "".join(f"{name:>34}" for name in names)
    for operation in results[names[0]]:
        row = f"{operation:36}"
        for name in names:
            first, *later = results[name][operation]
            middle = statistics.median([timing.ms for timing in later] or [first.ms])
            cpu = statistics.median([timing.cpu_ms for timing in later] or [first.cpu_ms])
            row += f"{first.ms:13.1f}{middle:11.1f} ({cpu:5.0f})  "
        yield row


def summary(results: dict[str, dict[str, list[Timing]]]) -> dict[str, dict[str, dict[str, float]]]:
    """The last line."""
    return {
        name: {
            operation: {
                "first_ms": round(timings[0].ms, 2),
                "later_ms": round(statistics.median([timing.ms for timing in timings[1:]] or [timings[0].ms]), 2),
                "cpu_ms": round(statistics.median([timing.cpu_ms for timing in timings[1:]] or [timings[0].cpu_ms]), 1),
            }
            for operation, timings in operations_.items()
        }
        for name, operations_ in results.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--peer", action="store_true", help="measure Dovecot too")
    parser.add_argument("--only-peer", action="store_true", help="measure Dovecot alone")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.messages < 1000:
        parser.error("--messages must be 1,000 or more")
    for wanted, why in (
        (options.peer or options.only_peer, peer.missing()),
        (not options.only_peer, waxseal_node.missing()),
    ):
        if wanted and why:
            raise SystemExit(why)
    with ExitStack() as stack:
        results = {
            subject.name: measure(subject, options.messages, options.rounds) for subject in subjects(options, stack)
        }
    if not options.json:
        print("\n".join(table(results)))
    print(json.dumps(summary(results)))


if __name__ == "__main__":
    main()
