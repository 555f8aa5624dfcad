"""A directory in an SQL database, only read: a query a question, in a thread, bounded in time and number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from node.base.config_sql import SqlDirectory
from node.base.errors import ConfigError, Temporary
from node.base.log import get_log
from node.net.listing_elsewhere import Listed

log = get_log(__name__)

AT_ONCE = 4  # connections, those included that never come back
MAX_ADDRESSES = 100  # of a person
MAX_MEMBERS = 1000  # of a group


class SqlSource:
    """Asks an SQL database whose an address is.

    Raises:
        ConfigError: the URL is none, its driver is not installed, or the password cannot be read.
    """

    def __init__(self, settings: SqlDirectory) -> None:
        self._settings = settings
        self._threads = trio.CapacityLimiter(AT_ONCE)
        try:
            url = make_url(settings.url)
            if settings.password_file is not None:
                url = url.set(password=settings.password_file.read_text("utf-8").strip())
            self._engine = create_engine(url, poolclass=NullPool)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            # The URL itself is not repeated: it may hold a password after all.
            raise ConfigError(
                f"sql_directory.url cannot be used ({type(error).__name__}): is its driver there?"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"sql_directory.password_file cannot be read: {error}") from None

    async def find(self, address: str) -> Listed | None:
        """See `node.net.listing_elsewhere.Source`."""
        try:
            with trio.fail_after(self._settings.deadline_seconds):
                return await trio.to_thread.run_sync(self._ask, address, limiter=self._threads, abandon_on_cancel=True)
        except (SQLAlchemyError, trio.TooSlowError) as error:
            log.warning("sql_directory.away", reason=type(error).__name__)
            raise Temporary("the SQL directory cannot be asked now") from None

    def _ask(self, address: str) -> Listed | None:
        """Runs in a thread. Nothing is ever committed."""
        with self._engine.connect() as connection:
            people = connection.execute(text(self._settings.people_query), {"address": address})
            rows = people.fetchmany(MAX_ADDRESSES)
            if rows:
                return Listed(tuple(str(row[0]) for row in rows), _name(rows))
            found = connection.execute(text(self._settings.group_query), {"address": address})
            members = found.fetchmany(MAX_MEMBERS + 1)
        if len(members) > MAX_MEMBERS:
            raise Temporary(f"the group {address} has more than {MAX_MEMBERS} members in SQL")
        return Listed((address,), "", tuple(str(row[0]) for row in members)) if members else None


def _name(rows: Sequence[Any]) -> str:
    return str(rows[0][1] or "") if len(rows[0]) > 1 else ""
