"""The settings file is read whole or refused whole, and every refusal says what to write instead."""

from __future__ import annotations

import pytest

from node.base.config import Endpoint, Settings, parse_settings, section_of
from node.base.errors import ConfigError


def test_hostname_alone_is_enough() -> None:
    settings = parse_settings('hostname = "MX.Example.org"')
    assert settings.hostname == "mx.example.org"
    assert settings.smtp.listen == [Endpoint(host="0.0.0.0", port=25)]


def test_endpoints_are_written_as_people_write_them() -> None:
    settings = parse_settings('hostname = "a.example"\n[imap]\nlisten_tls = ["[::1]:9930", "127.0.0.1:0"]')
    assert [str(place) for place in settings.imap.listen_tls] == ["[::1]:9930", "127.0.0.1:0"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('hostnam = "a.example"', 'hostnam: unknown key; did you mean "hostname"?'),
        ("", "hostname: must be set"),
        ('hostname = "a.example"\n[smtp]\nmax_recipient = 5', 'did you mean "max_recipients"?'),
        ('hostname = "a.example"\n[smtp]\nlisten = ["here"]', 'write "host:port"'),
        ('hostname = "a_b.example"', "bad label 'a_b'"),
        ('hostname = "a.example"\n[tls]\ncertificate = "x.pem"', "set both certificate and key, or neither"),
        ('hostname = "a.example"\n[classifier]\njunk_at = 1.5', "classifier.junk_at"),
        ('hostname = "a.example"\n[http]\norigin = "mail.example.org"', "an origin starts with https://"),
        ('hostname = "a.example"\n[sending]\nmax_recipients_per_hour = 50', "less than new_recipients_per_hour"),
        ('hostname = "a.example"\n[sending]\nmax_recipients_per_day = 50', "less than new_recipients_per_day"),
        ('hostname = "a.example"\n[did]\nregistries = { "solana:x" = "0x12" }', 'write "eip155:1" for Ethereum'),
        ('hostname = "a.example"\n[did]\nregistries = { "eip155:5" = "0x12" }', "address is 0x and 40 hex digits"),
        ("hostname = ", "is no TOML"),
    ],
)
def test_faults_are_named_with_their_remedy(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text)
    assert expected in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings("nonsense = 1\n[smtp]\nmax_recipients = 1\n[log]\nlevel = 'loud'")
    text = str(caught.value)
    assert all(key in text for key in ("nonsense", "smtp.max_recipients", "log.level", "hostname"))


def test_every_setting_is_documented() -> None:
    for name, field in Settings.model_fields.items():
        section = section_of(Settings, name)
        if section is None:
            assert field.description, name
            continue
        assert section.__doc__, name
        for key, inner in section.model_fields.items():
            assert inner.description, f"{name}.{key}"
