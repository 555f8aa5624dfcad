"""A few threads with a reading connection each; a query costs one hop and sees one snapshot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import apsw
import outcome
import trio

from node.base.errors import Temporary
from node.base.log import get_log
from node.store.transaction import SHORTAGES, Reading, temporary

log = get_log(__name__)

WAITING = 1024  # queries that may wait; further ones wait for room first
TOGETHER = 32  # answers that go back at once, at most; those that are ready wait for a few short queries
HELD_UP_SECONDS = 0.002  # with one query, and another thread helps
STEPS = 20_000  # of SQLite's machine, a few milliseconds, between two looks whether the query is still wanted

Query = Callable[[Reading], Any]


class _Job:
    """One query under way. `claim` is taken by the thread that runs it or by the caller that withdraws it."""

    __slots__ = ("claim", "is_cancelled", "query", "result", "task")

    def __init__(self, query: Query, task: trio.lowlevel.Task) -> None:
        self.query = query
        self.task = task
        self.claim = threading.Lock()
        self.is_cancelled = False
        self.result: outcome.Outcome[Any] = outcome.Value(None)


class Readers:
    """The reading connections; one thread owns each.

    The first thread answers, and the others help where a query holds it up. Short queries are mostly Python: two
    threads that run them side by side do little but take the interpreter's lock from each other.
    """

    def __init__(self, connections: list[apsw.Connection]) -> None:
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._calls: SimpleQueue[bool] = SimpleQueue()  # for help; False: go home
        self._room = trio.Semaphore(WAITING)
        self._closed = False
        token = trio.lowlevel.current_trio_token()
        self._first, *helpers = [_Reader(self._queue, connection, token) for connection in connections]
        targets: list[Callable[[], None]] = [
            self._first.run,
            *(partial(helper.help, self._first, self._calls) for helper in helpers),
        ]
        self._threads = [
            threading.Thread(target=target, name=f"store-reader-{number}", daemon=True)
            for number, target in enumerate(targets, 1)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, query: Query) -> Any:
        """Run `query` on one snapshot and return its value. Cancelling stops a statement that is running."""
        if self._room.value:
            self._room.acquire_nowait()  # spares a turn of the scheduler: the wait below is one
        else:
            await self._room.acquire()
        try:
            if self._closed:
                raise Temporary("the mail store is closing: try again once the node is up")
            job = _Job(query, trio.lowlevel.current_task())
            self._put(job)

            def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
                if job.claim.acquire(blocking=False):
                    return trio.lowlevel.Abort.SUCCEEDED
                job.is_cancelled = True
                return trio.lowlevel.Abort.FAILED

            try:
                return await trio.lowlevel.wait_task_rescheduled(withdraw)
            except apsw.InterruptError:
                await trio.lowlevel.checkpoint_if_cancelled()
                raise
        finally:
            self._room.release()

    def _put(self, job: _Job) -> None:
        if self._first.is_idle:
            self._first.is_idle = False
        elif not self._calls.qsize():
            self._calls.put(True)
        self._queue.put(job)

    async def aclose(self) -> None:
        """Answer what waits, then end the threads."""
        self._closed = True
        with trio.CancelScope(shield=True):
            for _ in self._threads:
                self._queue.put(None)
                self._calls.put(False)
            for thread in self._threads:
                await trio.to_thread.run_sync(thread.join)


class _Reader:
    """What one thread does, and the connection it owns.

    Attributes:
        is_idle: true while nothing is to be done; whoever brings work sets it to false.
        answered: how many queries so far.
    """

    def __init__(
        self, queue: SimpleQueue[_Job | None], connection: apsw.Connection, token: trio.lowlevel.TrioToken
    ) -> None:
        self.is_idle = False
        self.answered = 0
        self._queue = queue
        self._connection = connection
        self._reading = Reading(connection)
        self._token = token
        self._job: _Job | None = None
        self._done: list[_Job] = []
        connection.set_progress_handler(self._look_up, STEPS)

    def run(self) -> None:
        """Answer queries until told to end."""
        while (job := self._next()) is not None:
            self._answer(job)
        self._hand_back()
        self.is_idle = True

    def help(self, first: _Reader, calls: SimpleQueue[bool]) -> None:
        """Answer queries while `first` is held up by a long one; called when it is at work and more comes."""
        while calls.get():
            while not first.is_idle:
                before = first.answered
                time.sleep(HELD_UP_SECONDS)
                while first.answered == before and not first.is_idle:
                    if (job := self._next()) is None:
                        self._hand_back()
                        return
                    self._answer(job)
                self._hand_back()

    def _next(self) -> _Job | None:
        """The next query; before waiting for one, what is answered goes back."""
        try:
            return self._queue.get(block=False)
        except Empty:
            self._hand_back()
        self.is_idle = True
        job = self._queue.get()
        self.is_idle = False
        return job

    def _answer(self, job: _Job) -> None:
        if not job.claim.acquire(blocking=False):
            return
        self._job = job
        job.result = _answer(self._connection, self._reading, job.query)
        self._job = None
        self._done.append(job)
        self.answered += 1
        if len(self._done) >= TOGETHER:
            self._hand_back()

    def _look_up(self) -> bool:
        """Called while a query takes long: earlier answers need not wait for it, and perhaps nobody wants it any more.

        Connection.interrupt would miss a statement that is about to start.
        """
        self._hand_back()
        return self._job is not None and self._job.is_cancelled

    def _hand_back(self) -> None:
        """Wake Trio's thread once for several answers: waking it costs more than most queries do."""
        if self._done:
            done, self._done = self._done, []
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(_finish, done)


def _answer(connection: apsw.Connection, reading: Reading, query: Query) -> outcome.Outcome[Any]:
    try:
        connection.execute("BEGIN DEFERRED")
        return outcome.Value(query(reading))
    except Exception as error:  # noqa: BLE001 - it belongs to the caller
        return outcome.Error(temporary(error) if isinstance(error, SHORTAGES) else error)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _finish(jobs: list[_Job]) -> None:
    for job in jobs:
        trio.lowlevel.reschedule(job.task, job.result)
