"""The ARC test suite of 2017 (validation: 171 cases; signing: one case each for what is signed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.mailauth.arc import ArcCheck
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.result import Result
from tests.node.mailauth.zone import Zone

yaml = pytest.importorskip("yaml", reason="the vectors are YAML files")
VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "arc"


def cases(name: str) -> list[Any]:
    path = VECTORS / name
    if not path.exists():
        return [pytest.param("", {}, {}, marks=pytest.mark.skip(reason=f"{path} is not there"))]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = yaml.load_all(path.read_text(), loader)
    return [pytest.param(key, case, scenario, id=key) for scenario in found for key, case in scenario["tests"].items()]


def zone(scenario: dict[str, Any]) -> Zone:
    return Zone({name: (text.encode(),) for name, text in scenario["txt-records"].items()})


def split(message: str) -> tuple[bytes, bytes]:
    header, _, body = message.encode().replace(b"\n", b"\r\n").partition(b"\r\n\r\n")
    return header + b"\r\n", body


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "case", "scenario"), cases("arc-draft-validation-tests.yml"))
async def test_validation(key: str, case: dict[str, Any], scenario: dict[str, Any]) -> None:
    header, body = split(case["message"])
    check = ArcCheck(header_fields(header))
    result = await check.result(body_hashes(body, check.forms), zone(scenario))
    # Three cases leave it open what a chain is that calls itself broken: RFC 8617 §5.2 step 2 says "fail".
    assert result.result is Result((case["cv"] or "fail").lower()), result.reason
