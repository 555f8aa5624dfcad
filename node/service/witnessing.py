"""Witnessing as the settings say: whom we ask, for whom we cosign, whose checkpoints we remember."""

from __future__ import annotations

from pathlib import Path

from node.anchor.cosignature import CosignatureKey, CosignatureSigner
from node.anchor.cosigning import AskedWitness, Cosigning
from node.anchor.keys import LogKeys, load_or_create
from node.anchor.note import NoteError, NoteKey
from node.anchor.published import Quorum
from node.anchor.witness import Memory, Witness
from node.base.config import Settings
from node.base.errors import ConfigError
from node.service.folders import Folders
from node.store.database import Database


def witness_key(settings: Settings, folder: Path) -> CosignatureSigner:
    """What this node cosigns with: `<data>/keys/witness.key`, made at the first use.

    Raises:
        ConfigError: the key file cannot be used.
    """
    name = settings.witness.name or f"{settings.hostname}/witness"
    return CosignatureSigner(name, load_or_create(folder / "witness.key"))


def open_witness(settings: Settings, folders: Folders, database: Database) -> Witness | None:
    """The witness for other logs; None where the settings name none.

    Raises:
        ConfigError: a log's key is wrong, or the witness's own cannot be used.
    """
    logs = followed(settings)
    return Witness(database, witness_key(settings, folders.keys), logs) if logs else None


def open_memory(settings: Settings, database: Database, keys: LogKeys) -> Memory:
    """What was seen of the logs we witness, and of our own."""
    return Memory(database, [*followed(settings), *keys.log_keys], own=keys.origin)


def followed(settings: Settings) -> list[NoteKey]:
    """The keys of the logs in `witness.logs`.

    Raises:
        ConfigError: one of them is wrong.
    """
    try:
        return [NoteKey.parse(text) for text in settings.witness.logs]
    except NoteError as error:
        raise ConfigError(f"witness.logs: {error}") from None


def open_cosigning(settings: Settings, database: Database) -> Cosigning | None:
    """Who asks the witnesses; None where the settings name none.

    Raises:
        ConfigError: a witness's key is wrong.
    """
    try:
        asked = [AskedWitness(one.url, CosignatureKey.parse(one.key)) for one in settings.witness.ask]
    except NoteError as error:
        raise ConfigError(f"witness.ask: {error}") from None
    if len({one.key.public for one in asked}) != len(asked):
        raise ConfigError("witness.ask: two witnesses have the same key; one key is one witness")
    return Cosigning(database, asked, quorum_of(settings)) if asked else None


def quorum_of(settings: Settings) -> Quorum:
    """When a checkpoint is witnessed well enough to be published."""
    names = frozenset(one.name for one in settings.witness.ask)
    return Quorum(names, settings.witness.quorum, settings.witness.wait_seconds)
