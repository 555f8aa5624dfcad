"""The log: one JSON object a line, ids by context variable, and never a secret."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from node.base.log import SECRET_KEYS, bind, configure, get_log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    sink = io.StringIO()
    configure("info", stream=sink)
    yield sink
    structlog.reset_defaults()


def test_one_json_object_a_line(stream: io.StringIO) -> None:
    get_log("test").info("mail.received", size=5, sender="a@example.org\nforged line")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    row = json.loads(lines[0])
    assert (row["event"], row["size"], row["level"]) == ("mail.received", 5, "info")
    assert row["sender"] == "a@example.org\nforged line"


def test_ids_ride_along(stream: io.StringIO) -> None:
    with bind(session="7"):
        get_log("test").info("inside")
    get_log("test").info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["session"] == "7"
    assert "session" not in outside


def test_secrets_never_reach_a_sink(stream: io.StringIO) -> None:
    get_log("test").warning("login", **dict.fromkeys(SECRET_KEYS, "hunter2"))
    assert "hunter2" not in stream.getvalue()


def test_levels(stream: io.StringIO) -> None:
    get_log("test").debug("quiet")
    assert stream.getvalue() == ""
