"""Binding every port before anything is promised: either all doors open, or the node says which one cannot."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from node.base.config import Endpoint, Settings
from node.base.errors import ConfigError
from node.servers.listen import Door, open_listener


@dataclass(frozen=True, slots=True)
class Ports:
    """The first port of each kind, as it was really bound; 0 where there is none."""

    smtp: int
    submission: int
    submissions: int
    imap: int
    imaps: int
    http: int


@dataclass(frozen=True, slots=True)
class Doors:
    """All listening sockets, by protocol."""

    smtp: Sequence[Door]
    submission: Sequence[Door]
    submissions: Sequence[Door]
    imap: Sequence[Door]
    imaps: Sequence[Door]
    http: Sequence[Door]

    @property
    def ports(self) -> Ports:
        """Where people find us."""
        return Ports(
            smtp=_first(self.smtp),
            submission=_first(self.submission),
            submissions=_first(self.submissions),
            imap=_first(self.imap),
            imaps=_first(self.imaps),
            http=_first(self.http),
        )

    async def close(self) -> None:
        """Close them all."""
        for door in (*self.smtp, *self.submission, *self.submissions, *self.imap, *self.imaps, *self.http):
            await door.listener.aclose()


def _first(doors: Sequence[Door]) -> int:
    return doors[0].address[1] if doors else 0


async def open_doors(settings: Settings, tls: ssl.SSLContext) -> Doors:
    """Bind and listen everywhere the settings say.

    Raises:
        ConfigError: an address is taken or needs privileges; none stays open.
    """
    opened: list[Door] = []

    async def bind(name: str, places: Sequence[Endpoint], context: ssl.SSLContext | None = None) -> list[Door]:
        doors = [await _open(name, place, context) for place in places]
        opened.extend(doors)
        return doors

    try:
        return Doors(
            smtp=await bind("smtp", settings.smtp.listen),
            submission=await bind("submission", settings.submission.listen_starttls),
            submissions=await bind("submissions", settings.submission.listen_tls, tls),
            imap=await bind("imap", settings.imap.listen_starttls),
            imaps=await bind("imaps", settings.imap.listen_tls, tls),
            http=await bind("http", settings.http.listen, tls if settings.http.tls else None),
        )
    except ConfigError:
        for door in opened:
            await door.listener.aclose()
        raise


async def _open(name: str, place: Endpoint, context: ssl.SSLContext | None) -> Door:
    try:
        return await open_listener(place.host, place.port, name, context)
    except PermissionError:
        raise ConfigError(
            f"{name}: may not listen on {place}: ports under 1024 need the capability CAP_NET_BIND_SERVICE, "
            "which systemd gives (docs/operate.md)"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{name}: cannot listen on {place}: {error.strerror}; choose another port, or end what has it (ss -ltnp)"
        ) from None
