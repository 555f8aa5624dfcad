"""JSON from strangers: bounded in size and depth, every name once, no numbers that JSON does not have."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 32
# A string, or one without an end up to the end of the text: it always matches, so that nothing is read twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def loads(data: bytes, limit: int, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Read one JSON object (RFC 8259).

    Args:
        limit: octets at most.
        depth: how deep objects and arrays may lie in each other.

    Raises:
        ValueError: too large, too deep, no object, no JSON, no UTF-8, or a name given twice: two readers might
            each believe another of its values.
    """
    if len(data) > limit:
        raise ValueError(f"more than {limit} octets")
    if _depth(data) > depth:  # before parsing: what is deep enough crashes parsers
        raise ValueError(f"deeper than {depth}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("too deep") from None
    if rb"\u" in data:
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no character
    if not isinstance(value, dict):
        raise ValueError("this is no JSON object")  # noqa: TRY004 - what came in is wrong, not our call
    return value


def _depth(data: bytes) -> int:
    most = now = 0
    for octet in _STRING.sub(b"", data):
        if octet in b"{[":
            now += 1
            most = max(most, now)
        elif octet in b"}]":
            now -= 1
    return most


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
