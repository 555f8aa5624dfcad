"""The documentation of the settings is itself a settings file that works."""

from __future__ import annotations

import re

from node.base.config import Settings, parse_settings, section_of
from node.base.config_text import commented_settings


def test_every_key_is_there() -> None:
    text = commented_settings()
    for name in Settings.model_fields:
        section = section_of(Settings, name)
        keys = [name] if section is None else list(section.model_fields)
        for key in keys:
            assert re.search(rf"^#{key} = ", text, re.MULTILINE), key


def test_what_is_given_is_set_and_the_rest_keeps_its_default() -> None:
    text = commented_settings({"hostname": "mx.example.org", "smtp": {"listen": ["127.0.0.1:2525"]}})
    expected = parse_settings('hostname = "mx.example.org"\n[smtp]\nlisten = ["127.0.0.1:2525"]')
    assert parse_settings(text) == expected


def test_the_shown_defaults_are_the_defaults() -> None:
    shown = re.sub(r"^#(\w+ = (?!\.\.\.).*)$", r"\1", commented_settings(), flags=re.MULTILINE)
    assert parse_settings('hostname = "mx.example.org"\n' + shown) == parse_settings('hostname = "mx.example.org"')
