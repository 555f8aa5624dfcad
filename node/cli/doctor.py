"""`waxseal doctor`: looks at everything a node needs and says what to do about what is wrong."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer
from cryptography import x509
from rich.console import Console
from rich.table import Column, Table

from ai.classifier import Classifier
from ai.locate import find_model
from ai.manifest import ModelError
from node.base.config import Endpoint, Settings
from node.base.errors import WaxsealError
from node.cli.doctor_chains import ask_chains
from node.cli.doctor_ipfs import ask_places
from node.cli.doctor_opinions import ask_all
from node.cli.doctor_witnesses import ask_witnesses
from node.cli.settings import ConfigOption, existing_keys, load_settings, with_database
from node.ipfs.seal import Keys
from node.net.tls import server_context
from node.service.folders import Folders
from node.service.node import certificate_of
from node.store import accounts, domains
from node.store.database import Database

LEAST_FREE = 1 << 30  # octets
EXPIRY_DAYS = 14


class State(StrEnum):
    """How one finding ended."""

    FINE = "fine"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, and what to do where it is not fine."""

    what: str
    state: State
    words: str


def doctor(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Check ports, certificate, disk, database, keys, model, chain and block store; say what to do."""
    settings = load_settings(config)
    findings = [finding for check in CHECKS for finding in _guarded(check, settings)]
    table = Table(
        "", "what", Column("finding", overflow="fold"), title=f"{settings.hostname}, {config}", show_lines=False
    )
    marks = {State.FINE: "[green]ok[/]", State.LOOK: "[yellow]look[/]", State.WRONG: "[red]wrong[/]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.words)
    Console().print(table)
    if any(finding.state is State.WRONG for finding in findings):
        raise typer.Exit(1)


Check = Callable[[Settings], Iterator[Finding]]


def _guarded(check: Check, settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except (WaxsealError, ModelError, OSError, ValueError) as error:
        return [Finding(check.__name__.strip("_").replace("_", " "), State.WRONG, str(error))]


def _ports(settings: Settings) -> Iterator[Finding]:
    doors = {
        "smtp": settings.smtp.listen,
        "submission": settings.submission.listen_starttls,
        "submissions": settings.submission.listen_tls,
        "imap": settings.imap.listen_starttls,
        "imaps": settings.imap.listen_tls,
        "http": settings.http.listen,
    }
    for name, places in doors.items():
        for place in places:
            yield _port(f"port {name}", place)


def _port(what: str, place: Endpoint) -> Finding:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except PermissionError:
            words = f"{place} needs the capability CAP_NET_BIND_SERVICE, which systemd gives (docs/operate.md)"
            return Finding(what, State.WRONG, words)
        except OSError as error:
            words = f"{place}: {error.strerror}; fine if this node is running, else see who has it: ss -ltnp"
            return Finding(what, State.LOOK, words)
    return Finding(what, State.FINE, f"{place} is free")


def _certificate(settings: Settings) -> Iterator[Finding]:
    own = settings.tls.certificate is not None
    advice = "clients must import it; set tls.certificate and tls.key to one they trust"
    if not own and not Folders(settings.data).tls.exists():  # looking makes nothing: the node's user should own it
        yield Finding("certificate", State.LOOK, f"made at the first start: {advice}")
        return
    certificate = certificate_of(settings)
    server_context(certificate)
    leaf = x509.load_pem_x509_certificate(certificate.chain.read_bytes())
    days = (leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)).days
    if days < EXPIRY_DAYS:
        yield Finding("certificate", State.WRONG, f"expires in {days} days: renew {certificate.chain}")
    elif own:
        yield Finding("certificate", State.FINE, f"good for {days} days")
    else:
        yield Finding("certificate", State.LOOK, f"self-made: {advice} ({certificate.ca})")


def _disk(settings: Settings) -> Iterator[Finding]:
    place = settings.data
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield Finding("disk", State.WRONG, f"{place} is no directory: name another place with `data`")
        return
    free = shutil.disk_usage(place).free
    state = State.FINE if free > LEAST_FREE else State.WRONG
    yield Finding(
        "disk", state, f"{free >> 20} MiB free for {settings.data}" + ("" if state is State.FINE else ": make room")
    )
    if not os.access(place, os.W_OK):
        yield Finding("disk", State.WRONG, f"{place} is not writable: chown it to the user the node runs as")


def _database(settings: Settings) -> Iterator[Finding]:
    if not Folders(settings.data).database.exists():
        yield Finding("database", State.LOOK, "not there yet; it is made at the first start")
        return

    async def count(database: Database) -> tuple[int, int]:
        return await database.read(lambda tx: (len(domains.listing(tx)), len(accounts.listing(tx))))

    names, people = with_database(settings, count)
    yield Finding("database", State.FINE, f"{names} domains, {people} accounts")
    if not names:
        yield Finding("domains", State.LOOK, "none: mail for everybody is refused; waxseal domain add example.org")


def _keys(settings: Settings) -> Iterator[Finding]:
    folder = Folders(settings.data).keys
    if not folder.exists() or not any(folder.iterdir()):
        yield Finding("keys", State.LOOK, "not there yet; they are made at the first start")
        return
    yield Finding("keys", State.FINE, f"log {existing_keys(settings).origin}; waxseal log-key prints the public one")
    if (folder / "attachments.key").exists():
        Keys.open(folder)


def _model(settings: Settings) -> Iterator[Finding]:
    if not settings.classifier.enabled:
        yield Finding("model", State.LOOK, "the classifier is switched off: mail is kept unscored")
        return
    directory = find_model(settings.classifier.model)
    if directory is None:
        yield Finding("model", State.WRONG, "not found: mail is kept unscored; set classifier.model")
        return
    checkpoint = settings.classifier.checkpoint if settings.classifier.engine == "torch" else None
    model = Classifier.load(directory, checkpoint=checkpoint)
    model.close()
    told = f"{directory}: checksums hold" if checkpoint is None else f"{checkpoint}: torch reads it"
    yield Finding("model", State.FINE, f"{told}, Junk from {model.junk:.3f}")


def _opinions(settings: Settings) -> Iterator[Finding]:
    for answer in ask_all(settings):
        yield Finding(answer.what, State.FINE if answer.answers else State.WRONG, answer.words)


def _chains(settings: Settings) -> Iterator[Finding]:
    states = {True: State.FINE, None: State.LOOK, False: State.WRONG}
    for answer in (*ask_chains(settings), *ask_witnesses(settings), *ask_places(settings)):
        yield Finding(answer.what, states[answer.fine], answer.words)


def _stores(settings: Settings) -> Iterator[Finding]:
    folders = Folders(settings.data)
    for what, folder, wanted in (
        ("block store", folders.blocks, settings.offload.enabled),
        ("chain", folders.chain, settings.anchor.enabled and settings.anchor.chain == "embedded"),
    ):
        if not wanted:
            yield Finding(what, State.LOOK, "switched off in the settings")
        elif folder.exists() and not os.access(folder, os.W_OK):
            yield Finding(what, State.WRONG, f"{folder} is not writable: chown it to the user the node runs as")
        else:
            yield Finding(what, State.FINE, str(folder) if folder.exists() else "made at the first start")


CHECKS: tuple[Check, ...] = (_ports, _certificate, _disk, _database, _keys, _model, _opinions, _stores, _chains)
