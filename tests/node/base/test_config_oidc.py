"""Settings of outside OpenID providers."""

from __future__ import annotations

import pytest

from node.base.config import parse_settings
from node.base.errors import ConfigError

ONE = '[[oidc.providers]]\nname = "Other House"\nissuer = "https://id.example.org"\nclient_id = "waxseal"\n'


def test_none_is_asked_unless_it_is_named() -> None:
    assert parse_settings('hostname = "mx.example.org"').oidc.providers == []


def test_a_provider_is_a_table() -> None:
    (one,) = parse_settings(f'hostname = "mx.example.org"\n{ONE}').oidc.providers
    assert (one.name, one.slug, one.allow_loopback, one.client_secret_file) == (
        "Other House",
        "other-house",
        False,
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("https://id.example.org", "http://id.example.org", "https://host/path"),
        ("https://id.example.org", "http://localhost:8080", "https://host/path"),
        ("https://id.example.org", "https://10.0.0.1", "https://host/path"),
        ("https://id.example.org", "https://id.example.org/?x=1", "https://host/path"),
        ("Other House", "../x", "name"),
        ("Other House", "", "name"),
        ("waxseal", "", "client_id"),
        ("client_id", "client", "client_id"),
    ],
)
def test_faults_are_named(old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(f'hostname = "mx.example.org"\n{ONE.replace(old, new)}')


def test_two_may_not_be_mixed_up() -> None:
    with pytest.raises(ConfigError, match="same name or issuer"):
        parse_settings(f'hostname = "mx.example.org"\n{ONE}{ONE.replace("Other House", "Another")}')
    with pytest.raises(ConfigError, match="same name or issuer"):
        parse_settings(
            f'hostname = "mx.example.org"\n{ONE}{ONE.replace("Other House", "other.house").replace("id.", "")}'
        )
