"""What settings are made of: places to listen on or to reach, and the table they stand in."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Endpoint(BaseModel):
    """A place to listen on or to reach: `host:port`, `[v6]:port`."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: Annotated[int, Field(ge=0, le=65535)]

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f'{value!r} is no endpoint: write "host:port", for example "0.0.0.0:25" or "[::]:25"')
    return Endpoint(host=host.strip("[]"), port=int(port))


class UnixSocket(BaseModel):
    """A daemon's socket in the file system, written as its absolute path."""

    model_config = ConfigDict(frozen=True)
    path: Path

    def __str__(self) -> str:
        return str(self.path)


Place = Endpoint | UnixSocket


def _place(value: object) -> object:
    if isinstance(value, str) and value.startswith("/"):
        return UnixSocket(path=Path(value))
    return _endpoint(value)


EndpointText = Annotated[Endpoint, BeforeValidator(_endpoint)]
PlaceText = Annotated[Place, BeforeValidator(_place)]
Endpoints = list[EndpointText]


def at(*texts: str) -> Any:
    """Default endpoints of a setting, written as people write them; the validator turns them into values."""
    return list(texts)


def place(text: str) -> Any:
    """The same for the one place where a daemon is."""
    return text


class Section(BaseModel):
    """A table of the settings file. Unknown keys are refused: a misspelt limit must not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def is_near(host: str) -> bool:
    """True for this machine and for addresses that are not routed in the Internet."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"
