"""A few threads with a reading connection each; a query costs one hop and sees one snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import apsw
import outcome
import trio

from node.base.errors import Temporary
from node.base.log import get_log
from node.store.transaction import SHORTAGES, Reading, temporary

log = get_log(__name__)

WAITING = 1024  # queries that may wait; further ones wait for room first
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
    """The reading connections; one thread owns each."""

    def __init__(self, connections: list[apsw.Connection]) -> None:
        self._connections = connections
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._room = trio.Semaphore(WAITING)
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(connection,), name=f"store-reader-{number}", daemon=True)
            for number, connection in enumerate(connections, 1)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, query: Query) -> Any:
        """Run `query` on one snapshot and return its value. Cancelling stops a statement that is running."""
        await self._room.acquire()
        try:
            if self._closed:
                raise Temporary("the mail store is closing: try again once the node is up")
            job = _Job(query, trio.lowlevel.current_task())
            self._queue.put(job)

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

    async def aclose(self) -> None:
        """Answer what waits, then end the threads."""
        self._closed = True
        with trio.CancelScope(shield=True):
            for _ in self._threads:
                self._queue.put(None)
            for thread in self._threads:
                await trio.to_thread.run_sync(thread.join)

    def _run(self, connection: apsw.Connection) -> None:
        reading = Reading(connection)
        job: _Job | None = None
        # Connection.interrupt would miss a statement that is about to start.
        connection.set_progress_handler(lambda: job is not None and job.is_cancelled, STEPS)
        while (job := self._queue.get()) is not None:
            if not job.claim.acquire(blocking=False):
                continue
            job.result = _answer(connection, reading, job.query)
            try:
                self._token.run_sync_soon(_finish, job)
            except trio.RunFinishedError:
                return


def _answer(connection: apsw.Connection, reading: Reading, query: Query) -> outcome.Outcome[Any]:
    try:
        connection.execute("BEGIN DEFERRED")
        return outcome.Value(query(reading))
    except Exception as error:  # noqa: BLE001 - it belongs to the caller
        return outcome.Error(temporary(error) if isinstance(error, SHORTAGES) else error)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _finish(job: _Job) -> None:
    trio.lowlevel.reschedule(job.task, job.result)
