"""The self-made CA: made once, good for a strict client, renewed in time, keys private."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from node.base.errors import ConfigError
from node.net.tls import Certificate, self_made, server_context


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(6):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["mx.waxseal.test", "localhost", "127.0.0.1"])
def test_a_client_that_trusts_the_ca_is_content(tmp_path: Path, name: str) -> None:
    made = self_made(tmp_path, "mx.waxseal.test")
    client = ssl.create_default_context(cafile=made.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by default
    _handshake(server_context(made), client, name)


def test_another_name_is_refused(tmp_path: Path) -> None:
    made = self_made(tmp_path, "mx.waxseal.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server_context(made), ssl.create_default_context(cafile=made.ca), "bank.example")


def test_made_once_and_keys_are_private(tmp_path: Path) -> None:
    first = self_made(tmp_path, "mx.waxseal.test")
    before = first.chain.read_bytes()
    assert self_made(tmp_path, "mx.waxseal.test").chain.read_bytes() == before
    for key in ("server.key", "ca.key"):
        assert stat.S_IMODE((tmp_path / key).stat().st_mode) == 0o600


def test_a_new_hostname_gets_a_new_leaf_under_the_same_ca(tmp_path: Path) -> None:
    first = self_made(tmp_path, "one.example")
    assert first.ca
    ca = first.ca.read_bytes()
    second = self_made(tmp_path, "two.example")
    assert second.ca
    assert second.ca.read_bytes() == ca
    _handshake(server_context(second), ssl.create_default_context(cafile=second.ca), "two.example")


def test_missing_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check that both files exist"):
        server_context(Certificate(tmp_path / "no.pem", tmp_path / "no.key"))
