"""Work on many things at once, results in the order of the things; a bounded number under way."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4  # things taken for each worker before their results are


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[T], R], things: Iterable[T], workers: int) -> Iterator[R]:
    """Yield ``work(thing)`` for each, as soon as it and all before it are done, also while the next thing is awaited.

    What `work` or `things` raises is raised here.
    """
    line: queue.Queue[Future[R] | None] = queue.Queue(AHEAD * workers)
    stopped = threading.Event()

    def put(item: Future[R] | None) -> None:
        while not stopped.is_set():
            try:
                line.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def feed() -> None:
        try:
            for thing in things:
                put(pool.submit(work, thing))
                if stopped.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the reader
            failed: Future[R] = Future()
            failed.set_exception(error)
            put(failed)
        put(None)

    with ThreadPoolExecutor(workers) as pool:
        # A daemon: it may hang in a read of standard input when nobody wants results any more.
        threading.Thread(target=feed, daemon=True).start()
        try:
            while (future := line.get()) is not None:
                yield future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
