"""Settings of witnessing: what is taken, and what is refused with a word on what to write."""

from __future__ import annotations

from typing import Any

import pytest

from node.base.config import Settings, parse_settings
from node.base.config_text import commented_settings
from node.base.errors import ConfigError

ONE = "one.test/w+d5f26e11+BF62a1um3Ij12nLlaHhWsi3yMAa0mh2Ni65Wp3p3Hkgj"
TWO = "two.test/w+3c5322f6+BA7odDDztMXqskWT6obDY3koEGLfmxwL/Gq99BGlV7nA"


def read(**witness: Any) -> Settings:
    return parse_settings(commented_settings({"hostname": "a.example", "witness": witness}))


def test_nobody_is_asked_and_nobody_witnessed_at_first() -> None:
    witness = parse_settings('hostname = "a.example"').witness
    assert (witness.ask, witness.logs, witness.quorum) == ([], [], 0)


def test_a_table_for_each_witness() -> None:
    witness = parse_settings(f"""
        hostname = "a.example"
        [witness]
        quorum = 2
        logs = ["{ONE}"]
        [[witness.ask]]
        url = "https://one.test/prefix/"
        key = "{ONE}"
        [[witness.ask]]
        url = "http://127.0.0.1:8080"
        key = "{TWO}"
    """).witness
    assert [(one.name, one.url) for one in witness.ask] == [
        ("one.test/w", "https://one.test/prefix"),
        ("two.test/w", "http://127.0.0.1:8080"),
    ]


@pytest.mark.parametrize(
    ("witness", "words"),
    [
        ({"ask": [{"url": "http://one.test", "key": ONE}]}, "over https:// only"),
        ({"ask": [{"url": "one.test", "key": ONE}]}, "https://host/path"),
        ({"ask": [{"url": "https://me@one.test", "key": ONE}]}, "https://host/path"),
        ({"ask": [{"url": "https://one.test?x=1", "key": ONE}]}, "https://host/path"),
        ({"ask": [{"url": "https://one.test", "key": "one"}]}, "witness.ask.0.key"),
        ({"ask": [{"url": "https://one.test", "key": ONE}] * 2}, "same name"),
        ({"ask": [{"url": "https://one.test", "key": ONE}], "quorum": 2}, "a quorum of 2 needs as many"),
        ({"quorum": 1}, "a quorum of 1 needs as many"),
        ({"logs": ["one.test/log"]}, "witness.logs.0"),
        ({"name": "a b"}, "witness.name"),
        ({"wait_seconds": 3601}, "witness.wait_seconds"),
    ],
)
def test_what_cannot_work_is_refused(witness: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + words.replace(".", r"\.")):
        read(**witness)
