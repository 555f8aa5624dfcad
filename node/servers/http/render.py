"""Templates and the files beside them, read once at start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import HTMLResponse

from node.servers.http.settings import WebSettings

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file. `tag` changes with its content, so that browsers may keep it for ever under that name."""

    content: bytes
    kind: str
    tag: str


class Templates:
    """The pages and their files; nothing is read from disk once it exists."""

    def __init__(self, settings: WebSettings) -> None:
        folder = files("node.servers.http")
        pages = {item.name: item.read_text("utf-8") for item in (folder / "templates").iterdir()}
        self.assets = {item.name: _asset(item.name, item.read_bytes()) for item in (folder / "static").iterdir()}
        self._environment = Environment(
            loader=DictLoader(pages), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.globals.update(settings=settings, asset=self._address)
        self._environment.filters.update(day=_day, moment=_moment, octets=_octets)

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page as a response."""
        return HTMLResponse(self._environment.get_template(name).render(**values), status)

    def _address(self, name: str) -> str:
        return f"/static/{name}?{self.assets[name].tag}"


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, _KINDS[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:16])


def _day(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%b %Y}"


def _octets(number: int) -> str:
    """So much mail, in units of 1,024 as `waxseal quota` has them."""
    amount, units = float(number), ["octets", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.1f} {units[0]}" if units[0] != "octets" and amount < 100 else f"{amount:.0f} {units[0]}"


def _moment(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"
