"""Finding and reading the settings file, and opening its database: what most commands begin with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import trio
import typer

from node.anchor.keys import LogKeys, open_keys
from node.base.config import Settings, parse_settings
from node.base.errors import ConfigError
from node.service.folders import Folders
from node.store.database import Database, Reading, Writing

T = TypeVar("T")

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", help="The settings file; `waxseal init` writes one.", envvar="WAXSEAL_CONFIG"),
]


def load_settings(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        ConfigError: when it is missing, unreadable or wrong; the text says what to do.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no {path}; write one with `waxseal init`, or name yours with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    return parse_settings(text, str(path))


def existing_keys(settings: Settings) -> LogKeys:
    """The log's keys of a node that has started before: new ones would fit nothing it has signed.

    Raises:
        ConfigError: there are none, or they cannot be used.
    """
    folder = Folders(settings.data).keys
    for name in ("log.key", "keeper.key"):
        if not (folder / name).exists():
            raise ConfigError(f"there is no {folder / name}: start the node once, or name its settings with --config")
    return open_keys(folder, settings.hostname)


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Open the node's database (a running node may have it open too) and run `work` with it."""

    async def run() -> T:
        async with Database.open(Folders(settings.data).database) as database:
            return await work(database)

    return trio.run(run)


def read_store(config: Path, query: Callable[[Reading], T]) -> T:
    """Run a query on the store of the node with this settings file."""
    return with_database(load_settings(config), lambda database: database.read(query))


def write_store(config: Path, work: Callable[[Writing], T]) -> T:
    """Run a unit of work on the store of the node with this settings file."""
    return with_database(load_settings(config), lambda database: database.write(work))
