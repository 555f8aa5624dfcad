"""Content on its way to being a blob: hashed, compressed and, when large, on disk before any row says so."""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

import trio

from node.base.errors import Temporary
from node.store import blob_files, frames
from node.store.database import Database
from node.store.frames import FRAME

INLINE_LIMIT = 1 << 20  # octets; larger content goes into a file
QUICK = 64 << 10  # octets that are hashed and compressed without a thread (under a millisecond)

Content: TypeAlias = bytes | bytearray | memoryview | mmap.mmap

_limiter = trio.lowlevel.RunVar[trio.CapacityLimiter]("node.store.blobs")


class Form(IntEnum):
    """How a blob is kept."""

    INLINE = 0
    FILE = 1
    PIECES = 2
    ARCHIVE = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """Content hashed, compressed and, when large, on disk already; `add` makes it a blob.

    Attributes:
        size: octets of the content.
        form: INLINE or FILE.
        data: the content compressed (INLINE) or the index of its frames (FILE).
        file: the file's name below `blobs/`, "" for INLINE.
    """

    sha256: bytes
    size: int
    form: Form
    data: bytes
    file: str


async def prepare(
    where: Database | Path, content: Content, prefix: bytes = b"", *, start: int = 0, in_file: bool = False
) -> Prepared:
    """Hash and compress `prefix + content[start:]`, write it to a file when it is large; outside of any transaction.

    Args:
        where: the database, or the data directory itself.
        content: any buffer; it is not copied when it goes to a file.
        prefix: trace fields to go before it.
        start: octets of the content to leave out at its beginning.
        in_file: keep it in a file however small it is.

    Raises:
        Temporary: the disk is full or broken.
    """
    directory = where if isinstance(where, Path) else where.path.parent
    size = len(prefix) + len(content) - start
    if size <= QUICK and not in_file:
        return prepare_inline(prefix + bytes(content[start:]))
    try:
        return await trio.to_thread.run_sync(_prepare, directory, content, prefix, start, in_file, limiter=threads())
    except OSError as error:
        raise Temporary(f"cannot keep mail: {error.strerror}: free space in the data directory") from error


def _prepare(directory: Path, content: Content, prefix: bytes, start: int, in_file: bool) -> Prepared:
    with memoryview(content) as whole, whole[start:] as view:
        size = len(prefix) + len(view)
        if size <= INLINE_LIMIT and not in_file:
            return prepare_inline(prefix + bytes(view))
        digest = hashlib.sha256(prefix)
        digest.update(view)
        name = f"{digest.hexdigest()[:2]}/{digest.hexdigest()}.{secrets.token_hex(4)}"
        index = blob_files.write(folder_of(directory) / name, _pieces_of(prefix, view))
    return Prepared(digest.digest(), size, Form.FILE, index, name)


def prepare_inline(content: bytes) -> Prepared:
    """Hash and compress content of at most `QUICK` octets where one stands; both let other threads go on meanwhile."""
    return Prepared(hashlib.sha256(content).digest(), len(content), Form.INLINE, frames.pack(content), "")


def _pieces_of(prefix: bytes, view: memoryview) -> Iterator[memoryview]:
    """`prefix + view` in pieces of one frame."""
    first = FRAME - len(prefix) % FRAME
    start = prefix + bytes(view[:first])
    for at in range(0, len(start), FRAME):
        yield memoryview(start)[at : at + FRAME]
    for at in range(first, len(view), FRAME):
        yield view[at : at + FRAME]


def folder_of(directory: Path) -> Path:
    """Where the files of blobs lie, below the data directory."""
    return directory / "blobs"


def threads() -> trio.CapacityLimiter:
    """Few: compression is the processor's work."""
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(max(2, (os.cpu_count() or 2) // 2))
        _limiter.set(limiter)
        return limiter
