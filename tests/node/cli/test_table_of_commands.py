"""The command itself: help, mistakes, completion, version; and errors as one clear text."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from node.base.errors import ConfigError, Permanent
from node.cli import explained
from node.cli.app import COMMANDS, build

Call = Callable[..., Any]


def commands() -> Iterator[tuple[str, ...]]:
    """Every command's path, subcommands too."""
    group = typer.main.get_command(build([]))
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    for name, command in group.commands.items():
        yield (name,)
        yield from ((name, sub) for sub in getattr(command, "commands", {}))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_names_every_option(waxseal: Call, path: tuple[str, ...]) -> None:
    said = waxseal(*path, "--help")
    assert said.code == 0
    command: Any = typer.main.get_command(build([]))
    for name in path:
        command = command.commands[name]
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert all(option in said.out for option in parameter.opts), parameter.opts
            assert parameter.help, f"{parameter.name} of {path} is not explained"
        else:
            assert parameter.name.lower() in said.out.lower()


def test_help_names_every_command(waxseal: Call) -> None:
    said = waxseal("--help")
    assert said.code == 0
    assert all(name in said.out for name in COMMANDS)
    assert waxseal().words == said.words, "no argument at all asks for help"


def test_an_unknown_command(waxseal: Call) -> None:
    said = waxseal("frobnicate")
    assert said.code == 2
    assert "No such command 'frobnicate'" in said.words
    assert "Try 'waxseal --help' for help" in said.words


def test_a_misspelt_command(waxseal: Call) -> None:
    assert "Did you mean 'domain'?" in waxseal("domian").words
    assert "Did you mean 'list'?" in waxseal("domain", "lisst").words


def test_an_unknown_option(waxseal: Call) -> None:
    said = waxseal("doctor", "--confg", "x")
    assert said.code == 2
    assert "--config" in said.words


def test_version(waxseal: Call) -> None:
    said = waxseal("version")
    assert said.code == 0
    assert said.out.startswith(f"waxseal {importlib.metadata.version('waxseal')} (Python 3.")


@pytest.mark.parametrize(
    ("words", "position", "wanted"),
    [
        ("waxseal acc", 1, ["account"]),
        (
            "waxseal account ",
            2,
            [
                "add",
                "did",
                "events",
                "list",
                "oidc",
                "passkeys",
                "password",
                "release",
                "remove",
                "remove-passkey",
                "remove-wallet",
                "reserved",
                "unlock",
                "wallet",
            ],
        ),
        ("waxseal send --tl", 2, ["--tls"]),
    ],
)
def test_the_shell_completes_commands_and_options(words: str, position: int, wanted: list[str]) -> None:
    environment = {"_WAXSEAL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    done = subprocess.run(
        [console_script()], env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    assert sorted(done.stdout.split()) == wanted


def console_script() -> str:
    """The installed `waxseal`: completion goes by the program's name."""
    return str(Path(sys.executable).with_name("waxseal"))


def test_the_shell_gets_its_completion_script(waxseal: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    said = waxseal("--show-completion", "bash")
    assert said.code == 0
    assert "_WAXSEAL_COMPLETE=complete_bash" in said.out


def test_a_reader_that_goes_away_early_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "node", "config", "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_expected_error_is_one_text_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node", "serve", "-c", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("waxseal: there is no ")
    assert done.stderr.count("\n") == 1


def test_serve_says_what_hinders_it_in_one_line(waxseal: Call, place: Any) -> None:
    place.write(smtp={"listen": ["no such host:0"]}, classifier={"enabled": False})
    said = waxseal("serve", "-c", place.config)
    assert said.code == 1
    assert "waxseal: smtp: cannot listen on no such host:0: " in said.err


def test_what_is_explained_and_what_is_a_bug() -> None:
    assert explained(ConfigError("do this")) == "do this"
    assert explained(ExceptionGroup("", [ConfigError("do this"), ExceptionGroup("", [Permanent("do that")])])) == (
        "do this\ndo that"
    )
    assert explained(FileNotFoundError(2, "No such file or directory", "x.pem")) == (
        "cannot use x.pem: No such file or directory"
    )
    assert explained(KeyError("bug")) is None
    assert explained(OSError("of no file")) is None
    assert explained(ExceptionGroup("", [ConfigError("do this"), KeyError("bug")])) is None
