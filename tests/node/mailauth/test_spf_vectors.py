"""The openspf.org test suite for RFC 7208, all of it: ../shared/vectors/spf."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from node.mailauth.spf import Asked, check_host

from .conftest import Table

PLACE = Path(__file__).resolve().parents[4] / "shared/vectors/spf/rfc7208-tests.yml"
MISSING = f"the openspf.org suite is not at {PLACE}"


def _table(zone: dict[str, list[Any]]) -> Table:
    """The suite's zone: SPF stands for TXT where there is no TXT beside it ("NONE" says: no TXT at all)."""
    records: dict[str, dict[str, list[object]]] = {}
    for name, entries in zone.items():
        kinds: dict[str, list[object]] = {}
        for entry in entries:
            if entry == "TIMEOUT":
                kinds["TIMEOUT"] = []
                continue
            ((kind, value),) = entry.items()
            kinds.setdefault(kind, []).append(_octets(value) if kind in {"SPF", "TXT"} else value)
        policy = kinds.pop("SPF", [])
        if "TXT" not in kinds and policy:
            kinds["TXT"] = policy
        if kinds.get("TXT") == [b"NONE"]:
            del kinds["TXT"]
        records[name] = kinds
    return Table(records)


def _octets(value: str | list[str]) -> bytes:
    return "".join(value).encode("latin-1")


def _cases() -> list[Any]:
    if not PLACE.exists():
        return [pytest.param({}, {}, id="missing", marks=pytest.mark.skip(reason=MISSING))]
    yaml = pytest.importorskip("yaml", reason="the openspf.org suite is YAML, and PyYAML is not installed")
    scenarios = list(yaml.safe_load_all(PLACE.read_text("utf-8")))
    found = [
        pytest.param(case, scenario["zonedata"], id=f"{number}-{name}")
        for number, scenario in enumerate(scenarios)
        for name, case in scenario["tests"].items()
    ]
    assert len(found) == 203
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(("case", "zone"), _cases())
async def test_the_suite(case: dict[str, Any], zone: dict[str, list[Any]]) -> None:
    local, _, domain = (case["mailfrom"] or f"postmaster@{case['helo']}").rpartition("@")
    asked = Asked(ip_address(case["host"]), domain, local or "postmaster", case["helo"], "mx.waxseal.test", 1)
    answer = await check_host(_table(zone), asked)
    expected = case["result"]
    assert answer.result in (expected if isinstance(expected, list) else [expected]), answer
    if "explanation" in case:
        assert answer.explanation == {"DEFAULT": ""}.get(case["explanation"], case["explanation"])
