"""`waxseal ipfs` and what doctor says of replicas: from a file's tree to an archive and back."""

from __future__ import annotations

import http.server
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.ipfs import car
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.unixfs import CLASSIC, Block, Builder
from node.service.folders import Folders
from node.store import blobs, links, parts, replicas
from node.store.database import Database
from node.store.links import Link
from node.store.transaction import Writing

Call = Callable[..., Any]
CONTENT = random.Random(1).randbytes(700_000)  # three leaves


def furnish(place: Any) -> Cid:
    """One sealed tree that a part names; its root."""
    folders = Folders(place.data)
    builder, blocks = Builder(CLASSIC), list[Block]()
    for at in range(0, len(CONTENT), CLASSIC.chunk):
        blocks += builder.leaf(CONTENT[at : at + CLASSIC.chunk])
    last, root = builder.finish()

    async def run() -> None:
        await LocalBlocks(folders.blocks).put([*blocks, *last])
        async with Database.open(folders.database) as database:
            prepared = await blobs.prepare(database, b"a message")

            def work(tx: Writing) -> None:
                parts.begin(tx, b"r" * 16, position=0, header=b"", profile="", size=len(CONTENT))
                parts.keep(tx, b"r" * 16, blobs.add(tx, prepared), bytes(root.cid), parts.WrappedKey(1, b"w"))

            await database.write(work)

    place.data.mkdir(exist_ok=True)
    trio.run(run)
    return root.cid


@contextmanager
def serving(answers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers by path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            status, body = answers.get(self.path.partition("?")[0], (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def files(place: Any) -> list[Path]:
    return [path for path in Folders(place.data).blocks.rglob("b*") if path.is_file()]


KUBO = {
    "/api/v0/version": (200, b'{"Version": "0.39.0"}'),
    "/api/v0/repo/stat": (200, b'{"RepoSize": 5242880, "StorageMax": 10000000000, "NumObjects": 7}'),
}


def test_status(waxseal: Call, place: Any) -> None:
    furnish(place)
    said = waxseal("ipfs", "status", "-c", place.config)
    assert "1 sealed trees; here 4 blocks" in said.words
    assert "nothing leaves this machine" in said.words
    with serving(KUBO) as url:
        place.write(ipfs={"kubo": {"home": {"url": url}}})
        assert "version 0.39.0, 5 MiB in 7 blocks" in waxseal("ipfs", "status", "-c", place.config).words
    said = waxseal("ipfs", "status", "-c", place.config)
    assert said.code == 0
    assert "no answer from kubo:home" in said.words
    told = json.loads(waxseal("ipfs", "status", "--json", "--no-ask", "-c", place.config).out)
    assert told["store"]["octets"] > len(CONTENT)
    assert told["places"][0] | {"word": ""} == {
        **{"place": "kubo:home", "held": 0, "waiting": 0, "going": 0},
        **{"oldest_seconds": None, "error": "", "word": ""},
    }


def test_repair_fetches_what_is_lost_or_names_it(waxseal: Call, place: Any) -> None:
    furnish(place)
    assert "4 blocks good" in waxseal("ipfs", "repair", "-c", place.config).words
    lost = next(path for path in files(place) if path.stat().st_size == CLASSIC.chunk)
    good = lost.read_bytes()
    lost.write_bytes(b"rotten")
    said = waxseal("ipfs", "repair", "-c", place.config)
    assert said.code == 1
    assert "1 lost" in said.words
    assert f"lost: {lost.name}" in said.err
    with serving({f"/ipfs/{lost.name}": (200, good)}) as url:
        place.write(ipfs={"gateways": [url]})
        said = waxseal("ipfs", "repair", "-c", place.config)
    assert said.code == 0
    assert "1 repaired" in said.words
    assert "Trees: 1 of 1" in said.err
    assert lost.read_bytes() == good


def test_an_archive_brings_everything_back(waxseal: Call, place: Any, tmp_path: Path) -> None:
    root = furnish(place)
    file = tmp_path / "blocks.car"
    said = waxseal("ipfs", "export", file, "-c", place.config)
    assert f"1 trees, {file.stat().st_size} octets" in said.words
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("rb") as opened:
        assert len(list(car.load(opened))) == 4
    assert "is there already" in waxseal("ipfs", "export", file, "-c", place.config).words
    shutil.rmtree(Folders(place.data).blocks)
    assert waxseal("ipfs", "repair", "-c", place.config).code == 1
    assert "4 blocks" in (said := waxseal("ipfs", "import", file, "-c", place.config)).words
    assert "1 of 1 roots belong to messages here" in said.words
    assert waxseal("ipfs", "repair", "-c", place.config).code == 0
    again = tmp_path / "one.car"
    assert waxseal("ipfs", "export", again, "--cid", str(root), "-c", place.config).code == 0
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "absent"])
def test_a_bad_archive_is_refused_by_name(waxseal: Call, place: Any, tmp_path: Path, how: str) -> None:
    furnish(place)
    file = tmp_path / "blocks.car"
    waxseal("ipfs", "export", file, "-c", place.config)
    data = bytearray(file.read_bytes())
    if how == "cut":
        file.write_bytes(data[:-10])
    elif how == "flipped":
        data[-1] ^= 1
        file.write_bytes(data)
    elif how == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    said = waxseal("ipfs", "import", file, "-c", place.config)
    assert said.code == 1
    assert "Traceback" not in said.words
    assert {"cut": "cut off", "flipped": "is not the one", "empty": "cut off", "absent": "cannot read"}[
        how
    ] in said.words


def test_an_export_that_lacks_a_block_leaves_no_file(waxseal: Call, place: Any, tmp_path: Path) -> None:
    furnish(place)
    next(path for path in files(place) if path.stat().st_size == CLASSIC.chunk).unlink()
    assert waxseal("ipfs", "export", tmp_path / "a.car", "-c", place.config).code == 1
    assert list(tmp_path.glob("a.car*")) == []
    strange = str(Cid.of(Codec.RAW, b"strange"))
    said = waxseal("ipfs", "export", tmp_path / "a.car", "--cid", strange, "-c", place.config)
    assert f"no message holds {strange}" in said.words


def test_gc_takes_old_garbage_alone(waxseal: Call, place: Any) -> None:
    furnish(place)
    blocks = LocalBlocks(Folders(place.data).blocks)
    names = [b"old", b"old but put again", b"young"]
    garbage = [Block(Cid.of(Codec.RAW, data), data) for data in names]
    trio.run(blocks.put, garbage)
    for path in files(place):
        if path.name != str(garbage[2].cid):
            os.utime(path, (0, time.time() - 50 * 3600))
    trio.run(blocks.put, [garbage[1]])
    assert "here: 1 blocks removed" in waxseal("ipfs", "gc", "-c", place.config).words
    assert {path.name for path in files(place)} >= {str(garbage[1].cid), str(garbage[2].cid)}
    assert len(files(place)) == 6
    assert waxseal("ipfs", "repair", "-c", place.config).code == 0
    gone = {"/api/v0/repo/gc": (200, b'{"Key": {"/": "x"}}\n{"Key": {"/": "y"}}\n')}
    with serving(gone) as url:
        place.write(ipfs={"kubo": {"home": {"url": url}}})
        assert "kubo:home: 2 blocks removed" in waxseal("ipfs", "gc", "--daemons", "-c", place.config).words


def test_gc_spares_what_links_need(waxseal: Call, place: Any) -> None:
    furnish(place)
    block = Block(Cid.of(Codec.RAW, b"linked"), b"linked")
    trio.run(LocalBlocks(Folders(place.data).blocks).put, [block])
    link = Link(b"i" * 16, None, b"", 6, "a.pdf", "", 0, 2**40, 1, 0, 0, b"p", b"t")

    async def run() -> None:
        async with Database.open(Folders(place.data).database) as database:
            await database.write(partial(links.begin, new=link))
            await database.write(partial(links.keep, id=link.id, cid=bytes(block.cid)))

    trio.run(run)
    for path in files(place):
        os.utime(path, (0, 0))
    assert "here: 0 blocks removed" in waxseal("ipfs", "gc", "-c", place.config).words
    assert "2 trees: 5 blocks good" in waxseal("ipfs", "repair", "-c", place.config).words


def test_doctor_asks_places_and_looks_at_their_queues(waxseal: Call, place: Any, tmp_path: Path) -> None:
    furnish(place)
    with serving(KUBO) as url:
        place.write(classifier={"enabled": False}, ipfs={"kubo": {"home": {"url": url}}})
        words = waxseal("doctor", "-c", place.config).words
        assert "ok kubo:home answers; version 0.39.0" in words
        assert "ok kubo:home queue holds 0 sealed trees, 0 wait" in words

    async def queue() -> None:
        async with Database.open(Folders(place.data).database) as database:
            then = int(time.time()) - 7200
            await database.write(partial(replicas.refresh, places=["kubo:home"], now=then))

    trio.run(queue)
    words = waxseal("doctor", "-c", place.config).words
    assert "wrong kubo:home no answer from kubo:home" in words
    assert "look kubo:home queue holds 0 sealed trees, 1 wait, the oldest for 2 h" in words
    place.write(
        classifier={"enabled": False},
        ipfs={"pinning": {"far": {"url": "https://pin.test", "token_file": str(tmp_path / "none")}}},
    )
    assert "cannot read the token" in waxseal("doctor", "-c", place.config).words


@pytest.mark.parametrize(
    ("ipfs", "word"),
    [
        ({"kubo": {"home": {"url": "ftp://x"}}}, "https://host/path"),
        ({"kubo": {"home": {"url": "http://far.test:5001"}}}, "over https:// only"),
        ({"kubo": {"Home Sweet": {"url": "http://127.0.0.1:5001"}}}, "no name of a place"),
        ({"gateways": ["https://user:secret@far.test"]}, "without a name, password"),
        ({"copies": 2}, "copies = 2 needs as many"),
        ({"keep_local": False}, "needs a daemon or service"),
        ({"store": "kubo:home"}, "store is"),
        (
            {"store": "kubo:home", "kubo": {"home": {"url": "http://127.0.0.1:5001"}}, "keep_local": False},
            "needs a daemon",
        ),
    ],
)
def test_settings_that_cannot_be(waxseal: Call, place: Any, ipfs: dict[str, Any], word: str) -> None:
    place.write(ipfs=ipfs)
    said = waxseal("ipfs", "status", "-c", place.config)
    assert said.code == 1
    assert word in said.words
    assert "secret" not in said.words
