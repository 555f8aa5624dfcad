"""TLS for the servers' tests: one self-made CA for the whole session."""

from __future__ import annotations

import ssl

import pytest

from node.net.tls import Certificate, self_made, server_context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_made(tmp_path_factory.mktemp("tls"), "mx.waxseal.test")


@pytest.fixture(scope="session")
def server_tls(certificate: Certificate) -> ssl.SSLContext:
    return server_context(certificate)


@pytest.fixture(scope="session")
def client_tls(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.ca))
