"""Further opinions are off by default; what would send mail to the wrong place is refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.base.config import Settings, parse_settings
from node.base.config_places import Endpoint, UnixSocket
from node.base.errors import ConfigError


def parse(text: str) -> Settings:
    return parse_settings(f'hostname = "a.example"\n{text}')


def test_all_are_off() -> None:
    settings = parse("")
    assert not settings.rspamd.enabled
    assert not settings.spamassassin.enabled
    assert not settings.clamav.enabled
    assert not settings.language_model.enabled


def test_places() -> None:
    settings = parse('[rspamd]\nserver = "[::1]:11333"\n[spamassassin]\nserver = "/run/spamd.sock"')
    assert settings.rspamd.server == Endpoint(host="::1", port=11333)
    assert settings.spamassassin.server == UnixSocket(path=Path("/run/spamd.sock"))
    assert str(settings.clamav.server) == "/run/clamav/clamd.ctl"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://api.example/v1",
        "http://localhost:8080/v1/",
        "http://127.0.0.1/v1",
        "http://[::1]:8000/v1",
        "http://10.1.2.3/v1",
    ],
)
def test_endpoints(endpoint: str) -> None:
    settings = parse(f'[language_model]\nenabled = true\nmodel = "m"\nendpoint = "{endpoint}"')
    assert settings.language_model.endpoint == endpoint.rstrip("/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[language_model]\nendpoint = "http://api.example/v1"', "over https:// only"),
        ('[language_model]\nendpoint = "http://8.8.8.8/v1"', "over https:// only"),
        ('[language_model]\nendpoint = "ftp://127.0.0.1"', "an endpoint is https://host/path"),
        ('[language_model]\nendpoint = "https://user:key@api.example"', "without a name, password"),
        ('[language_model]\nendpoint = "https://api.example/?key=1"', "without a name, password"),
        ('[language_model]\nendpoint = "http://[::1/v1"', "language_model.endpoint"),
        ("[language_model]\nenabled = true", "set model"),
        ('[clamav]\ninfected = "delete"', "clamav.infected"),
        ('[clamav]\nserver = "clamd"', 'write "host:port"'),
        ('[spamassassin]\nuser = "a\\r\\nb"', "spamassassin.user"),
    ],
)
def test_faults(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert expected in str(error.value)
