"""`waxseal dev`: a complete local node with its own CA, domain, people and wallets, for trying out and for tests."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from node.base.config import Endpoint, Settings, parse_settings
from node.base.config_text import commented_settings
from node.base.log import configure
from node.cli.demo_people import DOMAIN, DemoPeople
from node.cli.greeting import greet
from node.cli.serve import run_until_signal
from node.cli.settings import load_settings
from node.net.chain.embedded import CHAIN_ID
from node.service.node import Running

FILE = "waxseal.toml"
PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465, "imap": 2143, "imaps": 2993, "http": 8080}


class Choice(StrEnum):
    """Which ports a local node takes."""

    DEFAULT = "default"
    AUTO = "auto"


def dev(
    directory: Annotated[Path, typer.Option("--dir", help="Where the node keeps everything.")] = Path("waxseal-data"),
    ports: Annotated[Choice, typer.Option(help="auto takes any free ports.")] = Choice.DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready, for scripts.")] = False,
    classifier: Annotated[bool, typer.Option(help="Judge mail with the model.")] = True,
) -> None:
    """Start a complete local node on loopback and say how to use it; ends with Ctrl-C."""
    settings = local_settings(directory, ports, classifier)
    configure(settings.log.level, json=settings.log.json_lines)
    trio.run(_run, settings, as_json)


def local_settings(directory: Path, ports: Choice, classifier: bool) -> Settings:
    """The settings of the node in `directory`; its file is written at the first start and may be edited afterwards."""
    file = directory.absolute() / FILE
    if not file.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(_settings_text(directory.absolute()), "utf-8")
    settings = load_settings(file)
    if ports is Choice.AUTO:
        settings = _on_free_ports(settings)
    if not classifier:
        settings = settings.model_copy(update={"classifier": settings.classifier.model_copy(update={"enabled": False})})
    return settings


def _settings_text(directory: Path) -> str:
    at = {name: [f"127.0.0.1:{port}"] for name, port in PORTS.items()}
    text = commented_settings(
        {
            "hostname": DOMAIN,
            "data": directory,
            "smtp": {"listen": at["smtp"], "max_connections_per_address": 1000},  # everybody is 127.0.0.1 here
            "submission": {"listen_starttls": at["submission"], "listen_tls": at["submissions"]},
            "imap": {
                "listen_starttls": at["imap"],
                "listen_tls": at["imaps"],
                "max_connections_per_address": 10_000,
            },
            "http": {"listen": at["http"], "origin": f"http://localhost:{PORTS['http']}"},
            "anchor": {"every_seconds": 5.0},
            "log": {"level": "warning", "json_lines": False},
        }
    )
    parse_settings(text)
    return text


def _on_free_ports(settings: Settings) -> Settings:
    anywhere = [Endpoint(host="127.0.0.1", port=0)]
    both = {"listen_starttls": anywhere, "listen_tls": anywhere}
    changes: dict[str, Any] = {
        "smtp": settings.smtp.model_copy(update={"listen": anywhere}),
        "submission": settings.submission.model_copy(update=both),
        "imap": settings.imap.model_copy(update=both),
        "http": settings.http.model_copy(update={"listen": anywhere, "origin": ""}),
    }
    return settings.model_copy(update=changes)


async def _run(settings: Settings, as_json: bool) -> None:
    people = DemoPeople(settings.data)

    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_until_signal, settings, people.prepare)
        if as_json:
            typer.echo(json.dumps(facts(settings, running, people)))
        else:
            greet(settings, running, people)


def facts(settings: Settings, running: Running, people: DemoPeople) -> dict[str, Any]:
    """What `--json` prints; scripts rely on these keys."""
    keys = running.rooms.keys
    return {
        "dir": str(settings.data),
        "domain": DOMAIN,
        "ports": asdict(running.ports),
        "ca": str(running.certificate.ca),
        "people": [asdict(person) for person in people.people],
        "log_origin": keys.origin,
        "chain_id": CHAIN_ID,
        "contract": keys.contract,
    }
