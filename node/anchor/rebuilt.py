"""A log's tree built again from its own entries: files of hashes, one a level, in a monitor's folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from node.anchor import merkle
from node.anchor.merkle import HASH_SIZE

MAX_LEVEL = 62


class Rebuilt:
    """The perfect subtrees of a log as far as its entries were fetched; node (level, i) lies at offset 32·i.

    A crash leaves at worst some hashes too many at the ends of the files; `open` cuts them off, by the files' sizes.

    Args:
        folder: made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.size = 0
        self._cut()

    def _file(self, level: int) -> Path:
        return self._folder / f"{level:02d}"

    def _length(self, level: int) -> int:
        try:
            return self._file(level).stat().st_size // HASH_SIZE
        except FileNotFoundError:
            return 0

    def _cut(self) -> None:
        """The largest size for which every level is complete."""
        size = self._length(0)
        for level in range(1, MAX_LEVEL):
            if self._length(level) < size >> level:
                size = self._length(level) << level
        self.truncate(size)

    def truncate(self, size: int) -> None:
        """Forget everything from entry `size` on."""
        self.size = size
        for level in range(MAX_LEVEL):
            if self._file(level).exists():
                os.truncate(self._file(level), (size >> level) * HASH_SIZE)

    def extend(self, entries: Iterable[bytes]) -> None:
        """Add the next entries."""
        added: dict[int, list[bytes]] = {}

        def read(level: int, index: int) -> bytes:
            have = self._length(level)
            return self.read(level, index) if index < have else added[level][index - have]

        size = self.size
        for entry in entries:
            for level, _, value in merkle.appended(size, merkle.leaf_hash(entry), read):
                added.setdefault(level, []).append(value)
            size += 1
        for level in sorted(added, reverse=True):  # the leaves last: they say how far the tree is complete
            with self._file(level).open("ab") as file:
                file.write(b"".join(added[level]))
        self.size = size

    def read(self, level: int, index: int) -> bytes:
        """A complete node's hash.

        Raises:
            LookupError: the tree is not that far.
        """
        try:
            with self._file(level).open("rb") as file:
                file.seek(index * HASH_SIZE)
                value = file.read(HASH_SIZE)
        except FileNotFoundError:
            value = b""
        if len(value) != HASH_SIZE:
            raise LookupError(f"the rebuilt tree has no node {index} at level {level}")
        return value

    def root(self, size: int) -> bytes:
        """The tree's hash at a size that is there."""
        return merkle.root(size, self.read)
