"""What became of one attempt to hand a message to another server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from node.base.reply import Reply


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next server said 250: it is its promise now.

    Attributes:
        host: who said so.
        reply: its words.
        tls: "TLSv1.3" and such, "" when the connection was in the clear.
    """

    host: str
    reply: Reply
    tls: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; trying again can help. `host` is "" when no server was reached."""

    host: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """Never; the sender is to be told. `host` is "" when the decision is ours or DNS's."""

    host: str
    reply: Reply


Outcome: TypeAlias = Delivered | Deferred | Refused
