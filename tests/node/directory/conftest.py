"""A database in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.store.database import Database
from node.store.migrate import migrate


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision; migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("directory") / "waxseal.db"
    migrate(path)
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated, tmp_path / "waxseal.db")
    async with Database.open(tmp_path / "waxseal.db") as opened:
        yield opened
