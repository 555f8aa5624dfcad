"""init and config: writing a settings file, checking it, explaining it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.base.config import Settings, parse_settings, section_of
from node.cli.dev import Choice, local_settings

Call = Callable[..., Any]


def test_init_asks_and_writes_a_commented_file_that_config_check_takes(waxseal: Call, tmp_path: Path) -> None:
    file = tmp_path / "new" / "waxseal.toml"
    said = waxseal("init", "-c", file, stdin=b"mx.example.org\n" + str(tmp_path / "mail").encode() + b"\n")
    assert said.code == 0
    assert "Name of this host in DNS" in said.out
    assert "Data directory" in said.out
    assert f"waxseal doctor -c {file}" in said.out
    settings = parse_settings(file.read_text("utf-8"))
    assert (settings.hostname, settings.data) == ("mx.example.org", tmp_path / "mail")
    text = file.read_text("utf-8")
    assert text.count("\n# ") > 30, "every setting is explained"
    checked = waxseal("config", "check", "-c", file)
    assert (checked.code, checked.out) == (0, f"{file} is fine: mx.example.org, data in {tmp_path / 'mail'}\n")


def test_init_asks_nothing_that_was_said(waxseal: Call, tmp_path: Path) -> None:
    said = waxseal("init", "-c", tmp_path / "w.toml", "--hostname", "mx.example.org", "--data", tmp_path)
    assert said.code == 0
    assert "Name of this host" not in said.out


def test_init_does_not_overwrite_unless_told(waxseal: Call, tmp_path: Path) -> None:
    file = tmp_path / "waxseal.toml"
    file.write_text("precious")
    arguments = ("init", "-c", file, "--hostname", "mx.example.org", "--data", tmp_path)
    said = waxseal(*arguments)
    assert said.code == 1
    assert said.err == f"waxseal: {file} exists already; edit it, or replace it with --force\n"
    assert file.read_text() == "precious"
    assert waxseal(*arguments, "--force").code == 0
    assert file.read_text() != "precious"


def test_init_writes_nothing_that_could_not_be_read_again(waxseal: Call, tmp_path: Path) -> None:
    file = tmp_path / "waxseal.toml"
    said = waxseal("init", "-c", file, "--hostname", "not a host", "--data", tmp_path)
    assert said.code == 1
    assert "hostname: bad label" in said.err
    assert not file.exists()


def test_init_where_nothing_can_be_written(waxseal: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = waxseal("init", "-c", tmp_path / "file" / "w.toml", "--hostname", "mx.example.org", "--data", tmp_path)
    assert said.code == 1
    assert said.err.startswith(f"waxseal: cannot write {tmp_path}/file/w.toml: ")
    assert "name another place with --config" in said.err


def test_no_settings_file(waxseal: Call, tmp_path: Path) -> None:
    said = waxseal("config", "check", "-c", tmp_path / "none.toml")
    assert said.code == 1
    assert "write one with `waxseal init`, or name yours with --config" in said.err


def test_a_settings_file_that_is_none(waxseal: Call, tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_bytes(b"\xff\xfe\x00")
    said = waxseal("config", "check", "-c", tmp_path / "w.toml")
    assert said.code == 1
    assert "cannot read" in said.err
    said = waxseal("config", "check", "-c", tmp_path)
    assert said.code == 1
    assert "cannot read" in said.err


def test_every_fault_is_named_with_its_remedy(waxseal: Call, tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text('[smtp]\nmax_recipient = 5\nlisten = ["25"]\n[tls]\nkey = "k"\n')
    said = waxseal("config", "check", "-c", tmp_path / "w.toml")
    assert said.code == 1
    assert "hostname: must be set" in said.err
    assert 'smtp.max_recipient: unknown key; did you mean "max_recipients"?' in said.err
    assert 'write "host:port"' in said.err
    assert "tls: set both certificate and key, or neither" in said.err


def test_the_file_may_be_named_by_the_environment(waxseal: Call, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAXSEAL_CONFIG", str(place.config))
    assert waxseal("config", "check").code == 0


def test_explain_prints_a_settings_file_with_every_section(waxseal: Call) -> None:
    said = waxseal("config", "explain")
    assert said.code == 0
    for name in Settings.model_fields:
        assert (f"\n[{name}]\n" if section_of(Settings, name) else f"#{name} = ") in said.out


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if section_of(Settings, name)])
def test_explain_one_section(waxseal: Call, name: str) -> None:
    said = waxseal("config", "explain", name)
    assert said.code == 0
    assert f"[{name}]\n" in said.out
    assert said.out.count("\n[") <= 1
    section = section_of(Settings, name)
    assert section
    assert all(f"#{key} = " in said.out for key in section.model_fields)


def test_explain_a_section_that_is_none(waxseal: Call) -> None:
    said = waxseal("config", "explain", "frob")
    assert said.code == 2
    assert "there is no section 'frob'; leave it out to see all" in said.words


def test_a_local_node_keeps_its_settings_to_itself(tmp_path: Path) -> None:
    local_settings(tmp_path / "dev", Choice.DEFAULT, classifier=False)
    assert (tmp_path / "dev" / "waxseal.toml").stat().st_mode & 0o777 == 0o600
