"""Private keys in files of their own: made at the first start, readable by the node alone."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from node.anchor.note import NoteKey, NoteSigner
from node.base.errors import ConfigError
from node.net.chain.transaction import address_of, contract_address

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
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_bytes(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Who the log is: the key that signs its checkpoints, and the account that anchors them.

    Attributes:
        signer: signs checkpoints in the name of the log's origin, `<hostname>/log`.
        chain_key: the keeper's private key on the chain, 32 bytes.
    """

    signer: NoteSigner
    chain_key: bytes = field(repr=False)

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
    """The keys in `<data>/keys`: `log.key` and `keeper.key`, made at the first start.

    Raises:
        ConfigError: see `load_or_create`.
    """
    signer = NoteSigner(f"{hostname}/log", load_or_create(directory / "log.key"))
    return LogKeys(signer, load_or_create(directory / "keeper.key"))
