"""What every flow needs of the house, in one value: the store, the directory, the log and the node's own name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.anchor.log import Log
from node.directory.resolve import Directory
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming


@dataclass(frozen=True, slots=True)
class Premises:
    """The rooms that accept, submit and append work with.

    Attributes:
        hostname: the node's name, for trace fields.
        incoming_directory: where content over 1 MiB waits until it is decided.
    """

    hostname: str
    database: Database
    blobs: Blobs
    directory: Directory
    log: Log
    incoming_directory: Path

    def incoming(self) -> Incoming:
        """A place for content on its way in."""
        return Incoming(self.incoming_directory)
