"""The verifier in one file, in a Python that has nothing else, held to the library's answers on good and bad."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from node.anchor import exported, leaf, proof, receipt, registry, tree_heads
from node.anchor.log_source import LogSource
from node.anchor.note import NoteKey
from node.anchor.receipt import ReceiptError
from node.anchor.steps import RegistryAt, Trust, result
from node.anchor.verify import verify
from node.net.chain.quorum import open_quorums
from node.net.web_service import WebService

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def module(alone: Any) -> ModuleType:
    """The file as a module of this process, for what needs no empty environment."""
    spec = importlib.util.spec_from_file_location("waxseal_verify", alone.path)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules["waxseal_verify"] = made
    spec.loader.exec_module(made)
    return made


async def both(world: Any, alone: Any, text: str, options: dict[str, list[str]], message: bytes) -> list[bool | None]:
    """What library and file say; they must agree on every step and on the exit code."""
    flat = [part for name, values in options.items() for value in values for part in (f"--{name}", value)]
    other = await trio.to_thread.run_sync(lambda: alone.ask(message, text, *flat))
    if other["exit"] == 2:
        with pytest.raises(ReceiptError):
            receipt.parse(text.encode("utf-8", "surrogatepass"))
        return []
    claim = receipt.parse(text.encode("utf-8", "surrogatepass"))
    wanted = {place.chain_id for place in claim.anchors} | {31337}
    async with open_quorums(options.get("rpc", []), wanted) as chains:
        trust = Trust(
            keys=tuple(map(NoteKey.parse, options.get("log-key", []))),
            revoked=tuple(map(NoteKey.parse, options.get("revoked", []))),
            keepers=tuple(options.get("keeper", [])),
            chains=dict(chains),
            registry=RegistryAt(31337, world.registry) if "registry" in options else None,
            later=await trio.Path(options["later"][0]).read_text() if "later" in options else "",
            witnesses=tuple(witness.key for witness in world.witnesses) if "witness" in options else (),
        )
        steps = await verify(message, claim, trust)
    mine = [step.holds for step in steps]
    assert mine == other["holds"], (steps, other)
    assert int(result(steps)) == other["exit"]
    return mine


@pytest.fixture(scope="module")
async def everything(public: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Options that ask for all eight steps."""
    later = tmp_path_factory.mktemp("later") / "later"
    later.write_text(await public.later(7, 700))
    return {
        "log-key": [str(public.keys.log_key)],
        "keeper": [public.keys.sender],
        "rpc": [public.url],
        "registry": ["eip155:31337"],
        "later": [str(later)],
        "witness": [str(witness.key) for witness in public.witnesses],
    }


async def test_both_find_all_eight_steps_hold(public: Any, alone: Any, everything: dict[str, list[str]]) -> None:
    text = public.cosigned(3).to_json()
    assert await both(public, alone, text, everything, public.message) == [True] * 8
    exported_message = b"From - Sat Nov 21 2026\n" + public.message.replace(b"\r\n", b"\n") + b"\n"
    assert await both(public, alone, text, everything, exported_message) == [True] * 8
    bare = {name: values for name, values in everything.items() if name in {"log-key", "rpc"}}
    assert (await both(public, alone, text, bare, public.message))[5] is True
    for left, expected in (("rpc registry", [None, None, True]), ("rpc registry keeper", [True] * 3)):
        some = {name: values for name, values in everything.items() if name in left.split()}
        assert (await both(public, alone, text, some, public.message))[3:6] == expected


async def test_both_refuse_alike(public: Any, alone: Any, everything: dict[str, list[str]], tmp_path: Path) -> None:
    """Each of the bad inputs, named."""
    good = public.cosigned(3)
    path = proof.parse(good.proof)
    (place,) = good.anchors
    other = str(NoteKey("waxseal.test/log", SigningKey.generate().verify_key.encode()))

    async def fails(step: int, options: dict[str, list[str]] | None = None, **changes: Any) -> None:
        text = good.model_copy(update=changes).to_json()
        assert (await both(public, alone, text, options or everything, public.message))[step - 1] is False

    from dataclasses import replace

    await fails(1, sha256="00" * 32)
    await fails(2, policy="00" * 32)
    for hashes in (path.hashes[:-1], path.hashes[1:], (*path.hashes, bytes(32)), path.hashes[::-1]):
        await fails(3, proof=replace(path, hashes=hashes).text)
    await fails(3, proof=replace(path, index=5).text)
    first = good.proof.splitlines()[2]  # a hash: 43 characters, of which the last has two bits too many, and "="
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = first[:-2] + letters[letters.index(first[-2]) ^ 1] + "="
    for second_spelling in (
        good.proof.replace(first, loose),
        good.proof.replace(first, first[:-1]),
        good.proof.replace("index 4", "index 04"),
        good.proof.replace("index 4", "index +4"),
        good.proof.replace("\n7\n", "\n07\n"),
        good.proof.replace("\n", "\r\n"),
        good.proof + "\n",
    ):
        await fails(3, proof=second_spelling)
    await fails(4, everything | {"log-key": [other]})
    await fails(4, everything | {"revoked": [str(public.keys.log_key)]})
    await fails(4, origin="other.test/log")
    await fails(6, anchors=(place.model_copy(update={"block": place.block + 1}),))
    await fails(6, anchors=(place.model_copy(update={"block": 10**9}),))
    await fails(6, anchors=(place.model_copy(update={"contract": registry.ADDRESS}),))
    await fails(6, everything | {"keeper": ["0x" + "12" * 20]})
    await fails(8, proof=public.cosigned(2).proof)
    forked = tmp_path / "forked"
    forked.write_text((await public.later(7, 700)).replace("old 7\n", "old 7\n" + "A" * 43 + "=\n", 1))
    await fails(7, everything | {"later": [str(forked)]})
    shorter = tmp_path / "shorter"
    shorter.write_text(await public.signed(700))
    text = good.to_json()
    assert (await both(public, alone, text, everything | {"later": [str(shorter)]}, public.message))[6] is None


CHANGES = st.sampled_from(["sha256", "salt", "time", "origin", "proof", "direction", "text", "anchors", "message"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=2, unique=True), st.randoms(use_true_random=False), st.booleans())
async def test_both_say_the_same_of_random_receipts(
    world: Any, alone: Any, changes: list[str], chance: random.Random, keyed: bool
) -> None:
    """Without a chain, which makes them fast: characters and bytes changed, dropped, doubled and swapped at random."""
    claim = json.loads(world.cosigned(2).to_json())
    message = world.message
    for change in changes:
        if change == "message":
            message = _scratched(message, chance)
        elif change == "direction":
            claim["direction"] = chance.choice(["received", "submitted", "x"])
        elif change == "time":
            claim["time"] = chance.choice([0, -1, 1 << 63, 1.0, "1", True, claim["time"] + 1])
        elif change == "anchors":
            claim["anchors"] = chance.choice([[], None, [{}], claim["anchors"] * 2, claim["anchors"] * 20])
        elif change != "text":
            claim[change] = _scratched(str(claim[change]).encode(), chance).decode("utf-8", "replace")
    text = json.dumps(claim, indent=chance.choice([None, 2]))
    if "text" in changes:
        text = _scratched(text.encode(), chance).decode("utf-8", "replace")
    options = {"log-key": [str(world.keys.log_key)]} if keyed else {}
    if chance.random() < 0.3:
        options["witness"] = [str(witness.key) for witness in world.witnesses]
    await both(world, alone, text, options, message)


def _scratched(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    other = chance.randrange(len(data) + 1)
    low, high = min(place, other), max(place, other)
    return chance.choice(
        [
            data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
            data[:place] + data[place + 1 :],
            data[:place] + data[place : place + 1] + data[place:],
            data[:low] + data[high:],
            data[:place] + chance.choice([b"\n", b" ", b"=", b"0", b'"', b"\xc3\xa9"]) + data[place:],
            data.replace(b"\n", b"\r\n"),
            data.replace(b"\r\n", b"\n"),
            data[:place],
        ]
    )


async def test_the_program_itself(world: Any, alone: Any, tmp_path: Path) -> None:
    """Its command line, its words, its exit codes: in an empty environment, one process each."""
    (tmp_path / "m.eml").write_bytes(world.message)
    (tmp_path / "r.json").write_text(world.receipt.to_json())

    async def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-I", "-S", str(alone.path), *arguments]
        pipes: dict[str, Any] = {"capture_stdout": True, "capture_stderr": True, "check": False}
        return await trio.run_process(command, env={}, cwd=tmp_path, **pipes)

    said = await run("m.eml", "r.json", "--log-key", str(world.keys.log_key))
    assert (said.returncode, said.stderr) == (3, b"")
    assert said.stdout.startswith(b"1. message: holds. ")
    assert b"6. chain: not checked. Not checked: no server of eip155:24225 was given" in said.stdout
    facts = json.loads((await run("m.eml", "r.json", "--json")).stdout)
    assert (facts["version"], facts["exit"], len(facts["steps"])) == ("waxseal.verification/1", 3, 8)
    (tmp_path / "other.eml").write_bytes(b"other")
    assert (await run("other.eml", "r.json")).returncode == 1
    for bad in (["none.eml", "r.json"], ["m.eml", "m.eml"], ["m.eml"], ["m.eml", "r.json", "--rpc", "http://a.test"]):
        assert (await run(*bad)).returncode == 2


async def test_the_command_says_the_same_by_the_same_options(
    public: Any, alone: Any, everything: dict[str, list[str]], tmp_path: Path
) -> None:
    """`waxseal verify` and the file, as people call them: the same options, the same JSON but for the words."""
    message, claim = tmp_path / "m.mbox", tmp_path / "r.json"
    message.write_bytes(b"From - Sat Nov 21 2026\n" + public.message.replace(b"\r\n", b"\n") + b"\n")
    claim.write_text(public.cosigned(3).to_json())
    options = [part for name, values in everything.items() for value in values for part in (f"--{name}", value)]
    options += ["--keeper", "0x" + "12" * 20, "--witnesses", "2", "--json"]  # a second account, of another chain
    pipes: dict[str, Any] = {"capture_stdout": True, "capture_stderr": True, "check": False}
    by_file = [sys.executable, "-I", "-S", str(alone.path), str(message), str(claim), *options]
    by_command = [sys.executable, "-m", "node", "verify", str(message), "--receipt", str(claim), *options]
    said = [await trio.run_process(command, **pipes) for command in (by_file, by_command)]
    assert [one.returncode for one in said] == [0, 0], said
    mine, theirs = [json.loads(one.stdout) for one in said]
    for step in (*mine["steps"], *theirs["steps"]):
        assert (step["holds"], step["asked"]) == (True, True)
        del step["words"]
    assert mine == theirs


def test_its_constants_are_the_contracts(module: ModuleType) -> None:
    assert hashlib.sha256(tree_heads.deployed_code()).hexdigest() == module.HEADS_CODE
    assert tree_heads.HEAD.hex() == module.HEAD
    assert tree_heads.ANCHORED.hex() == module.ANCHORED
    assert module.REGISTRY == registry.ADDRESS
    assert hashlib.sha256(registry.CONTRACT.deployed).hexdigest() == module.REGISTRY_CODE
    assert (registry.FIRST.hex(), registry.HISTORY.hex()) == (module.FIRST, module.HISTORY)
    assert {outcome.value: outcome.code for outcome in leaf.Outcome} == module.OUTCOMES
    assert {direction.value: direction.code for direction in leaf.Direction} == module.DIRECTIONS
    assert (exported.PRIVATE, exported.DELIVERY) == (module.PRIVATE, module.DELIVERY)
    assert (exported.LIMIT, exported.OCTETS) == (module.MAX_WAYS, module.MAX_HASHED)
    assert receipt.MAX_PLACES == module.MAX_PLACES


@settings(max_examples=30)
@given(st.binary(max_size=300), st.integers(0, 511))
def test_its_ed25519_and_keccak_are_the_ones_everybody_uses(module: ModuleType, message: bytes, place: int) -> None:
    key = SigningKey.generate()
    signature = bytearray(key.sign(message).signature)
    assert module.signed_by(bytes(key.verify_key), message, bytes(signature))
    signature[place // 8] ^= 1 << place % 8
    assert not module.signed_by(bytes(key.verify_key), message, bytes(signature))
    assert module.keccak(message) == keccak(message)


def test_second_spellings_of_signatures_are_refused(module: ModuleType) -> None:
    """Malleable: s + L verifies in lenient programs, and keys of small order fit any message."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"tea").signature
    again = int.from_bytes(signature[32:], "little") + module.L
    for public, forged in (
        (bytes(key.verify_key), signature[:32] + again.to_bytes(32, "little")),
        (bytes([1]) + bytes(31), bytes([1]) + bytes(63)),
        (bytes(32), bytes(64)),
    ):
        with pytest.raises((BadSignatureError, ValueError)):
            VerifyKey(public).verify(b"tea", forged)
        assert not module.signed_by(public, b"tea", forged)


FIELDS = [b"From: a@b.test\r\n", b"Status: hm\r\n", b"Return-Path: <>\r\n", b"Lines: 3\n"]
LINES = [b"x\r\n", b"From b\n", b">From c\r\n", b"\r\n", b"\n", b"\r", b"From d 2026\n", b"\xef\xbb\xbf"]


@given(st.lists(st.sampled_from(FIELDS + LINES), max_size=9))
def test_it_undoes_exports_by_the_same_rules(module: ModuleType, pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    mine = [(way.rules, way.content) for way in exported.ways(content)]
    theirs = [((), content), *(way for way in module.undone(content) if way[0])]
    assert theirs[: exported.LIMIT] == mine


async def test_consistency_by_tiles(world: Any, alone: Any, serve: Any) -> None:
    """The log over HTTP: the newest checkpoint and its tiles; then a tile is damaged, and the log rewritten."""
    from node.anchor import tiles
    from node.anchor.log import Log

    note = await world.signed(700)
    wanted = [tiles.Tile(0, 0), tiles.Tile(0, 1), tiles.Tile(0, 2, 188), tiles.Tile(1, 0, 2)]
    pages = {f"/log/{tile.path}": await world.database.read(lambda tx, at=tile: Log().tile(tx, at)) for tile in wanted}
    pages["/log/checkpoint"] = note.encode()

    async def answers() -> tuple[bool | None, bool | None]:
        with serve(lambda path, _: pages.get(path)) as url:
            async with WebService.open(f"{url}/log", "the log") as service:
                steps = await world.steps(world.trust(log=LogSource(service)))
            options = ["--log-key", str(world.keys.log_key), "--log", f"{url}/log"]
            other = await trio.to_thread.run_sync(lambda: alone.ask(world.message, world.receipt.to_json(), *options))
        return steps[6].holds, other["holds"][6]

    assert await answers() == (True, True)
    pages["/log/tile/0/000"] = bytes(32) + pages["/log/tile/0/000"][32:]
    assert await answers() == (False, False)
    pages["/log/tile/0/000"] = pages["/log/tile/0/000"][:-1]
    assert await answers() == (None, None)
    del pages["/log/tile/0/000"]
    assert await answers() == (None, None)
    pages["/log/checkpoint"] = b"\xff"
    assert await answers() == (False, False)
