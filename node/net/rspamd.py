"""A client of rspamd's normal worker: POST /checkv2 with the envelope in header fields, JSON back.

Source: rspamd's protocol documentation (rspamd.com/doc/developers/protocol.html).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.base.errors import RemoteProtocolError
from node.net.web_service import WebService

MAX_ANSWER = 1 << 20  # octets
MAX_RECIPIENTS = 50

Points = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]


class Symbol(BaseModel):
    """One rule that hit, and the points it gave."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Annotated[str, Field(max_length=200)]
    score: Points


class Report(BaseModel):
    """What rspamd says about a message; only what we use of it.

    Attributes:
        action: "no action", "greylist", "add header", "rewrite subject", "soft reject", "reject", or a site's own.
        required_score: points from which it would reject.
        is_skipped: it did not look at the content (by its settings, or a test pattern).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    score: Points
    required_score: Points
    action: Annotated[str, Field(max_length=100)]
    is_skipped: bool = False
    symbols: Annotated[dict[str, Symbol], Field(max_length=5000)] = {}


@dataclass(frozen=True, slots=True)
class Envelope:
    """How the message came, for rspamd's rules about senders and networks."""

    peer: str
    helo: str
    sender: str
    recipients: Sequence[str]
    host: str


@dataclass(frozen=True, slots=True)
class RspamdClient:
    """Asks one rspamd. The caller sets the deadline."""

    service: WebService

    async def check(self, pieces: AsyncIterable[bytes], length: int, envelope: Envelope) -> Report:
        """rspamd's judgement of a message of `length` octets.

        Raises:
            Temporary: it cannot be reached, or says that it cannot judge now.
            RemoteProtocolError: its answer makes no sense.
        """
        fields = [(b"Content-Length", b"%d" % length), *_fields(envelope)]
        answer = await self.service.post("/checkv2", pieces, fields, MAX_ANSWER)
        try:
            return Report.model_validate_json(answer)
        except ValidationError as error:
            raise RemoteProtocolError(f"rspamd's answer makes no sense: {error.error_count()} faults") from None

    async def ping(self) -> None:
        """Return when rspamd is there.

        Raises:
            Temporary, RemoteProtocolError: it is not.
        """
        if (await self.service.get("/ping", 100)).strip() != b"pong":
            raise RemoteProtocolError("something else than rspamd answers there")


def _fields(envelope: Envelope) -> list[tuple[bytes, bytes]]:
    given = [
        ("IP", envelope.peer),
        ("Helo", envelope.helo),
        ("From", envelope.sender),
        ("MTA-Name", envelope.host),
        *(("Rcpt", recipient) for recipient in envelope.recipients[:MAX_RECIPIENTS]),
    ]
    return [(name.encode(), value) for name, text in given if (value := _value(text))]


def _value(text: str) -> bytes:
    """A field's value: a HELO name may hold anything, and must not end the line, nor make the request fail."""
    return "".join(character for character in text[:500] if character.isprintable()).strip().encode("utf-8", "replace")
