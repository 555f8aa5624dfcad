"""Content: immutable, addressed by its SHA-256, compressed, kept once however many messages need it.

Three forms. INLINE lies in the database. FILE lies in `blobs/ab/<hex>.<random>` as zstd frames; the file is on disk
before its row is written and goes after its row went, so a crash leaves a stray file at worst, which `Blobs.collect`
finds. PIECES is a recipe (`node.store.pieces`), ARCHIVE one that keeps nothing of the message here. A file's name is
never used twice: nobody removes what somebody else has just written.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import trio
from sqlalchemy import bindparam, delete, select, update

from node.base.errors import Permanent, Temporary
from node.store import blob_files, frames, leaves, pieces
from node.store.database import Database
from node.store.frames import FRAME
from node.store.pieces import Elsewhere, Encoded, Inline, Piece, Raw, Span
from node.store.prepared import (
    INLINE_LIMIT,
    QUICK,
    Content,
    Form,
    Prepared,
    folder_of,
    prepare,
    prepare_inline,
    threads,
)
from node.store.schema import blob, blob_data
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Writing

__all__ = [
    "INLINE_LIMIT",
    "QUICK",
    "Blobs",
    "Encoded",
    "Form",
    "Inline",
    "Parts",
    "Piece",
    "Prepared",
    "Raw",
    "add",
    "find",
    "outline",
    "prepare",
    "prepare_inline",
    "replace_by_pieces",
    "restore",
    "small",
    "window",
]

STRAY_SECONDS = 3600  # a file without a row may be a delivery under way, for at most this long
_FRAMES = 4  # of content in pieces read at a time: each asks the database and the store of parts
_COLLECT = 500  # blobs removed in one transaction


class Parts(Protocol):
    """Where offloaded parts come from; `node.ipfs` implements it."""

    async def read(self, reference: bytes, start: int, length: int) -> bytes:
        """Exactly `length` decoded octets from `start`; Temporary or Permanent when they cannot be had."""
        ...


_FIND = Statement(select(blob.c.id, blob.c.file).where(same(blob.c.sha256)))
_ADD = Statement(adding(blob, "id").returning(blob.c.id))
_ADD_DATA = Statement(adding(blob_data))
_LOAD = Statement(
    select(blob.c.form, blob.c.size, blob.c.file, blob_data.c.content).join(blob_data).where(same(blob.c.id))
)
_ABOUT = Statement(select(blob.c.sha256, blob.c.size, blob.c.form).where(same(blob.c.id)))
_SET_FORM = Statement(update(blob).where(same(blob.c.id, "blob_id")).values(form=bindparam("new_form"), file=""))
_SET_FILE = Statement(
    update(blob).where(same(blob.c.id, "blob_id")).values(form=Form.FILE.value, file=bindparam("new_file"))
)
_SET_DATA = Statement(update(blob_data).where(same(blob_data.c.blob_id, "of_blob")).values(content=bindparam("data")))
_UNREFERENCED = Statement(
    select(blob.c.id, blob.c.file, blob.c.sha256).where(blob.c.refs == 0).limit(bindparam("limit"))
)
_REMOVE = Statement(delete(blob).where(blob.c.id.in_(chosen("ids"))))
_SMALL = Statement(
    select(blob.c.id, blob_data.c.content)
    .join(blob_data)
    .where(blob.c.id.in_(chosen("ids")), blob.c.form == Form.INLINE.value, blob.c.size <= bindparam("largest"))
)
_FILES = Statement(select(blob.c.file).where(blob.c.form == Form.FILE.value))


def add(tx: Writing, prepared: Prepared) -> int:
    """The blob's id; known content keeps its row. Refer to it (messages.add, spool.add) in the same unit of work."""
    known = tx.one(_FIND, sha256=prepared.sha256)
    if known is not None:
        blob_id, file = known
        if prepared.file and file != prepared.file:
            tx.after(partial(blob_files.remove, folder_of(tx.directory) / prepared.file))
        return int(blob_id)
    blob_id = tx.value(
        _ADD, sha256=prepared.sha256, size=prepared.size, form=int(prepared.form), file=prepared.file, refs=0
    )
    tx.execute(_ADD_DATA, blob_id=blob_id, content=prepared.data)
    return int(blob_id)


def find(tx: Reading, sha256: bytes) -> int | None:
    """The id of the blob with this content."""
    row = tx.one(_FIND, sha256=sha256)
    return row[0] if row else None


def about(tx: Reading, blob_id: int) -> tuple[bytes, int, Form] | None:
    """(sha256, size, form) of a blob."""
    row = tx.one(_ABOUT, id=blob_id)
    return (row[0], row[1], Form(row[2])) if row else None


def restore(tx: Writing, blob_id: int, prepared: Prepared) -> None:
    """Give a damaged blob its content back, in a new file.

    Raises:
        ValueError: that is not its content.
    """
    row = tx.one(_LOAD, id=blob_id)
    if row is None or tx.one(_FIND, sha256=prepared.sha256) != (blob_id, row[2]) or prepared.form is not Form.FILE:
        raise ValueError(f"that is not the content of blob {blob_id}")
    tx.execute(_SET_FILE, blob_id=blob_id, new_file=prepared.file)
    tx.execute(_SET_DATA, of_blob=blob_id, data=prepared.data)
    if row[2]:
        tx.after(partial(blob_files.remove, folder_of(tx.directory) / row[2]))


def outline(tx: Reading, blob_id: int) -> list[tuple[Elsewhere | None, int]]:
    """What a blob is made of: pieces that live elsewhere, None for what is kept here, and how many octets each has.

    Raises:
        Permanent: there is no such blob, or its recipe is damaged.
    """
    row = tx.one(_LOAD, id=blob_id)
    if row is None:
        raise Permanent(f"there is no blob {blob_id}")
    return pieces.outline(row[3]) if row[0] >= Form.PIECES else [(None, row[1])]


def replace_by_pieces(tx: Writing, blob_id: int, recipe: Sequence[Piece], form: Form = Form.PIECES) -> None:
    """Keep a recipe in place of the content. The caller has made sure that the pieces give the same octets.

    Args:
        form: PIECES, or ARCHIVE where none of the pieces is kept here.

    Raises:
        ValueError: the pieces add up to another size, or there is no such blob.
    """
    row = tx.one(_LOAD, id=blob_id)
    if row is None or row[1] != sum(piece.size for piece in recipe):
        raise ValueError(f"the pieces are not blob {blob_id}")
    tx.execute(_SET_FORM, blob_id=blob_id, new_form=form.value)
    tx.execute(_SET_DATA, of_blob=blob_id, data=pieces.pack(recipe))
    if row[2]:
        tx.after(partial(blob_files.remove, folder_of(tx.directory) / row[2]))


def small(tx: Reading, blob_ids: Collection[int], largest: int) -> Iterator[tuple[int, bytes]]:
    """(id, content) of those among the blobs that lie in the database and have at most `largest` octets, in any order.

    Many small ones cost one query instead of a hop each; the caller bounds how many. Others are left to `Blobs.read`.

    Raises:
        Permanent: one of them is damaged.
    """
    ids = f"[{','.join(map(str, blob_ids))}]"
    for blob_id, packed in tx.execute(_SMALL, ids=ids, largest=largest):
        yield blob_id, frames.unpack(packed)


def window(tx: Reading, blob_id: int, start: int, length: int) -> bytes:
    """The window [start, start + length) of content that is not in pieces, on the caller's thread.

    Raises:
        Permanent: there is no such blob, or it is damaged.
        OSError: its file is missing or cannot be read.
    """
    found = _window(tx, directory=folder_of(tx.directory), blob_id=blob_id, start=start, length=length)
    if not isinstance(found, bytes):
        raise Permanent(f"blob {blob_id} is in pieces")
    return found


class Blobs:
    """Reads content in any form, and takes garbage away. One for the whole node.

    Args:
        parts: where offloaded parts are read; without it such a message raises Temporary where it is read.
    """

    def __init__(self, database: Database, directory: Path, parts: Parts | None = None) -> None:
        self._database = database
        self._directory = folder_of(directory)
        self._parts = parts

    async def prepare(self, content: Content, prefix: bytes = b"", *, start: int = 0) -> Prepared:
        """`prepare` in this node's data directory."""
        return await prepare(self._directory.parent, content, prefix, start=start)

    async def read(self, blob_id: int, start: int = 0, length: int | None = None) -> bytes:
        """The window [start, start + length) of the content, to the end without `length`; clipped to what there is.

        Raises:
            Temporary: the disk or the store of parts does not answer.
            Permanent: there is no such blob, or it is damaged.
        """
        query = partial(_window, directory=self._directory, blob_id=blob_id, start=start, length=length)
        try:
            found = await self._database.read(query)
        except FileNotFoundError:  # replaced by pieces between our look at the row and at the file
            try:
                found = await self._database.read(query)
            except FileNotFoundError as error:
                raise Permanent(f"the content of blob {blob_id} is missing: restore it from a backup") from error
        except OSError as error:
            raise Temporary(f"cannot read mail: {error.strerror}") from error
        if isinstance(found, bytes):
            return found
        return b"".join([await self._span(span) for span in found])

    async def stream(
        self, blob_id: int, start: int = 0, length: int | None = None, chunk: int = 64 << 10
    ) -> AsyncGenerator[bytes, None]:
        """The same window in chunks of at most `chunk` octets, a frame or a few in memory at a time."""
        about_it = await self._database.read(partial(about, blob_id=blob_id))
        if about_it is None:
            raise Permanent(f"there is no blob {blob_id}")
        _, size, form = about_it
        end = size if length is None else min(size, start + length)
        step = {Form.INLINE: size, Form.FILE: FRAME}.get(form, _FRAMES * FRAME)
        while start < end:
            stop = min((start // step + 1) * step, end)
            window = await self.read(blob_id, start, stop - start)
            if not window:
                raise Permanent(f"the content of blob {blob_id} is cut short: restore it from a backup")
            for at in range(0, len(window), chunk):
                yield window[at : at + chunk]
            start += len(window)

    async def insist(self, blob_id: int, start: int, length: int) -> None:
        """Make sure that a window can be read: what of it lives elsewhere is fetched, opened and thrown away.

        Costs nothing where a message is kept here whole. A window of a few MB is then read from memory.

        Raises:
            Temporary, Permanent: as `read`.
        """
        for piece_start, piece in await self._database.read(partial(_elsewhere, blob_id=blob_id)):
            low, high = max(start, piece_start), min(start + length, piece_start + piece.size)
            if low < high:
                low, high = low - piece_start, high - piece_start
                at, left = piece.decoded_window(low, high - low)
                while left > 0:
                    await self._read_part(piece.reference, at, min(left, FRAME))
                    at, left = at + FRAME, left - FRAME

    async def collect(self, sent_before: int = 0) -> int:
        """Delete blobs that nothing refers to, and files that no row names; return how many went.

        With a message that was received its salt in the log goes, in the same transaction.

        Args:
            sent_before: and with one that was submitted before this time (unix seconds).
        """
        gone = 0
        while number := await self._database.write(partial(_collect, sent_before=sent_before)):
            gone += number
        files = await trio.to_thread.run_sync(blob_files.older, self._directory, time.time() - STRAY_SECONDS)
        if files:  # listed before the rows are read: a row committed in between is seen
            known = await self._database.read(lambda tx: {file for (file,) in tx.execute(_FILES)})
            strays = [self._directory / name for name in files if name not in known]
            await trio.to_thread.run_sync(blob_files.remove_all, strays)
            gone += len(strays)
        return gone

    async def _span(self, span: Span) -> bytes:
        if isinstance(span.piece, bytes):
            return span.content()
        low, length = span.piece.decoded_window(span.start, span.length)
        decoded = await self._read_part(span.piece.reference, low, length) if length else b""
        if length <= QUICK:
            return span.content(decoded)
        return await trio.to_thread.run_sync(span.content, decoded, limiter=threads())

    async def _read_part(self, reference: bytes, start: int, length: int) -> bytes:
        if self._parts is None:
            raise Temporary("this message's attachment is offloaded and the store of parts is off: switch it on")
        content = await self._parts.read(reference, start, length)
        if len(content) != length:
            raise Permanent("an offloaded attachment is shorter than it was: restore it from a backup")
        return content


def _elsewhere(tx: Reading, *, blob_id: int) -> list[tuple[int, Elsewhere]]:
    """Pieces of a message that live elsewhere, and where they start in it."""
    about_it = about(tx, blob_id)
    if about_it is None or about_it[2] < Form.PIECES:
        return []
    found, at = [], 0
    for piece, size in outline(tx, blob_id):
        if piece:
            found.append((at, piece))
        at += size
    return found


def _window(tx: Reading, *, directory: Path, blob_id: int, start: int, length: int | None) -> bytes | list[Span]:
    """Read a window on the reader's thread; for PIECES what it is made of."""
    if start < 0 or (length is not None and length < 0):
        raise ValueError("a window starts at 0 or later and has no negative length")
    row = tx.one(_LOAD, id=blob_id)
    if row is None:
        raise Permanent(f"there is no blob {blob_id}")
    form, size, file, data = row
    length = size - start if length is None else min(length, size - start)
    if length <= 0:
        return b""
    if form == Form.INLINE:
        content = frames.unpack(data)
        return content if length == size else content[start : start + length]
    if form >= Form.PIECES:
        return pieces.spans(data, start, length)
    descriptor = os.open(directory / file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return frames.read_frames(partial(os.pread, descriptor), data, start, length)
    finally:
        os.close(descriptor)


def _collect(tx: Writing, *, sent_before: int) -> int:
    rows = tx.execute(_UNREFERENCED, limit=_COLLECT)
    tx.execute(_REMOVE, ids=f"[{','.join(str(blob_id) for blob_id, _, _ in rows)}]")
    for _, file, sha256 in rows:
        leaves.forget_message(tx, sha256, sent_before)
        if file:
            tx.after(partial(blob_files.remove, folder_of(tx.directory) / file))
    return len(rows)
