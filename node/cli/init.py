"""`waxseal init`: asks little and writes a commented settings file."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from node.base.config import parse_settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError


def init(
    config: Annotated[Path, typer.Option("--config", "-c", help="Where to write the settings.")] = Path("waxseal.toml"),
    hostname: Annotated[str, typer.Option(help="This node's name in DNS, such as mx.example.org.")] = "",
    data: Annotated[Path | None, typer.Option(help="Where mail, keys and the log are kept.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented settings file for a new node."""
    if config.exists() and not force:
        raise ConfigError(f"{config} exists already; edit it, or replace it with --force")
    name = hostname or typer.prompt("Name of this host in DNS", default=socket.getfqdn())
    folder = data or Path(typer.prompt("Data directory", default="/var/lib/waxseal"))
    text = commented_settings({"hostname": name, "data": folder.absolute()})
    parse_settings(text, str(config))
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {config}: {error.strerror}; name another place with --config") from None
    typer.echo(f"Wrote {config}. Next:")
    typer.echo(f"  waxseal domain add example.org -c {config}")
    typer.echo(f"  waxseal account add ann@example.org --wallet 0x... -c {config}")
    typer.echo(f"  waxseal doctor -c {config}")
    typer.echo(f"  waxseal serve -c {config}")
