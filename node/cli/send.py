"""`waxseal send FILE...`: hands messages to a server over SMTP, as another server or a mail client would."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.base.address import Address, parse_address
from node.base.errors import Permanent, Temporary
from node.cli.samples import note
from node.net.smtp_client import SmtpClient

SAMPLE_SENDER = "nora@example.org"


class Tls(StrEnum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class _Letter:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Way:
    """Where to, and as whom."""

    host: str
    port: int
    tls: Tls
    context: ssl.SSLContext
    user: str
    password: str


def send(
    files: Annotated[list[Path] | None, typer.Argument(help="Messages (RFC 5322), one a file.")] = None,
    to: Annotated[list[str], typer.Option("--to", help="Recipient; may be given several times.")] = [],  # noqa: B006
    sender: Annotated[str, typer.Option("--from", help="Envelope sender; empty is the null sender.")] = "",
    server: Annotated[str, typer.Option(help="host:port to hand them to.")] = "127.0.0.1:2525",
    tls: Annotated[Tls, typer.Option(help="How to protect the connection.")] = Tls.NONE,
    ca: Annotated[Path | None, typer.Option(help="CA file to trust instead of the system's.")] = None,
    user: Annotated[str, typer.Option(help="Log in as this address; needs TLS.")] = "",
    password: Annotated[str, typer.Option(help="App password.", envvar="WAXSEAL_PASSWORD")] = "",
    sample: Annotated[bool, typer.Option("--sample", help="Send a sample message as well.")] = False,
) -> None:
    """Send messages over SMTP and print the server's answer to each."""
    if not to:
        raise typer.BadParameter("name at least one recipient with --to")
    recipients = [parse_address(text) for text in to]
    letters = [_Letter(str(file), _read(file)) for file in files or []]
    if sample:
        letters.append(_Letter("the sample", note(to[0], sender) if sender else note(to[0])))
        sender = sender or SAMPLE_SENDER
    if not letters:
        raise typer.BadParameter("name at least one file, or --sample")
    if user and tls is Tls.NONE:
        raise typer.BadParameter("a password is sent over TLS only: add --tls starttls or --tls implicit")
    way = _Way(*_place(server), tls, _context(ca), user, password)
    try:
        sent = trio.run(_send, way, parse_address(sender) if sender else None, recipients, letters)
    except Temporary as error:
        raise Temporary(f"{error}; look at --server and --tls, or try again later") from None
    if not sent:
        raise typer.Exit(1)


def _place(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{server!r} is no host:port, such as 127.0.0.1:2525")
    return host.strip("[]"), int(port)


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise Permanent(f"cannot use {ca} as a CA file (PEM): {error.strerror or error}") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Permanent(f"cannot read {file}: {error.strerror}") from None


async def _send(way: _Way, sender: Address | None, recipients: Sequence[Address], letters: Sequence[_Letter]) -> bool:
    """Send all over one connection; True when the server took every one for every recipient."""
    async with SmtpClient.connect(
        way.host,
        way.port,
        name="localhost",
        tls=way.context if way.tls is not Tls.NONE else None,
        implicit=way.tls is Tls.IMPLICIT,
    ) as client:
        if way.user:
            await client.authenticate(way.user, way.password)
        complete = True
        for letter in letters:
            outcome = await client.send(sender, recipients, letter.content)
            typer.echo(f"{letter.name}: {outcome.reply}")
            for address, reply in outcome.refused.items():
                typer.echo(f"  {address}: {reply}")
            complete &= outcome.reply.is_positive and not outcome.refused
        return complete
