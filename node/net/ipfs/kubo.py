"""Kubo's RPC over HTTP (`/api/v0`), as far as a mail node needs it; js-ipfs speaks the same.

Whatever the daemon answers is bounded in size and time, and every block is checked against its name: a daemon may hang,
fall over or lie, and costs no more than its deadline. Names travel as text, blocks as octets.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import trio

from node.base.errors import RemoteProtocolError, Temporary
from node.net.breaker import Patience
from node.net.ipfs.line import LONGEST, MAX_BLOCK, Absent, Answered, IsRight, Line
from node.net.ipfs.rpc_content import Form, Lines
from node.net.web_service import Content, Exchange, WebService

MAX_ANSWER = 1 << 20  # octets of a short answer
MAX_LISTING = 256 << 20  # octets of a list of blocks, read line by line
SLOWEST = 1 << 20  # octets a second that a daemon must take in
AT_ONCE = 200  # names in one request: a URL of 16 KiB

_BASE = ("cid-base", "base32")  # js-ipfs else writes names in base58
_STAT_SECONDS = 2.0  # for what needs no network; js-ipfs waits for a peer all the same

Arguments = Sequence[tuple[str, str]]
Car = Callable[[], AsyncGenerator[bytes, None]]
"""Makes the stream of a CARv1 file; called anew for each attempt."""


@dataclass(frozen=True, slots=True)
class RepoStat:
    """How full the daemon's repository is, in octets; `most` is its limit, 0 where it names none."""

    size: int
    most: int
    objects: int


class Kubo:
    """One daemon. Make it with `Kubo.open`."""

    is_source = True

    def __init__(self, line: Line, service: WebService) -> None:
        self._line = line
        self._service = service

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, name: str, token: str = "", seconds: float = 10.0, patience: Patience | None = None
    ) -> AsyncIterator[Kubo]:
        """A daemon by the address before `/api/v0`.

        Args:
            token: what stands behind `bearer:` in its `API.Authorizations`; "" where it asks for none.
            seconds: for a short question, and between two pieces of a long answer.
        """
        headers = [(b"Authorization", b"Bearer " + token.encode())] if token else []
        async with WebService.open(url, name, headers) as service:
            yield cls(Line(name, seconds, patience), service)

    @property
    def name(self) -> str:
        """What it is called in log and metrics."""
        return self._line.name

    async def version(self) -> str:
        """Its version."""
        return _text(await self._json("version"), "Version")

    async def id(self) -> tuple[str, list[str]]:
        """Its peer id, and the multiaddresses it is reachable at."""
        answer = await self._json("id")
        addresses = answer.get("Addresses") or []
        return _text(answer, "ID"), [str(one) for one in addresses[:100]]

    # --- blocks -----------------------------------------------------------------------------------------------------

    async def block(self, cid: str, is_right: IsRight, *, offline: bool = False) -> bytes:
        """A block, from the daemon or from its peers.

        Args:
            offline: its peers are not to be asked. js-ipfs does not know that.

        Raises:
            Absent: nobody it knows has it.
            Temporary, RemoteProtocolError: no answer, or a wrong one.
        """
        arguments = [("arg", cid), ("timeout", f"{self._line.seconds:g}s")]
        if offline:
            arguments.append(("offline", "true"))

        async def question(_scope: trio.CancelScope) -> bytes:
            answer = await self._call("block/get", arguments, MAX_BLOCK)
            return self._line.checked(cid, answer.body, is_right)

        return await self._line.ask(question, self._line.seconds + 1)

    async def block_size(self, cid: str) -> int | None:
        """Octets of a block that the daemon itself has; None when it has none such."""
        seconds = min(self._line.seconds, _STAT_SECONDS)
        arguments = (("arg", cid), ("offline", "true"), ("timeout", f"{seconds:g}s"))
        try:
            return _number(await self._json("block/stat", arguments), "Size")
        except Absent:
            return None

    async def block_put(self, data: bytes, codec: str = "raw") -> str:
        """Store a block; its name as the daemon gives it, CIDv1 with SHA-256.

        Args:
            codec: raw or dag-pb.
        """
        # `format` is what js-ipfs and older Kubo know; newer Kubo takes it for cid-codec, and ignores `version`.
        arguments = (("format", codec), ("mhtype", "sha2-256"), ("version", "1"))
        return _text(await self._json("block/put", arguments, data), "Key")

    async def block_rm(self, cids: Sequence[str]) -> int:
        """Remove blocks; return how many were there.

        Raises:
            Temporary: one is pinned.
        """
        removed = 0
        for at in range(0, len(cids), AT_ONCE):
            arguments = [("arg", cid) for cid in cids[at : at + AT_ONCE]]
            for line in await self._lines("block/rm", arguments):
                error = str(line.get("Error") or "")
                if error and not _is_absence(error):
                    raise Temporary(f"{self.name} does not remove block {line.get('Hash')}: {error[:200]}")
                removed += not error
        return removed

    async def local_names(self) -> list[str]:
        """The name of every block it has. It knows blocks by their hash alone: all are given as if they were raw."""
        names: list[str] = []
        await self._each("refs/local", (), lambda line: names.append(_text(line, "Ref")))
        return names

    # --- trees ------------------------------------------------------------------------------------------------------

    async def import_car(self, car: Car, size: int, *, pin: bool) -> list[str]:
        """Give it the blocks of a CARv1 file; return the roots it has pinned.

        Args:
            size: octets of the file, about: the time it may take grows with it.
            pin: keep what is below the roots. Without it the daemon's next collection may remove the blocks.
        """
        arguments = (("pin-roots", "true" if pin else "false"), ("stats", "false"))
        roots: list[str] = []

        def note(line: dict[str, Any]) -> None:
            root = line.get("Root") or {}
            if problem := root.get("PinErrorMsg"):
                raise Temporary(f"{self.name} does not pin what it was given: {str(problem)[:200]}")
            if isinstance(name := (root.get("Cid") or {}).get("/"), str):
                roots.append(name)

        await self._upload("dag/import", arguments, car, size, note)
        return roots

    async def add(self, content: Car, size: int) -> str:
        """Have it build a file's tree itself, as `ipfs add --cid-version 1` does, pinned; return the root's name."""
        arguments = (("cid-version", "1"), ("raw-leaves", "true"), ("chunker", "size-262144"), ("pin", "true"))
        last: list[dict[str, Any]] = []
        await self._upload("add", (*arguments, ("progress", "false")), content, size, last.append)
        if not last:
            raise RemoteProtocolError(f"{self.name} does not say what it has added")
        return _text(last[-1], "Hash")

    async def cat(self, cid: str, take: Callable[[bytes], None], limit: int, offset: int = 0) -> None:
        """A file's content from `offset` on, at most `limit` octets, piece by piece. It is not checked: it is a file's
        and not a block's name that is asked for.
        """
        arguments = (("arg", cid), ("offset", str(offset)), ("length", str(limit)))

        async def question(scope: trio.CancelScope) -> None:
            await self._call("cat", arguments, limit, take=_moving(scope, self._line.seconds, take))

        await self._line.ask(question)

    async def pin_add(self, cids: Sequence[str], *, recursive: bool = True) -> None:
        """Keep trees, or only these blocks; it fetches what it has not."""
        for at in range(0, len(cids), AT_ONCE):
            await self._json("pin/add", _pins(cids[at : at + AT_ONCE], recursive=recursive))

    async def pin_rm(self, cids: Sequence[str], *, recursive: bool = True) -> None:
        """Keep them no longer. One that is not pinned is no error, but costs a question for each."""
        for at in range(0, len(cids), AT_ONCE):
            part = cids[at : at + AT_ONCE]
            try:
                await self._json("pin/rm", _pins(part, recursive=recursive))
            except Answered as error:
                if "not pinned" not in str(error):
                    raise
                if len(part) > 1:
                    for cid in part:
                        await self.pin_rm([cid], recursive=recursive)

    async def is_pinned(self, cid: str) -> bool:
        """True when it keeps the whole tree below this name."""
        try:
            answer = await self._json("pin/ls", (("arg", cid), ("type", "recursive")))
        except Answered as error:
            if "not pinned" in str(error) or isinstance(error, Absent):
                return False
            raise
        return cid in (answer.get("Keys") or {})

    async def repo_stat(self) -> RepoStat:
        """How full it is."""
        answer = await self._json("repo/stat")
        most = _number(answer, "StorageMax") if answer.get("StorageMax") else 0
        return RepoStat(_number(answer, "RepoSize"), most, _number(answer, "NumObjects"))

    async def repo_gc(self) -> int:
        """Have it remove every block that nothing pinned needs; return how many went. It says so for each."""
        count = 0

        def note(line: dict[str, Any]) -> None:
            nonlocal count
            count += "Key" in line

        await self._each("repo/gc", (), note)
        return count

    # --- as a place for replicas ------------------------------------------------------------------------------------

    async def send(self, root: str, car: Car, size: int) -> str:
        """Give it a tree to keep. Nothing has to be remembered of it: "" is returned."""
        if root not in await self.import_car(car, size, pin=True):
            raise Temporary(f"{self.name} does not say that it keeps {root}")
        return ""

    async def holds(self, root: str, _request: str) -> bool | None:
        """True when it keeps the whole tree, None when it does not."""
        return await self.is_pinned(root) or None

    async def drop(self, root: str, _request: str) -> None:
        """Keep a tree no longer; its blocks go with the daemon's next collection."""
        await self.pin_rm([root])

    async def hello(self) -> str:
        """A word about how it is, for people."""
        version, stat = await self.version(), await self.repo_stat()
        return f"answers; version {version[:40]}, {stat.size >> 20} MiB in {stat.objects} blocks"

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _json(self, verb: str, arguments: Arguments = (), file: bytes | None = None) -> dict[str, Any]:
        async def question(_scope: trio.CancelScope) -> dict[str, Any]:
            answer = await self._call(verb, arguments, MAX_ANSWER, None if file is None else Form(file))
            return self._parse(answer.body)

        return await self._line.ask(question)

    async def _lines(self, verb: str, arguments: Arguments) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        await self._each(verb, arguments, lines.append)
        return lines

    async def _each(self, verb: str, arguments: Arguments, note: Callable[[dict[str, Any]], None]) -> None:
        """Each line of an answer that may be long."""

        async def question(scope: trio.CancelScope) -> None:
            reader = Lines(self._parse, note)
            await self._call(verb, arguments, MAX_LISTING, take=_moving(scope, self._line.seconds, reader.take))
            reader.finish()

        await self._line.ask(question)

    async def _upload(
        self, verb: str, arguments: Arguments, content: Car, size: int, note: Callable[[dict[str, Any]], None]
    ) -> None:
        async def question(_scope: trio.CancelScope) -> None:
            reader = Lines(self._parse, note)
            async with aclosing(content()) as pieces:
                await self._call(verb, arguments, MAX_ANSWER, Form(pieces), reader.take)
            reader.finish()

        await self._line.ask(question, min(self._line.seconds + size / SLOWEST, LONGEST))

    async def _call(
        self,
        verb: str,
        arguments: Arguments,
        limit: int,
        form: Form | None = None,
        take: Callable[[bytes], None] | None = None,
    ) -> Exchange:
        path = f"/api/v0/{verb}?{urlencode([*arguments, _BASE])}"
        content: Content = b"" if form is None else form.content
        headers = () if form is None else ((b"Content-Type", form.kind),)
        if take is None:
            answer = await self._service.exchange("POST", path, limit, content, headers)
        else:
            answer = await self._service.pour("POST", path, limit, take, content=content, headers=headers)
        if answer.status != 200:
            raise self._refusal(verb, answer)
        return answer

    def _refusal(self, verb: str, answer: Exchange) -> Temporary:
        try:
            message = str(json.loads(answer.body).get("Message"))[:300]
        except (ValueError, AttributeError, RecursionError):
            return Temporary(f"{self.name} answers {verb} with HTTP status {answer.status}")
        if _is_absence(message):
            return Absent(f"{self.name}: {message}")
        return Answered(f"{self.name} refuses {verb}: {message}")

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            raise RemoteProtocolError(f"{self.name} answers what is no JSON") from None
        if not isinstance(document, dict):
            raise RemoteProtocolError(f"{self.name} answers JSON of another form")
        return document


def _moving(scope: trio.CancelScope, seconds: float, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """As long as something comes, the deadline moves, up to a bound."""
    last = trio.current_time() + LONGEST

    def moved(piece: bytes) -> None:
        scope.deadline = min(trio.current_time() + seconds, last)
        take(piece)

    return moved


def _pins(cids: Sequence[str], *, recursive: bool) -> Arguments:
    return [*(("arg", cid) for cid in cids), ("recursive", "true" if recursive else "false")]


def _is_absence(message: str) -> bool:
    """Kubo: "could not find", "not found"; js-ipfs: "was not found", "ERR_NOT_FOUND"; both when a search runs out."""
    lowered = message.lower()
    words = ("not found", "could not find", "not_found", "no providers", "deadline exceeded", "timed out", "timeout")
    return any(word in lowered for word in words)


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or len(value) > 1024:
        raise RemoteProtocolError(f"an answer of the daemon has no text {key}")
    return value


def _number(document: dict[str, Any], key: str) -> int:
    value = document.get(key)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:  # js-ipfs writes text
        value = int(value)
    if not isinstance(value, int) or value < 0:
        raise RemoteProtocolError(f"an answer of the daemon has no number {key}")
    return value
