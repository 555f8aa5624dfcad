"""Settings of where sealed attachments lie beside this machine: daemons, pinning services, gateways."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from node.base.config_places import Section, is_near

MAX_PLACES = 16

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z", re.ASCII)


class KuboDaemon(Section):
    """A Kubo daemon that keeps replicas: a table `[ipfs.kubo.NAME]`."""

    url: str = Field(max_length=512, description="Its RPC: http://127.0.0.1:5001.")
    token_file: Path | None = Field(None, description="File with the secret of its API.Authorizations, if it has one.")

    @field_validator("url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return _address("a Kubo daemon", value)


class PinningEndpoint(Section):
    """A service that speaks the IPFS Pinning Service API: a table `[ipfs.pinning.NAME]`."""

    url: str = Field(max_length=512, description="Its address before /pins: https://api.pinata.cloud/psa.")
    token_file: Path = Field(description="File with the access token, mode 0600.")
    origins: list[str] = Field(
        [],
        max_length=20,
        description="Multiaddresses of our daemons: /dns4/ipfs.example.org/tcp/4001/p2p/...",
    )

    @field_validator("url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return _address("a pinning service", value)


class Ipfs(Section):
    """Replicas of sealed attachments (docs/ipfs.md). Without any setting here nothing leaves this machine."""

    kubo: dict[str, KuboDaemon] = Field(
        {}, max_length=MAX_PLACES, description="Kubo daemons by name: every sealed attachment is sent to each."
    )
    pinning: dict[str, PinningEndpoint] = Field(
        {}, max_length=MAX_PLACES, description="Pinning services by name: each is asked to keep every one."
    )
    gateways: list[str] = Field(
        [], max_length=MAX_PLACES, description="Trustless gateways asked, in order, for blocks that are lost here."
    )
    store: str = Field(
        "embedded",
        description='Where blocks are written: "embedded"; or "kubo:NAME", straight to that daemon, '
        "which has to be this node's alone.",
    )
    copies: int = Field(1, ge=1, le=MAX_PLACES, description="Replicas confirmed before a local copy may go.")
    keep_local: bool = Field(True, description="Off: leaves go from here once `copies` replicas are confirmed.")
    deadline_seconds: float = Field(10, gt=0, le=300, description="A place that is slower to answer counts as silent.")
    patrol_hours: float = Field(
        24, ge=0, le=8760, description="Between two looks at every block and every replica; 0: none."
    )

    @field_validator("kubo", "pinning")
    @classmethod
    def _named(cls, value: dict[str, Section]) -> dict[str, Section]:
        for name in value:
            if not _NAME.match(name):
                raise ValueError(f"{name[:40]!r} is no name of a place: small letters, digits and hyphens, 32 at most")
        return value

    @field_validator("gateways")
    @classmethod
    def _reachable(cls, value: list[str]) -> list[str]:
        return [_address("a gateway", url) for url in value]

    @model_validator(mode="after")
    def _agree(self) -> Ipfs:
        kind, _, name = self.store.partition(":")
        if self.store != "embedded" and (kind != "kubo" or name not in self.kubo):
            raise ValueError('store is "embedded", or "kubo:" and the name of a table [ipfs.kubo.NAME]')
        if self.copies > max(1, self.replicas):
            raise ValueError(f"copies = {self.copies} needs as many daemons and services, there are {self.replicas}")
        if not self.keep_local and not self.replicas:
            raise ValueError("keep_local = false needs a daemon or service that keeps replicas")
        return self

    @property
    def replicas(self) -> int:
        """How many places keep replicas; the daemon that is the store itself is none."""
        return len(self.kubo) + len(self.pinning) - (self.store != "embedded")


def _address(what: str, value: str) -> str:
    # The address itself is never repeated: it may carry the operator's key.
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment:
        raise ValueError(f"the address of {what} is https://host/path, without a name, password, ? or #")
    if parts.scheme == "http" and not is_near(host):
        raise ValueError(f"{what} in another network is reached over https:// only")
    return value.rstrip("/")
