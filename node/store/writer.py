"""Group commit: one thread takes every waiting unit of work, runs each in a savepoint, and pays one fsync for all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import apsw
import outcome
import trio

from node.base.errors import Temporary
from node.base.log import get_log
from node.store.transaction import SHORTAGES, Writing, temporary

log = get_log(__name__)

BATCH = 256  # units of work that share a commit at most
BATCH_SECONDS = 0.02  # of work after which a batch is committed though more wait
WAITING = 1024  # units of work that may wait; further writers wait for room first

Work = Callable[[Writing], Any]


class Unit:
    """One unit of work on its way: who waits for it, and how it ended.

    `claim` is taken by whoever owns the unit's fate: the writer that runs it, or the waiter that withdraws it.
    """

    __slots__ = ("afters", "claim", "result", "task", "touched", "work")

    def __init__(self, work: Work, task: trio.lowlevel.Task) -> None:
        self.work = work
        self.task = task
        self.claim = threading.Lock()
        self.result: outcome.Outcome[Any] | None = None
        self.touched: set[int] = set()
        self.afters: list[Callable[[], None]] = []


class Writer:
    """The thread that owns the one writing connection.

    Args:
        connection: nobody else uses it from now on.
        committed: called in the Trio thread with the accounts a batch touched, before its waiters go on.
    """

    def __init__(self, connection: apsw.Connection, committed: Callable[[set[int]], None]) -> None:
        self._connection = connection
        self._tx = Writing(connection)
        self._committed = committed
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._room = trio.Semaphore(WAITING)
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False
        self._ending = False  # the writer's thread alone reads and sets it
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Work) -> Any:
        """Run `work` in a transaction and return its value once that is on disk.

        Cancelled while it waits, the work is not done at all; cancelled while it runs, it is awaited to the end.
        """
        if self._room.value:
            self._room.acquire_nowait()  # spares a turn of the scheduler: the wait below is one
        else:
            await self._room.acquire()
        try:
            if self._closed:
                raise Temporary("the mail store is closing: try again once the node is up")
            unit = Unit(work, trio.lowlevel.current_task())
            self._queue.put(unit)

            def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
                taken = unit.claim.acquire(blocking=False)
                return trio.lowlevel.Abort.SUCCEEDED if taken else trio.lowlevel.Abort.FAILED

            return await trio.lowlevel.wait_task_rescheduled(withdraw)
        finally:
            self._room.release()

    async def aclose(self) -> None:
        """Commit what waits, then end the thread."""
        self._closed = True
        self._queue.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        backlog: deque[Unit] = deque()
        while self._fill(backlog):
            batch = self._transact(backlog)
            try:
                self._token.run_sync_soon(self._finish, batch)
            except trio.RunFinishedError:
                return
            for unit in batch:
                _follow_up(unit)

    def _fill(self, backlog: deque[Unit]) -> bool:
        """Take what waits; block when nothing does. False when closed and everything is done."""
        while len(backlog) < BATCH and not self._ending:
            try:
                unit = self._queue.get(block=not backlog)
            except Empty:
                break
            if unit is None:
                self._ending = True
            else:
                backlog.append(unit)
        return bool(backlog)

    def _transact(self, backlog: deque[Unit]) -> list[Unit]:
        """Run and commit units from the backlog's head. Every unit returned knows how it ended."""
        batch: list[Unit] = []
        latest = time.perf_counter() + BATCH_SECONDS
        try:
            self._sql("BEGIN IMMEDIATE")
            while backlog and (not batch or time.perf_counter() < latest):
                unit = backlog.popleft()
                if unit.claim.acquire(blocking=False):
                    batch.append(unit)
                    self._run_one(unit)
                    if not self._connection.in_transaction:
                        self._rescue(batch)
                        return batch
            self._sql("COMMIT")
        except Exception as error:  # noqa: BLE001 - a waiter must never wait for a dead thread
            if not batch:
                batch = [unit for unit in backlog if unit.claim.acquire(blocking=False)]
                backlog.clear()
            self._give_up(batch, error)
        return batch

    def _run_one(self, unit: Unit) -> None:
        """Run one unit in a savepoint: what it raises undoes its own work alone."""
        self._tx.start()
        self._sql("SAVEPOINT unit")
        try:
            unit.result = outcome.Value(unit.work(self._tx))
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller, and this thread must live on
            unit.result = outcome.Error(temporary(error) if isinstance(error, SHORTAGES) else error)
            if self._connection.in_transaction:
                self._sql("ROLLBACK TO unit")
        else:
            unit.touched, unit.afters = self._tx.touched, self._tx.afters
        if self._connection.in_transaction:
            self._sql("RELEASE unit")

    def _rescue(self, batch: list[Unit]) -> None:
        """A unit took the transaction down, as SQLite does on a full disk: run those before it again, each alone."""
        for unit in batch[:-1]:
            if isinstance(unit.result, outcome.Error):
                continue
            try:
                self._sql("BEGIN IMMEDIATE")
                self._run_one(unit)
                if self._connection.in_transaction:
                    self._sql("COMMIT")
            except Exception as error:  # noqa: BLE001 - a waiter must never wait for a dead thread
                self._give_up([unit], error)

    def _give_up(self, batch: list[Unit], error: Exception) -> None:
        """Nothing was committed: nobody is told success."""
        shown = temporary(error) if isinstance(error, SHORTAGES) else error
        log.error("store.commit.failed", units=len(batch), error=repr(error))
        for unit in batch:
            if not isinstance(unit.result, outcome.Error):
                unit.result = outcome.Error(shown)
                unit.touched, unit.afters = set(), []
        if self._connection.in_transaction:
            try:
                self._sql("ROLLBACK")
            except apsw.Error as failure:
                log.exception("store.rollback.failed", error=repr(failure))

    def _finish(self, batch: list[Unit]) -> None:
        """In the Trio thread: wake the watchers, let the waiters go on."""
        self._committed(set().union(*(unit.touched for unit in batch)))
        for unit in batch:
            trio.lowlevel.reschedule(unit.task, unit.result or outcome.Value(None))

    def _sql(self, text: str) -> None:
        self._connection.execute(text)


def _follow_up(unit: Unit) -> None:
    for action in unit.afters:
        try:
            action()
        except OSError as error:
            log.warning("store.after.failed", error=repr(error))
