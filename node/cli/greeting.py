"""What `waxseal dev` shows a newcomer: where everything is, how to set up a mail client, what to try first."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from node.base.config import Settings
from node.cli.demo_people import DOMAIN, FILE, DemoPeople
from node.service.node import Running


def greet(settings: Settings, running: Running, people: DemoPeople) -> None:
    """Print everything a newcomer needs, once the node serves."""
    console = Console(highlight=False)
    ports = running.ports
    console.print()
    console.print(f"[bold]Waxseal[/] is serving [bold]{DOMAIN}[/] on this machine only. Ctrl-C stops it.\n")
    console.print(_places(running, settings))
    console.print(_people(people))
    console.print(f"The wallets' private keys, to try the login page with, are in {settings.data / FILE}")
    console.print(_client(running, people))
    config = settings.data / "waxseal.toml"
    steps = Text()
    steps.append("Send a sample message (in another terminal):\n", "bold")
    steps.append(f"  .venv/bin/waxseal send --sample --to {people.people[0].address} --server 127.0.0.1:{ports.smtp}\n")
    steps.append("See one message's whole way, proof included:\n", "bold")
    steps.append("  .venv/bin/waxseal demo\n")
    steps.append("Check this node:\n", "bold")
    steps.append(f"  .venv/bin/waxseal doctor -c {config}")
    console.print(Panel(steps, title="Try it", expand=False))


def _places(running: Running, settings: Settings) -> Table:
    table = Table(title="Where everything is", title_justify="left", show_header=False)
    ports = running.ports
    rows = [
        ("Mail from other servers", f"SMTP  127.0.0.1:{ports.smtp}"),
        ("Sending", f"localhost:{ports.submission} STARTTLS   localhost:{ports.submissions} TLS"),
        ("Reading", f"localhost:{ports.imap} STARTTLS   localhost:{ports.imaps} TLS"),
        ("Wallet login", f"{web_origin(settings, running)}/login"),
        ("CA to trust", str(running.certificate.ca)),
        ("Data and settings", f"{settings.data}/waxseal.toml"),
        ("Log", f"{running.rooms.keys.origin}, anchored in {running.rooms.keys.contract} on the embedded chain"),
    ]
    for what, where in rows:
        table.add_row(what, Text(where, overflow="fold"))
    return table


def _people(people: DemoPeople) -> Table:
    table = Table("Address", "App password (mail clients)", "Wallet", title="Two demo people", title_justify="left")
    for person in people.people:
        table.add_row(person.address, person.app_password, Text(person.wallet, overflow="fold"))
    return table


def _client(running: Running, people: DemoPeople) -> Panel:
    ports, first = running.ports, people.people[0]
    text = Text()
    text.append("1. Settings > Privacy & Security > Certificates > Manage > Authorities > Import: the CA above\n")
    text.append(f"2. New account: {first.address}, the app password above, then Configure manually\n")
    text.append(f"3. Incoming IMAP localhost:{ports.imaps} SSL/TLS, normal password\n")
    text.append(f"   Outgoing SMTP localhost:{ports.submissions} SSL/TLS, normal password")
    return Panel(text, title="Thunderbird", expand=False)


def web_origin(settings: Settings, running: Running) -> str:
    """The address of the pages as people type it."""
    scheme = "https" if settings.http.tls else "http"
    return settings.http.origin or f"{scheme}://localhost:{running.ports.http}"
