"""Settings of witnessing: who cosigns this node's log, and whose logs it cosigns."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from node.base.config_places import Section, is_near

MAX_WITNESSES = 16
MAX_LOGS = 100

KeyText = Annotated[str, Field(pattern=r"^[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{43,44}={0,2}$")]


class AskedWitness(Section):
    """One witness: a table `[[witness.ask]]`."""

    url: str = Field(max_length=512, description="Its submission prefix: https://witness.example.org.")
    key: KeyText = Field(description="Its key, name+id+key, as its operator publishes it.")

    @field_validator("url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("a witness's address is https://host/path")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_near(parts.hostname)):
            raise ValueError("a witness in another network is reached over https:// only")
        return value.rstrip("/")

    @property
    def name(self) -> str:
        """The key's name."""
        return self.key.partition("+")[0]


class Witnessing(Section):
    """Witnesses of the transparency log (docs/proof.md): asked for this log's checkpoints, and given to others'."""

    ask: list[AskedWitness] = Field(
        [], max_length=MAX_WITNESSES, description="Tables [[witness.ask]]: url, key. None: nobody is asked."
    )
    quorum: int = Field(0, ge=0, description="Cosignatures that the published checkpoint should have.")
    wait_seconds: float = Field(
        10, ge=0, le=600, description="A checkpoint without its quorum is published after this long all the same."
    )
    logs: list[KeyText] = Field(
        [], max_length=MAX_LOGS, description="Keys of the logs that this node cosigns. None: it is no witness."
    )
    name: str = Field(
        "",
        max_length=255,
        pattern=r"^[^\s+]*$",
        description="This witness's name. Empty: <hostname>/witness. Its key is good for one name only.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Witnessing:
        if len({one.name for one in self.ask}) != len(self.ask):
            raise ValueError("two witnesses have the same name")
        if self.quorum > len(self.ask):
            raise ValueError(f"a quorum of {self.quorum} needs as many witnesses in ask, which has {len(self.ask)}")
        return self
