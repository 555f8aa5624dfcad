"""The ARC test suite of 2017 (validation: 171 cases; signing: one case each for what is signed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from node.mailauth.arc import ArcCheck
from node.mailauth.arc_seal import seal
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim_sign import BODY, SigningKey
from node.mailauth.dkim_tags import parse_tags, without_space
from node.mailauth.result import Result
from tests.node.mailauth.zone import Zone

SIGN = "arc-draft-sign-tests.yml"

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
    return Zone({name: (text.replace("\n", "").encode(),) for name, text in scenario["txt-records"].items()})


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


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "case", "scenario"), cases(SIGN))
async def test_message_signatures_that_others_made_verify(
    key: str, case: dict[str, Any], scenario: dict[str, Any]
) -> None:
    """The suite's message signatures verify here: the same octets of header and body were signed.

    Its seals cannot: the file does not keep the white space that they were made over.
    """
    if not case["AS"]:
        pytest.skip("no set is made here")
    header, body = split(case["message"])
    made = b"".join(
        name + b": " + "\r\n ".join(case[tag].strip().splitlines()).encode() + b"\r\n"
        for name, tag in (
            (b"ARC-Seal", "AS"),
            (b"ARC-Message-Signature", "AMS"),
            (b"ARC-Authentication-Results", "AAR"),
        )
    )
    check = ArcCheck(header_fields(made + header))
    result = await check.result(body_hashes(body, check.forms), zone(scenario))
    last = (
        "the last hand found the chain broken" if "cv=fail" in case["AS"] else "the seal of example.org does not verify"
    )
    assert result.reason == last


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "case", "scenario"), cases(SIGN))
async def test_sealing(key: str, case: dict[str, Any], scenario: dict[str, Any]) -> None:
    """What we make of the suite's message agrees in all that does not hang on the order of tags, and passes."""
    header, body = split(case["message"])
    fields, names = header_fields(header), zone(scenario)
    check = ArcCheck(fields)
    found = await check.result(body_hashes(body, check.forms), names)
    private = load_pem_private_key(scenario["privatekey"].encode(), None)
    assert isinstance(private, RSAPrivateKey)
    signer = SigningKey(scenario["domain"], scenario["sel"], private)
    digest = body_hashes(body, [BODY])[BODY]
    made = seal(fields, digest, found, f"{case['srv-id']}; arc={found.result}", signer, now=int(case["t"]))
    if not case["AS"]:
        assert made == b""
        return
    theirs, ours = tags(case["AS"].encode()), tags(header_fields(made)[0].value)
    assert {name: ours[name] for name in ("i", "a", "cv", "d", "s", "t")} == {
        name: theirs[name] for name in ("i", "a", "cv", "d", "s", "t")
    }
    assert tags(header_fields(made)[1].value)["bh"] == tags(case["AMS"].encode())["bh"]
    after = ArcCheck(header_fields(made + header))
    result = await after.result(body_hashes(body, after.forms), names)
    assert result.result is (Result.FAIL if ours["cv"] == b"fail" else Result.PASS), result.reason


def tags(text: bytes) -> dict[str, bytes]:
    return {name: without_space(tag.value) for name, tag in parse_tags(b" ".join(text.split())).items()}
