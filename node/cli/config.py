"""`waxseal config check|explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.config_text import commented_settings
from node.cli.settings import ConfigOption, load_settings

app = typer.Typer(help="Check or explain the settings file.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Read the settings file and say what is wrong with it, or that it is fine."""
    settings = load_settings(config)
    typer.echo(f"{config} is fine: {settings.hostname}, data in {settings.data}")


@app.command()
def explain(
    section: Annotated[str, typer.Argument(help="One section, such as smtp; all when left out.")] = "",
) -> None:
    """Print every setting with its meaning and default, as a settings file."""
    blocks = commented_settings().split("\n\n")
    chosen = [block for block in blocks if not section or f"[{section}]" in block.splitlines()]
    if not chosen:
        raise typer.BadParameter(f"there is no section {section!r}; leave it out to see all")
    typer.echo("\n\n".join(chosen).rstrip())
