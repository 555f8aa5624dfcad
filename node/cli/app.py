"""The table of commands. Only the one that is called is imported, so that `waxseal dev` serves within two seconds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

# name → module and attribute; a `typer.Typer` holds subcommands, a function is a command of its own.
COMMANDS = {
    "dev": "node.cli.dev:dev",
    "serve": "node.cli.serve:serve",
    "init": "node.cli.init:init",
    "config": "node.cli.config:app",
    "domain": "node.cli.domain:app",
    "dns": "node.cli.dns:app",
    "dkim": "node.cli.dkim:app",
    "alias": "node.cli.alias:app",
    "group": "node.cli.group:app",
    "share": "node.cli.share:app",
    "quota": "node.cli.quota:app",
    "tenant": "node.cli.tenant:app",
    "account": "node.cli.account:app",
    "role": "node.cli.role:app",
    "gate": "node.cli.gate:app",
    "invitation": "node.cli.invitation:app",
    "held": "node.cli.held:app",
    "hold": "node.cli.hold:app",
    "block": "node.cli.block:app",
    "send": "node.cli.send:send",
    "classify": "node.cli.classify:classify",
    "evaluate": "node.cli.evaluate:evaluate",
    "train": "node.cli.train:train",
    "learn": "node.cli.learn:app",
    "receipt": "node.cli.receipt:receipt",
    "verify": "node.cli.verify:verify",
    "log": "node.cli.log:app",
    "log-key": "node.cli.log_key:app",
    "monitor": "node.cli.monitor:monitor",
    "audit": "node.cli.audit:app",
    "anchors": "node.cli.anchors:app",
    "registry": "node.cli.registry:app",
    "policy": "node.cli.policy:app",
    "ipfs": "node.cli.ipfs:app",
    "doctor": "node.cli.doctor:doctor",
    "demo": "node.cli.demo:demo",
    "version": "node.cli.version:version",
}


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that `arguments` name, or with all of them (help, completion, mistakes)."""
    app = typer.Typer(
        name="waxseal",
        help="A mail node: SMTP in, IMAP out, wallet login, provable messages, attachments on IPFS.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # locals may hold passwords
    )
    app.callback()(_no_options)  # keeps a single command a command
    chosen = [arguments[0]] if arguments and arguments[0] in COMMANDS else list(COMMANDS)
    for name in chosen:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _no_options() -> None:
    """Waxseal: a mail node."""


def run() -> None:
    """Run the command line of this process."""
    build(sys.argv[1:])()
