"""Addresses of an outside provider: taken apart by one strict expression, and refused where it does not fit."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 1024  # characters

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_REST = r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?"
_QUERY = r"(?P<query>\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*)?\Z"
_FAR = re.compile(rf"(?P<scheme>https)://(?P<host>(?:{_LABEL}\.)+(?![0-9]){_LABEL}){_REST}{_QUERY}")
_NEAR = re.compile(rf"(?P<scheme>http)://(?P<host>localhost|127\.0\.0\.1){_REST}{_QUERY}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is fetched; `path` has its slash, and its query."""

    scheme: str
    host: str
    port: int
    path: str


def place(url: str, *, near: bool = False) -> Place | None:
    """A URL taken apart: https with a name in lower case; with `near` also http on this machine. None for others."""
    found = (_FAR.match(url) or (_NEAR.match(url) if near else None)) if len(url) <= MAX_LENGTH else None
    if found is None:
        return None
    port = int(found["port"] or (443 if found["scheme"] == "https" else 80))
    return Place(found["scheme"], found["host"], port, (found["path"] or "/") + (found["query"] or ""))
