"""Group commit: what is acknowledged is kept, what fails fails alone, cancelling never halves anything."""

from __future__ import annotations

import resource
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest
import trio
import trio.testing

from node.base.address import Address
from node.base.errors import Temporary
from node.store import accounts, domains
from node.store import database as database_module
from node.store.accounts import Account
from node.store.database import Database, Reading, Writing

pytestmark = pytest.mark.anyio


def endless(tx: Reading) -> None:
    tx._cursor.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    ).fetchall()


def writer_of(database: Database) -> apsw.Connection:
    return database._writer._connection


async def test_many_writers_share_commits(database: Database) -> None:
    commits = 0

    def count(_connection: object) -> bool:
        nonlocal commits
        commits += 1
        return False

    writer_of(database).set_commit_hook(lambda: count(None))
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(database.write, lambda tx, n=number: domains.add(tx, f"d{n}.example"))
    assert len(await database.read(domains.listing)) == 200
    assert commits < 20


async def test_a_unit_that_raises_undoes_its_own_work_alone(database: Database) -> None:
    def bad(tx: Writing) -> None:
        domains.add(tx, "bad.example")
        raise KeyError("mine")

    async def fail() -> None:
        with pytest.raises(KeyError, match="mine"):
            await database.write(bad)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(database.write, lambda tx, n=number: domains.add(tx, f"d{n}.example"))
            nursery.start_soon(fail)
    listed = await database.read(domains.listing)
    assert len(listed) == 20
    assert "bad.example" not in listed


async def test_a_value_comes_back_and_a_read_sees_it_at_once(database: Database) -> None:
    assert await database.write(lambda tx: domains.add(tx, "a.example") or 42) == 42
    assert await database.read(lambda tx: domains.exists(tx, "a.example"))


async def test_a_read_is_one_snapshot(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def twice(tx: Reading) -> tuple[int, int]:
        before = len(domains.listing(tx))
        inside.set()
        assert go_on.wait(10)
        return before, len(domains.listing(tx))

    result: list[tuple[int, int]] = []

    async def read() -> None:
        result.append(await database.read(twice))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.to_thread.run_sync(inside.wait)
        await database.write(lambda tx: domains.add(tx, "a.example"))
        go_on.set()
    assert result == [(0, 0)]


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(Temporary):  # a read-only connection, to SQLite
        await database.read(lambda tx: domains.add(tx, "a.example"))  # type: ignore[arg-type]


async def test_a_withdrawn_unit_is_not_done(database: Database) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(tx: Writing) -> None:
        running.set()
        assert go_on.wait(10)
        domains.add(tx, "slow.example")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.write, slow)
        await trio.to_thread.run_sync(running.wait)
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.write(lambda tx: domains.add(tx, "cancelled.example"))
        assert scope.cancelled_caught
        go_on.set()
    assert await database.read(domains.listing) == ["slow.example"]


async def test_a_unit_cancelled_while_it_runs_is_done_whole(database: Database) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(tx: Writing) -> None:
        running.set()
        assert go_on.wait(10)
        domains.add(tx, "a.example")
        domains.add(tx, "b.example")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.write, slow)
        await trio.to_thread.run_sync(running.wait)
        nursery.cancel_scope.cancel()
        go_on.set()
    assert await database.read(domains.listing) == ["a.example", "b.example"]


async def test_a_cancelled_query_stops(database: Database) -> None:
    started = threading.Event()

    def begun(tx: Reading) -> None:
        started.set()
        endless(tx)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.read, begun)
        await trio.to_thread.run_sync(started.wait)
        nursery.cancel_scope.cancel()
    assert await database.read(domains.listing) == []


async def test_a_long_query_holds_nobody_up(database: Database) -> None:
    running, go_on = threading.Event(), threading.Event()

    def long(_tx: Reading) -> None:
        running.set()
        go_on.wait()

    async with trio.open_nursery() as nursery:
        for query in (domains.listing, long, *[domains.listing] * 5):
            nursery.start_soon(database.read, query)
        await trio.to_thread.run_sync(running.wait)
        for _ in range(5):
            assert await database.read(domains.listing) == []
        go_on.set()


async def test_an_answer_does_not_wait_for_a_long_query_behind_it(tmp_path: Path) -> None:
    answered, go_on = trio.Event(), threading.Event()

    async def short() -> None:
        assert await database.read(domains.listing) == []
        answered.set()

    async with Database.open(tmp_path / "one.sqlite", readers=1) as database, trio.open_nursery() as nursery:
        for start in (partial(database.read, lambda _tx: go_on.wait()), short, partial(database.read, endless)):
            nursery.start_soon(start)
            await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        await answered.wait()
        nursery.cancel_scope.cancel()


async def test_watchers_hear_of_commits_that_touch_them(database: Database, account: Account) -> None:
    other = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    async with (
        database.watch(account.id) as mine,
        database.watch(other.id) as others,
        database.watch_all() as everybodys,
    ):
        await database.write(lambda tx: tx.touch(account.id))
        await database.write(lambda tx: tx.touch(account.id))
        with trio.fail_after(5):
            await mine.wait()  # both at once
            await everybodys.wait()
        for quiet in (mine, others, everybodys):
            with trio.move_on_after(0) as scope:
                await quiet.wait()
            assert scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            nursery.start_soon(mine.wait)
            await trio.testing.wait_all_tasks_blocked()
            await database.write(lambda tx: tx.touch(account.id))
    assert not database._watches


async def test_a_failed_unit_wakes_nobody(database: Database, account: Account) -> None:
    def bad(tx: Writing) -> None:
        tx.touch(account.id)
        raise KeyError

    async with database.watch(account.id) as watch:
        with pytest.raises(KeyError):
            await database.write(bad)
        with trio.move_on_after(0) as scope:
            await watch.wait()
        assert scope.cancelled_caught


async def test_what_comes_after_a_commit_waits_for_it(database: Database, tmp_path: Path) -> None:
    doomed, kept = tmp_path / "doomed", tmp_path / "kept"
    doomed.touch()
    kept.touch()

    def bad(tx: Writing) -> None:
        tx.after(kept.unlink)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(bad)
    await database.write(lambda tx: tx.after(doomed.unlink))
    await database.write(lambda tx: None)  # the writer has dealt with the batch before
    assert kept.exists()
    assert not doomed.exists()


async def test_a_full_disk_is_temporary_and_the_neighbours_are_kept(database: Database) -> None:
    connection = writer_of(database)
    pages = connection.pragma("page_count")
    connection.pragma("max_page_count", pages + 30)

    def fill(tx: Writing) -> None:
        for number in range(3000):
            domains.add(tx, f"{'x' * 60}.{'y' * 60}.{number}.example")

    outcomes: list[str] = []

    async def small(number: int) -> None:
        await database.write(lambda tx: domains.add(tx, f"small{number}.example"))
        outcomes.append("kept")

    async def large() -> None:
        with pytest.raises(Temporary, match="full"):
            await database.write(fill)
        outcomes.append("refused")

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(small, number)
        nursery.start_soon(large)
        for number in range(5, 10):
            nursery.start_soon(small, number)
    assert sorted(outcomes) == ["kept"] * 10 + ["refused"]
    assert await database.read(domains.listing) == [f"small{number}.example" for number in range(10)]
    connection.pragma("max_page_count", 1 << 30)
    await database.write(fill)  # space again, and the mail comes in


async def test_units_before_one_that_takes_the_transaction_down_are_done_again(database: Database) -> None:
    """SQLite rolls a whole transaction back on some errors; here a unit does what SQLite would do."""
    connection = writer_of(database)
    times: list[int] = []

    def counted(tx: Writing, number: int) -> int:
        times.append(number)
        domains.add(tx, f"d{number}.example")
        return number

    def breaks(_tx: Writing) -> None:
        connection.execute("ROLLBACK")
        raise apsw.FullError("database or disk is full")

    def refuses(_tx: Writing) -> None:
        raise KeyError("mine")

    results: list[object] = []

    async def run(work: Callable[[Writing], object]) -> None:
        try:
            results.append(await database.write(work))
        except (Temporary, KeyError) as error:
            results.append(type(error))

    hold = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.write, lambda _tx: hold.wait(10))
        await trio.testing.wait_all_tasks_blocked()
        one, two, three = (partial(counted, number=number) for number in (1, 2, 3))
        for work in (one, two, refuses, breaks, three):
            nursery.start_soon(run, work)
            await trio.testing.wait_all_tasks_blocked()
        hold.set()
    assert set(results) == {1, 2, 3, Temporary, KeyError}
    assert times == [1, 2, 1, 2, 3]
    assert await database.read(domains.listing) == ["d1.example", "d2.example", "d3.example"]


async def test_a_file_size_limit_is_temporary(tmp_path: Path) -> None:
    """The kernel refuses to let a file grow, as a full disk does; in a process of its own, since the limit is final."""
    program = """
        import resource, signal, sys
        from pathlib import Path
        import trio
        from node.base.errors import Temporary
        from node.store import domains
        from node.store.database import Database

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        async def main():
            async with Database.open(Path(sys.argv[1])) as database:
                await database.write(lambda tx: domains.add(tx, "before.example"))
                resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
                def fill(tx):
                    for n in range(20_000):
                        domains.add(tx, f"{'x' * 60}.{'y' * 60}.{n}.example")
                try:
                    await database.write(fill)
                except Temporary as error:
                    print("temporary", flush=True)
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                await database.write(lambda tx: domains.add(tx, "after.example"))
                print(*await database.read(domains.listing))

        trio.run(main)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "waxseal.db")]
    done = await trio.run_process(arguments, capture_stdout=True, stderr=subprocess.DEVNULL)
    # The first line may be the log's: a database is made anew.
    assert done.stdout.decode().splitlines()[-2:] == ["temporary", "after.example before.example"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


async def test_a_locked_database_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_MS", 50)
    path = tmp_path / "waxseal.db"
    async with Database.open(path) as database:
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary, match="locked"):
            await database.write(lambda tx: domains.add(tx, "a.example"))
        assert await database.read(domains.listing) == []
        other.execute("ROLLBACK")
        await database.write(lambda tx: domains.add(tx, "a.example"))
        assert await database.read(domains.listing) == ["a.example"]
        other.close()


async def test_a_commit_that_fails_is_told_to_everybody(database: Database) -> None:
    connection = writer_of(database)
    connection.set_commit_hook(lambda: True)  # SQLite turns the commit into a rollback

    async def refused(number: int) -> None:
        with pytest.raises(apsw.ConstraintError):
            await database.write(lambda tx: domains.add(tx, f"d{number}.example"))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(refused, number)
    connection.set_commit_hook(None)
    assert await database.read(domains.listing) == []
    await database.write(lambda tx: domains.add(tx, "a.example"))


async def test_closing_commits_what_waits_and_refuses_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "waxseal.db"
    async with trio.open_nursery() as nursery, Database.open(path) as database:
        for number in range(10):
            nursery.start_soon(database.write, lambda tx, n=number: domains.add(tx, f"d{n}.example"))
        await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(Temporary):
        await database.write(lambda tx: None)
    with pytest.raises(Temporary):
        await database.read(lambda tx: None)
    async with Database.open(path) as again:
        assert len(await again.read(domains.listing)) == 10


async def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "waxseal.db"
    async with Database.open(path) as database:
        await database.write(lambda tx: domains.add(tx, "a.example"))
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
