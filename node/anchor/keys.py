"""Private keys in files of their own: made at the first start, readable by the node alone."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from node.anchor.note import NoteError, NoteKey, NoteSigner
from node.base.errors import ConfigError
from node.net.chain.transaction import address_of, contract_address

RETIRED = "log.retired"  # one line a key: the key, since when it is retired, until when it signs along
MAX_RETIRED = 64

_TEXT = re.compile(r"[0-9a-f]{64}\n?\Z")


def load_or_create(path: Path) -> bytes:
    """The 32 secret bytes in `path` (hexadecimal, one line); made at random when there is no such file.

    Raises:
        ConfigError: the file is readable by others, or is no key.
    """
    if not path.exists():
        _create(path)
    return load(path)


def load(path: Path) -> bytes:
    """The 32 secret bytes in `path`.

    Raises:
        ConfigError: there is no such file, it is readable by others, or is no key.
    """
    try:
        with path.open("r", encoding="ascii", errors="replace") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"the key file {path} is open to others: run `chmod 600 {path}`, and ask who read it")
            text = file.read(100)
    except OSError as error:
        raise ConfigError(f"cannot read the key file {path}: {error.strerror}") from None
    if not _TEXT.match(text):
        raise ConfigError(f"{path} is no key: it holds one line of 64 hexadecimal digits. Restore it from a backup")
    return bytes.fromhex(text.strip())


def _create(path: Path) -> None:
    """Write a new key so that a crash leaves either none or a whole one, and two starters agree on one."""
    with _draft(path, secrets.token_bytes(32).hex()) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)  # another process was first: its key is the key


@contextlib.contextmanager
def _draft(path: Path, line: str) -> Iterator[Path]:
    """A file with that line beside `path`, on disk; what the block does with it is on disk afterwards, too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signed the log's checkpoints before the one that does now.

    Attributes:
        key: what they are verified with, for ever.
        since: unix seconds when another took its place.
        until: it signs along with its successor until then; nothing it signed later is the log's.
    """

    key: NoteKey
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Who the log is: the key that signs its checkpoints, and the account that anchors them.

    Attributes:
        signer: signs checkpoints in the name of the log's origin, `<hostname>/log`.
        chain_key: the keeper's private key on the chain, 32 bytes.
        retired: keys that were replaced, newest first.
        former: those of them that still sign along, and until when.
    """

    signer: NoteSigner
    chain_key: bytes = field(repr=False)
    retired: tuple[RetiredKey, ...] = ()
    former: tuple[tuple[NoteSigner, int], ...] = ()

    @property
    def signers(self) -> tuple[NoteSigner, ...]:
        """All keys that sign a checkpoint made now, the log's own first."""
        now = time.time()
        return (self.signer, *(signer for signer, until in self.former if until > now))

    @property
    def log_keys(self) -> tuple[NoteKey, ...]:
        """All keys that ever signed this log's checkpoints, the newest first: old receipts need the old ones."""
        return (self.log_key, *(one.key for one in self.retired))

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.signer.name

    @property
    def log_key(self) -> NoteKey:
        """What checkpoints are verified with; its text is what the node publishes."""
        return self.signer.key

    @property
    def sender(self) -> str:
        """The keeper's account, EIP-55."""
        return address_of(self.chain_key)

    @property
    def contract(self) -> str:
        """Where the keeper's first transaction puts the contract on any chain; known before there is a chain."""
        return contract_address(self.sender)


def open_keys(directory: Path, hostname: str) -> LogKeys:
    """The keys in `<data>/keys`: `log.key` and `keeper.key`, made at the first start, and what `rotate` left.

    Raises:
        ConfigError: see `load_or_create`; or the list of retired keys is damaged.
    """
    signer = NoteSigner(f"{hostname}/log", load_or_create(directory / "log.key"))
    retired = tuple(one for one in _retired(directory) if one.key != signer.key)  # a rotation that was cut short
    former = tuple(_former(directory, one, signer.name) for one in retired)
    chain_key = load_or_create(directory / "keeper.key")
    return LogKeys(signer, chain_key, retired, tuple(one for one in former if one is not None))


def rotate(directory: Path, hostname: str, overlap_seconds: int) -> LogKeys:
    """Give the log a new key. The old one signs along for a while, and stays listed for ever.

    Killed at any moment, either the old key is the log's or the new one is.

    Raises:
        ConfigError: see `open_keys`; or the list of retired keys is full.
    """
    old, now = open_keys(directory, hostname), int(time.time())
    if len(old.retired) >= MAX_RETIRED:
        raise ConfigError(f"{directory / RETIRED} lists {MAX_RETIRED} keys: a log has no more")
    kept = directory / _file_of(old.log_key)
    if overlap_seconds > 0:
        with contextlib.suppress(FileExistsError):
            os.link(directory / "log.key", kept)
    rows = (RetiredKey(old.log_key, now, now + overlap_seconds), *old.retired)
    text = "\n".join(f"{row.key} {row.since} {row.until}" for row in rows)
    with _draft(directory / RETIRED, text) as draft:
        draft.replace(directory / RETIRED)
    with _draft(directory / "log.key", _fresh(old).hex()) as draft:
        draft.replace(directory / "log.key")
    return open_keys(directory, hostname)


def _fresh(old: LogKeys) -> bytes:
    """A new seed whose key has another id than all before it: verifiers try the key that the id names."""
    known = {key.id for key in old.log_keys}
    while NoteSigner(old.origin, seed := secrets.token_bytes(32)).key.id in known:
        pass
    return seed


def _retired(directory: Path) -> list[RetiredKey]:
    path = directory / RETIRED
    if not path.exists():
        return []
    lines = path.read_text("utf-8", errors="replace").splitlines()
    try:
        return [_retired_row(line) for line in lines[:MAX_RETIRED]]
    except (ValueError, NoteError) as error:
        raise ConfigError(f"{path} is damaged ({error}): restore it from a backup") from None


def _retired_row(line: str) -> RetiredKey:
    key, since, until = line.split(" ")
    return RetiredKey(NoteKey.parse(key), int(since), int(until))


def _former(directory: Path, row: RetiredKey, name: str) -> tuple[NoteSigner, int] | None:
    """The signer that a retired key still is, None once its time is over: then its secret goes, too."""
    path = directory / _file_of(row.key)
    if not path.exists():
        return None
    if row.until <= time.time():
        path.unlink(missing_ok=True)
        return None
    signer = NoteSigner(name, load_or_create(path))
    return (signer, row.until) if signer.key == row.key else None


def _file_of(key: NoteKey) -> str:
    return f"log-{key.id.hex()}.key"
