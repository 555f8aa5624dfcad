"""Files of blobs: on disk, with their directories, before anybody refers to them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from node.store import frames


def write(path: Path, content: Iterator[memoryview]) -> bytes:
    """Write content, in pieces of one frame, to a new file; all is on disk when this returns the frames' index."""
    _make_directory(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            index = frames.pack_frames(content, file.write)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return index


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        if not directory.parent.is_dir():
            _make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def older(directory: Path, before: float) -> list[str]:
    """Names below `directory` of the files that were last written before that time."""
    return [f"{path.parent.name}/{path.name}" for path in directory.glob("??/*") if path.stat().st_mtime < before]


def remove(path: Path) -> None:
    """Take a file away, if it is there."""
    path.unlink(missing_ok=True)


def remove_all(paths: Sequence[Path]) -> None:
    """Take files away."""
    for path in paths:
        remove(path)
