"""Any order of true, false, old and new views: a log with one history is never accused, one with two is convicted."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from node.anchor import checkpoint, fork, merkle, tiles
from node.anchor.checkpoint import Checkpoint
from node.anchor.findings import ALARMS, Kind
from node.anchor.log_source import LogSource
from node.anchor.monitor import Demands, LogMonitor
from node.anchor.monitor_state import LogFolder
from node.anchor.note import NoteSigner
from node.anchor.peers import Peer
from node.net.web_service import Exchange

ORIGIN = "waxseal.test/log"
SIGNER = NoteSigner(ORIGIN, b"\x07" * 32)


class Tree:
    """A history, told by C2SP tlog-tiles at whatever size is shown."""

    def __init__(self, size: int, what: str, common: int) -> None:
        self.entries = [hashlib.sha256(f"{'same' if n < common else what} {n}".encode()).digest() for n in range(size)]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for n, entry in enumerate(self.entries):
            for level, index, value in merkle.appended(n, merkle.leaf_hash(entry), self.read):
                self.nodes[level, index] = value

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def signed(self, size: int) -> str:
        return checkpoint.sign(Checkpoint(ORIGIN, size, merkle.root(size, self.read)), SIGNER)

    def answer(self, path: str, shown: int) -> bytes | None:
        if path == "/checkpoint":
            return self.signed(shown).encode()
        tile = tiles.parse_path(path[1:])
        if tile.width > tiles.width_of(tile.level, tile.index, shown):
            return None
        places = range(tile.index * 256, tile.index * 256 + tile.width)
        if tile.level == tiles.ENTRIES:
            return tiles.pack_bundle([self.entries[n] for n in places])
        return b"".join(self.nodes[8 * tile.level, n] for n in places)


class Net:
    """The network between a monitor and the log it is shown, and a peer that saw some checkpoints."""

    def __init__(self) -> None:
        self.tree: Tree | None = None
        self.shown = 0
        self.seen: list[str] = []

    async def exchange(self, method: str, path: str, limit: int, content: Any = None, headers: Any = ()) -> Exchange:
        await trio.lowlevel.checkpoint()
        if path.startswith("/log/seen"):
            body = json.dumps({"origin": ORIGIN, "checkpoints": self.seen, "forks": []}).encode()
            return Exchange(200, "application/json", body)
        assert self.tree
        found = self.tree.answer(path, self.shown)
        return Exchange(404 if found is None else 200, "", found or b"")


Step = tuple[bool, int, list[tuple[bool, int]]]
COMMON, LARGEST = 5, 40
TRUE, FALSE = Tree(LARGEST, "true", COMMON), Tree(LARGEST, "false", COMMON)

views = st.tuples(st.booleans(), st.integers(0, LARGEST))
steps = st.lists(st.tuples(st.booleans(), st.integers(0, LARGEST), st.lists(views, max_size=3)), min_size=1, max_size=6)


async def watched(told: Sequence[Step], rebuild: bool) -> tuple[list[Kind], int]:
    """What a monitor finds that is shown these views one after another, and how much evidence it has then."""
    net, found = Net(), []
    with tempfile.TemporaryDirectory() as folder:
        service = cast("Any", net)
        monitor = LogMonitor(
            [SIGNER.key],
            LogSource(service),
            LogFolder(Path(folder), ORIGIN),
            Demands(rebuild=rebuild),
            peers=[Peer(service, "peer")],
        )
        for is_true, size, seen in told:
            net.tree, net.shown = (TRUE if is_true else FALSE), size
            net.seen = [(TRUE if truth else FALSE).signed(at) for truth, at in seen]
            found += [finding.kind for finding in await monitor.look()]
        return found, convictions(Path(folder))


def convictions(folder: Path) -> int:
    """How many files of evidence there are, each of which convicts."""
    files = sorted(folder.glob("*/fork-*.json"))
    for file in files:
        fork.parse(file.read_text()).check([SIGNER.key])
    return len(files)


@settings(max_examples=60)
@given(steps, st.booleans())
def test_an_honest_log_is_never_accused(told: list[Step], rebuild: bool) -> None:
    """It may be shown older at times, and peers may have seen it larger or smaller: that convicts nobody."""
    honest = [(True, size, [(True, at) for _, at in seen]) for _, size, seen in told]
    found, convicted = trio.run(watched, honest, rebuild)
    assert not convicted
    assert set(found) <= {Kind.BACKWARDS, Kind.BEHIND, Kind.UNREACHABLE}  # the last: tiles it does not show again yet
    if all(a[1] <= b[1] for a, b in pairwise(honest)):
        assert set(found) <= {Kind.BEHIND}


@settings(max_examples=60)
@given(steps, st.booleans())
def test_whoever_sees_both_histories_has_evidence_or_an_alarm(told: list[Step], rebuild: bool) -> None:
    """Both beyond the point where they part. Evidence needs hashes, which a log may withhold; then it is an alarm."""
    found, convicted = trio.run(watched, told, rebuild)
    sides = {is_true for is_true, size, _ in told if size > COMMON}
    if len(sides) == 2:
        assert convicted or set(found) & ALARMS
    if not {truth for truth, size, _ in told if size > COMMON} | {
        truth for _, _, seen in told for truth, at in seen if at > COMMON
    } >= {True, False}:
        assert not convicted
