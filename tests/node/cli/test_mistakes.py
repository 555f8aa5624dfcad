"""send, receipt, verify and log-key with what people get wrong; no node runs here."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
TO = "ann@example.test"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_send_where_nobody_listens(waxseal: Call, note: Path) -> None:
    server = f"127.0.0.1:{closed_port()}"
    said = waxseal("send", note, "--to", TO, "--server", server)
    assert said.code == 1
    assert said.err == (
        f"waxseal: cannot connect to {server}: Connection refused; look at --server and --tls, or try again later\n"
    )


@pytest.mark.parametrize("server", ["localhost", ":25", "host:", "host:smtp", "host:70000"])
def test_send_to_no_server(waxseal: Call, note: Path, server: str) -> None:
    said = waxseal("send", note, "--to", TO, "--server", server)
    assert said.code == 2
    assert "is no host:port, such as 127.0.0.1:2525" in said.words


def test_send_to_nobody(waxseal: Call, note: Path) -> None:
    said = waxseal("send", note)
    assert said.code == 2
    assert "name at least one recipient with --to" in said.words
    said = waxseal("send", note, "--to", "ann")
    assert said.code == 1
    assert "'ann' is no address" in said.err


def test_send_nothing(waxseal: Call, tmp_path: Path) -> None:
    said = waxseal("send", "--to", TO)
    assert said.code == 2
    assert "name at least one file, or --sample" in said.words
    said = waxseal("send", tmp_path / "none.eml", "--to", TO)
    assert said.code == 1
    assert said.err == f"waxseal: cannot read {tmp_path}/none.eml: No such file or directory\n"


def test_send_a_password_in_the_clear(waxseal: Call, note: Path) -> None:
    said = waxseal("send", note, "--to", TO, "--user", TO, "--password", "secret")
    assert said.code == 2
    assert "add --tls starttls or --tls implicit" in said.words
    assert "secret" not in said.words


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_send_with_a_ca_that_is_none(waxseal: Call, note: Path, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    said = waxseal("send", note, "--to", TO, "--tls", "starttls", "--ca", tmp_path / "ca.pem")
    assert said.code == 1
    assert f"cannot use {tmp_path}/ca.pem as a CA file (PEM)" in said.err


def test_a_receipt_from_a_node_that_never_started(waxseal: Call, place: Any, note: Path) -> None:
    said = waxseal("receipt", note, "-c", place.config)
    assert said.code == 1
    assert f"there is no {place.data}/keys/log.key: start the node once" in said.err
    assert not place.data.exists()
    assert waxseal("log-key", "-c", place.config).err == said.err


def test_a_receipt_for_a_message_the_node_never_had(waxseal: Call, node: Any, note: Path) -> None:
    for message in (note, "ab" * 32):
        said = waxseal("receipt", message, "-c", node.config)
        assert said.code == 1
        assert "this node has accepted no such message; export it whole from the mail client" in said.err


@pytest.mark.parametrize("message", ["none.eml", "ab" * 31, "xy" * 32])
def test_a_receipt_for_neither_file_nor_digest(waxseal: Call, node: Any, message: str) -> None:
    said = waxseal("receipt", message, "-c", node.config)
    assert said.code == 1
    assert "is neither a readable file nor a SHA-256" in said.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "this is no receipt of Waxseal: file: Invalid JSON"),
        (b"garbage", "this is no receipt of Waxseal: file: Invalid JSON"),
        (b"{}", "version: Field required"),
        (b'{"version": "waxseal.receipt/2"}', "sha256: Field required"),
        (b'{"version": "waxseal.receipt/9"}', "version: Input should be 'waxseal.receipt/1' or 'waxseal.receipt/2'"),
        (b'{"version": "waxseal.receipt/1", "time": 1, "time": 2}', "a field stands there twice"),
        (b"[" * 100_000, "this is no receipt of Waxseal"),
        (b" " * 200_000, "has more than 131072 octets"),
    ],
)
def test_verify_with_a_damaged_receipt(waxseal: Call, note: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.json").write_bytes(content)
    said = waxseal("verify", note, "-r", tmp_path / "r.json")
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_verify_without_the_files(waxseal: Call, note: Path, tmp_path: Path) -> None:
    said = waxseal("verify", tmp_path / "none.eml", "-r", note)
    assert said.code == 2
    assert f"cannot read {tmp_path}/none.eml" in said.err
    assert waxseal("verify", note, "-r", tmp_path / "none.json").code == 2
    said = waxseal("verify", note)
    assert said.code == 2
    assert "--receipt" in said.words
