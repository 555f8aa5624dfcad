"""An LDAP server where Debian's slapd is installed."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Iterator

import pytest

from .slapd import ADMIN, BASE, CONF, PASSWORD, Slapd


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Started by its own process in a temporary folder, on a free port of loopback."""
    program = shutil.which("slapd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None or shutil.which("ldapmodify") is None:
        pytest.skip("slapd and ldap-utils are not installed")
    if importlib.util.find_spec("bonsai") is None:
        pytest.skip("bonsai is not installed: the extra [ldap]")
    folder = tmp_path_factory.mktemp("slapd")
    (folder / "data").mkdir()
    (folder / "password").write_text(PASSWORD)
    text = CONF.format(folder=folder, base=BASE, admin=ADMIN, password=PASSWORD)
    (folder / "slapd.conf").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Slapd(program, folder, port)
    server.start()
    yield server
    server.stop()
