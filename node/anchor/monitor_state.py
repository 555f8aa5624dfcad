"""What a monitor remembers of one log: a folder with the newest head, evidence, and hashes of the rebuilt tree."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from node.anchor.fork import Fork
from node.base.errors import ConfigError

MAX_STATE = 1 << 20  # octets of the file
MAX_FORKS = 16  # files of evidence; one is enough to convict a log


class State(BaseModel):
    """Times are unix seconds; 0 stands for never.

    Attributes:
        origin: the log's name.
        head: the newest checkpoint whose history was verified, as a signed note; "" for none yet.
        grown: when the log was first seen at its size.
        seen: when the log last answered.
        anchored: entries in its newest head on the chain, as far as verified.
        unanchored: since when entries have waited for an anchor; 0 while none wait.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    version: str = "waxseal.monitor/1"
    origin: str
    head: str = ""
    grown: int = 0
    seen: int = 0
    anchored: int = 0
    unanchored: int = 0


class LogFolder:
    """One log's folder below the monitor's.

    Args:
        state: the monitor's folder.
        origin: the log's name; what a file system might not take of it is replaced.

    Raises:
        ConfigError: the folder cannot be used, or holds what no monitor wrote.
    """

    def __init__(self, state: Path, origin: str) -> None:
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", origin)[:80].strip(".") or "log"
        self.path = state / f"{readable}-{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
        self._origin = origin
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {self.path}: {error.strerror}; name another place with --state") from None

    @property
    def hashes(self) -> Path:
        """Where the rebuilt tree lies."""
        return self.path / "hashes"

    def load(self) -> State:
        """The state, or a new one."""
        file = self.path / "state.json"
        try:
            with file.open("rb") as opened:
                return State.model_validate_json(opened.read(MAX_STATE))
        except FileNotFoundError:
            return State(origin=self._origin)
        except (OSError, ValidationError):
            # To begin anew by itself would be to forget the history that the log is held to.
            raise ConfigError(f"{file} cannot be read; restore it, or move it away to trust the log anew") from None

    def save(self, state: State) -> None:
        """Write the state so that a crash leaves the old one or the new one."""
        self._write("state.json", state.model_dump_json(indent=2) + "\n")

    def forks(self) -> list[Path]:
        """The evidence that was found so far; while there is any, the monitor alarms."""
        return sorted(self.path.glob("fork-*.json"))

    def convict(self, fork: Fork) -> Path:
        """Keep evidence of a fork; of many, the first ones."""
        text, found = fork.to_json(), self.forks()
        if len(found) >= MAX_FORKS:
            return found[0]
        return self._once(f"fork-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json", text)

    def suspect(self, kind: str, facts: dict[str, object]) -> Path:
        """Keep what looks wrong, but does not convict the log by itself."""
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        return self._once(f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json", text)

    def _once(self, name: str, text: str) -> Path:
        if not (self.path / name).exists():
            self._write(name, text)
        return self.path / name

    def _write(self, name: str, text: str) -> None:
        draft = self.path / f".{name}.new"
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)
