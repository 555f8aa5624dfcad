"""`waxseal send FILE...`: hands messages to a server over SMTP, as another server or a mail client would."""

from __future__ import annotations

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.base.address import parse_address
from node.base.errors import Permanent, WaxsealError
from node.cli.samples import note


class Tls(StrEnum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


def send(
    files: Annotated[list[Path] | None, typer.Argument(help="Messages (RFC 5322), one a file.")] = None,
    to: Annotated[list[str], typer.Option("--to", help="Recipient; may be given several times.")] = [],  # noqa: B006
    sender: Annotated[str, typer.Option("--from", help="Envelope sender; empty is the null sender.")] = "",
    server: Annotated[str, typer.Option(help="host:port to hand them to.")] = "127.0.0.1:2525",
    tls: Annotated[Tls, typer.Option(help="none, starttls or implicit.")] = Tls.NONE,
    ca: Annotated[Path | None, typer.Option(help="CA file to trust instead of the system's.")] = None,
    user: Annotated[str, typer.Option(help="Log in as this address; needs TLS.")] = "",
    password: Annotated[str, typer.Option(help="App password.", envvar="WAXSEAL_PASSWORD")] = "",
    sample: Annotated[bool, typer.Option("--sample", help="Send a sample message.")] = False,
) -> None:
    """Send messages over SMTP and print the server's answer to each."""
