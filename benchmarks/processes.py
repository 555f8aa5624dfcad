"""A server's processes: the CPU time they used, children that already ended included, and how they are ended."""

from __future__ import annotations

import contextlib
import signal

import psutil


class Processes:
    """The trees below some process ids."""

    def __init__(self, roots: list[int]) -> None:
        self._roots = [psutil.Process(pid) for pid in roots]

    def cpu_seconds(self) -> float:
        """User and system time of every process, and of children that were waited for."""
        total = 0.0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def resident_mib(self) -> float:
        """Proportional set size of them all, MiB."""
        total = 0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 2**20

    def summed_mib(self) -> float:
        """Sum of their resident set sizes, MiB: pages that several of them share count in each."""
        total = 0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 2**20

    def end(self, by: signal.Signals) -> None:
        """Signal the roots, wait, and kill what is left of their trees after 10 seconds."""
        every = self._all()
        for process in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(by)
        for process in psutil.wait_procs(every, timeout=10)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, timeout=5)

    def _all(self) -> list[psutil.Process]:
        found = []
        for process in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [process, *process.children(recursive=True)]
        return found
