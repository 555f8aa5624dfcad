"""Where everything lies in the data directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Folders:
    """The data directory's plan; nothing else builds these paths."""

    data: Path

    @property
    def database(self) -> Path:
        """Messages, people, log, spool."""
        return self.data / "waxseal.db"

    @property
    def incoming(self) -> Path:
        """Content over 1 MiB while it comes in."""
        return self.data / "incoming"

    @property
    def tls(self) -> Path:
        """The self-made CA and certificate."""
        return self.data / "tls"

    @property
    def keys(self) -> Path:
        """Private keys of the log, the keeper and the attachments."""
        return self.data / "keys"

    @property
    def dkim(self) -> Path:
        """Private keys that sign mail, a folder for each domain."""
        return self.keys / "dkim"

    @property
    def blocks(self) -> Path:
        """The content-addressed block store."""
        return self.data / "blocks"

    @property
    def chain(self) -> Path:
        """The embedded private chain."""
        return self.data / "chain"

    def make(self) -> None:
        """Create what is missing, closed to other users.

        Raises:
            ConfigError: the place cannot be used.
        """
        for folder in (self.data, self.incoming, self.tls, self.keys):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"cannot make {folder}: {error.strerror}; "
                    "make it for the user the node runs as, or name another place with `data`"
                ) from None
