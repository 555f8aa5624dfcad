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
        data: the data directory; content over 1 MiB waits there until it is decided.
    """

    hostname: str
    database: Database
    blobs: Blobs
    directory: Directory
    log: Log
    data: Path

    def incoming(self) -> Incoming:
        """A place for content on its way in."""
        return Incoming(self.data)
