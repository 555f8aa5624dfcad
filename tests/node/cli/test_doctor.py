"""doctor: names what is wrong and what to do, and makes nothing itself."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai.locate import find_model

Call = Callable[..., Any]


@pytest.fixture
def doctor(waxseal: Call, place: Any) -> Call:
    def call() -> Any:
        return waxseal("doctor", "-c", place.config)

    return call


def test_a_node_that_never_started(doctor: Call, place: Any) -> None:
    place.write(classifier={"enabled": False})
    said = doctor()
    assert said.code == 0, said.words
    assert "database not there yet; it is made at the first start" in said.words
    assert "certificate made at the first start" in said.words
    assert "keys not there yet" in said.words
    assert not place.data.exists(), "its folders would belong to whoever asked the doctor"


@pytest.mark.skipif(find_model() is None, reason="the model is not in this checkout; make model")
def test_a_fine_node(doctor: Call, waxseal: Call, place: Any) -> None:
    waxseal("domain", "add", "example.test", "-c", place.config)
    waxseal("account", "add", "ann@example.test", "-c", place.config)
    said = doctor()
    assert said.code == 0, said.words
    assert "wrong" not in said.words
    assert "1 domains, 1 accounts" in said.words
    assert "checksums hold" in said.words
    assert said.words.count("is free") == 6


def test_a_running_node(waxseal: Call, node: Any) -> None:
    said = waxseal("doctor", "-c", node.config)
    assert said.code in {0, 1}  # 1 where the checkout has no model
    assert "keys log waxseal.test/log; waxseal log-key prints the public one" in said.words
    assert "self-made: clients must import it" in said.words


def test_a_port_in_use(doctor: Call, place: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        place.write(smtp={"listen": [taken]}, classifier={"enabled": False})
        said = doctor()
    assert f"look port smtp {taken}: Address already in use; fine if this node is running" in said.words
    assert "ss -ltnp" in said.words


def test_a_broken_certificate(doctor: Call, place: Any, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("no certificate")
    place.write(tls={"certificate": tmp_path / "c.pem", "key": tmp_path / "c.pem"})
    said = doctor()
    assert said.code == 1
    assert "wrong certificate tls: cannot use" in said.words
    assert "check that both files exist, are readable, and belong together" in said.words


def test_a_missing_certificate(doctor: Call, place: Any, tmp_path: Path) -> None:
    place.write(tls={"certificate": tmp_path / "none.pem", "key": tmp_path / "none.key"})
    said = doctor()
    assert said.code == 1
    assert "No such file or directory; check that both files exist" in said.words


def test_a_broken_self_made_certificate(doctor: Call, place: Any) -> None:
    (place.data / "tls").mkdir(parents=True)
    (place.data / "tls" / "server.pem").write_text("no certificate")
    said = doctor()
    assert said.code == 1
    assert "move the folder away, and a new one is made" in said.words


def test_a_data_directory_that_cannot_be_used(doctor: Call, place: Any) -> None:
    place.data.parent.joinpath("file").write_text("")
    place.write(data=place.data.parent / "file" / "data")
    said = doctor()
    assert said.code == 1
    assert f"wrong disk {place.data.parent}/file is no directory: name another place with `data`" in said.words


def test_a_database_that_is_none(doctor: Call, place: Any) -> None:
    place.data.mkdir()
    (place.data / "waxseal.db").write_bytes(b"no database\n" * 100)
    said = doctor()
    assert said.code == 1
    assert "is no database: restore it from a snapshot" in said.words


def test_no_domains(doctor: Call, waxseal: Call, place: Any) -> None:
    waxseal("domain", "list", "-c", place.config)
    assert "domains none: mail for everybody is refused; waxseal domain add example.org" in doctor().words


def test_no_model_is_wrong_but_says_that_mail_is_kept(doctor: Call, place: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place.write(classifier={"model": tmp_path / "empty"})
    said = doctor()
    assert said.code == 1
    assert "wrong model not found: mail is kept unscored; set classifier.model" in said.words


@pytest.mark.skipif(find_model() is None, reason="the model is not in this checkout; make model")
def test_a_damaged_model(doctor: Call, place: Any, tmp_path: Path) -> None:
    shipped = find_model()
    assert shipped
    copy = Path(shutil.copytree(shipped, tmp_path / "model"))
    weights = max(copy.iterdir(), key=lambda file: file.stat().st_size)
    with weights.open("r+b") as file:
        file.write(b"damaged")
    place.write(classifier={"model": copy})
    said = doctor()
    assert said.code == 1
    assert "wrong model" in said.words
    assert str(weights) in said.words


def test_damaged_keys(doctor: Call, place: Any) -> None:
    (place.data / "keys").mkdir(parents=True)
    for name in ("log.key", "keeper.key"):
        (place.data / "keys" / name).write_text("damaged")
        (place.data / "keys" / name).chmod(0o600)
    said = doctor()
    assert said.code == 1
    assert "wrong keys" in said.words
    assert "Restore it from a backup" in said.words


def test_lost_keys(doctor: Call, place: Any) -> None:
    (place.data / "keys").mkdir(parents=True)
    (place.data / "keys" / "attachments.key").write_bytes(bytes(32))
    said = doctor()
    assert said.code == 1
    assert f"there is no {place.data}/keys/log.key" in said.words
    assert not (place.data / "keys" / "log.key").exists()


@pytest.mark.parametrize("section", ["offload", "anchor"])
def test_what_is_switched_off_is_said(doctor: Call, place: Any, section: str) -> None:
    place.write(**{section: {"enabled": False}}, classifier={"enabled": False})
    assert "switched off in the settings" in doctor().words


def test_without_a_settings_file(waxseal: Call, tmp_path: Path) -> None:
    said = waxseal("doctor", "-c", tmp_path / "none.toml")
    assert said.code == 1
    assert "write one with `waxseal init`" in said.err
