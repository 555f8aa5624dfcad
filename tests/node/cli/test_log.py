"""`waxseal log` and `waxseal log-key`: what they print and what they refuse."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from node.anchor import audit, checkpoint, merkle, message_leaves, proof
from node.anchor.checkpoint import Checkpoint
from node.anchor.events import Kind
from node.anchor.keys import LogKeys, open_keys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.anchor.note import NoteKey
from node.anchor.sealer import Sealer
from node.service.folders import Folders
from node.store import leaves
from node.store.database import Database, Writing

Call = Callable[..., Any]
_SIZE = 600


def logged(place: Any) -> LogKeys:
    """A log of messages with an event among them, sealed, with its newest head signed."""
    folders = Folders(place.data)
    folders.make()
    keys = open_keys(folders.keys, "mx.example.test")

    async def run() -> None:
        async with Database.open(folders.database) as database:
            await database.write(fill)
            await Sealer(database, 1).seal()

    def fill(tx: Writing) -> None:
        for index in range(_SIZE):
            if index == 300:
                audit.record(tx, Kind.RETENTION, "operator", "", {"what": "test"}, 1_790_000_000)
            else:
                message_leaves.append(tx, Log(), Leaf(os.urandom(32), Direction.RECEIVED, 9, os.urandom(32)))
        head = Checkpoint(keys.origin, _SIZE, Log().root(tx, _SIZE))
        leaves.put_checkpoint(tx, _SIZE, checkpoint.sign(head, *keys.signers).encode(), 1)

    trio.run(run)
    return keys


def packs_of(place: Any) -> list[Path]:
    return sorted(Path(place.data, "blobs").glob("??/*"))


def test_show(waxseal: Call, place: Any) -> None:
    logged(place)
    facts = json.loads(waxseal("log", "show", "--json", "-c", place.config).out)
    assert (facts["entries"], facts["signed_entries"]) == (_SIZE, _SIZE)
    assert (facts["full_tiles_in_files"], facts["bundles_in_files"]) == ({"0": 2}, 2)
    assert len(base64.b64decode(facts["root"])) == 32
    assert "signed entries: 600" in waxseal("log", "show", "-c", place.config).out


def test_a_whole_log_is_whole_and_a_damaged_one_is_repaired(waxseal: Call, place: Any) -> None:
    logged(place)
    assert waxseal("log", "check", "-c", place.config).out == "the log is whole: 600 entries\n"
    kept = {path: path.read_bytes() for path in packs_of(place)}
    assert len(kept) == 4
    for path in kept:
        path.unlink()
    found = waxseal("log", "check", "-c", place.config)
    assert found.code == 1
    lines = [line for line in found.out.splitlines() if line.startswith("tile/")]
    assert lines[0] == "tile/entries/000: is missing; run `waxseal log check --repair`"
    assert len(lines) == 4
    done = waxseal("log", "check", "--repair", "-c", place.config)
    assert done.code == 0
    assert "tile/0/001: is missing; repaired" in done.out
    assert "the log is whole: 600 entries" in done.out
    assert sorted(map(Path.read_bytes, packs_of(place))) == sorted(kept.values())
    assert waxseal("log", "check", "-c", place.config).code == 0


def test_what_cannot_be_repaired_is_said(waxseal: Call, place: Any) -> None:
    logged(place)

    async def shred() -> None:
        async with Database.open(Folders(place.data).database) as database:
            await database.write(lambda tx: leaves.forget(tx, 5))

    trio.run(shred)
    for path in packs_of(place):
        path.unlink()
    done = waxseal("log", "check", "--repair", "-c", place.config)
    assert done.code == 1
    assert "tile/entries/000: is missing; what it is made of is gone, too: restore `blobs/` from a backup" in done.out
    assert "tile/entries/001: is missing; repaired" in done.out
    assert "tile/0/001: is missing; repaired" in done.out


def test_a_proof_travels(waxseal: Call, place: Any) -> None:
    keys = logged(place)
    text = waxseal("log", "proof", 7, "-c", place.config).out
    read = proof.parse(text)
    head = checkpoint.verify(read.signed, keys.log_key)
    leaf = trio.run(_leaf_hash, place, 7)
    assert merkle.verify_inclusion(leaf, 7, head.size, read.hashes, head.root)
    refused = waxseal("log", "proof", _SIZE, "-c", place.config)
    assert refused.code == 1
    assert "the newest checkpoint has 600 entries, and 601 are needed" in refused.words


def test_consistency(waxseal: Call, place: Any) -> None:
    keys = logged(place)
    text = waxseal("log", "consistency", 257, "-c", place.config).out
    hashes, _, signed = text.partition("\n\n")
    head = checkpoint.verify(signed, keys.log_key)
    path = [base64.b64decode(line) for line in hashes.split("\n")]
    old = trio.run(_root, place, 257)
    assert merkle.verify_consistency(257, head.size, old, head.root, path)
    assert waxseal("log", "consistency", 601, "-c", place.config).code == 1


async def _leaf_hash(place: Any, index: int) -> bytes:
    async with Database.open(Folders(place.data).database) as database:
        return merkle.leaf_hash(await database.read(lambda tx: Log().entry(tx, index)))


async def _root(place: Any, size: int) -> bytes:
    async with Database.open(Folders(place.data).database) as database:
        return await database.read(lambda tx: Log().root(tx, size))


def test_the_key_is_replaced_and_the_old_one_listed(waxseal: Call, place: Any) -> None:
    assert "start the node once" in waxseal("log-key", "-c", place.config).words
    old = logged(place).log_key
    assert waxseal("log-key", "-c", place.config).out == f"{old}\n"
    done = waxseal("log-key", "rotate", "--overlap-days", 7, "-c", place.config)
    new = NoteKey.parse(done.out)
    assert new != old
    assert f"Publish it beside {old}" in done.words
    assert waxseal("log-key", "-c", place.config).out == f"{new}\n"
    lines = waxseal("log-key", "list", "-c", place.config).out.splitlines()
    assert lines[0] == f"{new}\tsigns"
    assert lines[1].startswith(f"{old}\treplaced 20")
    assert "signs along until" in lines[1]
