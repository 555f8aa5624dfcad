"""A witness that is killed again and again, in the middle of two histories of one log, never cosigns both."""

from __future__ import annotations

import contextlib
import hashlib
import random
import struct
import subprocess
import sys
from pathlib import Path

from node.anchor import add_checkpoint, checkpoint, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner, cosignatures
from node.anchor.note import NoteSigner

KILLS = 4
LOG = NoteSigner("waxseal.test/log", b"\x07" * 32)
SIGNER = CosignatureSigner("w.test/witness", b"\x01" * 32)

# Requests and answers behind their lengths, as bytes, over standard input and output: no port to wait for.
WITNESS = f"""
import struct, sys, trio
from pathlib import Path
from node.anchor.cosignature import CosignatureSigner
from node.anchor.note import NoteKey
from node.anchor.witness import Witness
from node.base.log import configure
from node.store.database import Database

async def main():
    async with Database.open(Path(sys.argv[1])) as database:
        witness = Witness(database, CosignatureSigner("w.test/witness", bytes([1]) * 32), [NoteKey.parse("{LOG.key}")])
        while head := await trio.to_thread.run_sync(sys.stdin.buffer.read, 4):
            body = await trio.to_thread.run_sync(sys.stdin.buffer.read, struct.unpack(">I", head)[0])
            answer = await witness.add_checkpoint(body)
            text = f"{{answer.status}} {{answer.body}}".encode()
            sys.stdout.buffer.write(struct.pack(">I", len(text)) + text)
            sys.stdout.buffer.flush()

configure("error")
trio.run(main)
"""


class Tree:
    """A history of made-up entries."""

    def __init__(self, what: str) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        for n in range(400):
            entry = hashlib.sha256(f"{'same' if n < 3 else what} {n}".encode()).digest()
            for level, index, value in merkle.appended(n, merkle.leaf_hash(entry), self.read):
                self.nodes[level, index] = value

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def request(self, old: int, new: int) -> bytes:
        proof = merkle.consistency_proof(old, new, self.read) if old else []
        return add_checkpoint.write(old, proof, self.signed(new))

    def signed(self, size: int) -> str:
        return checkpoint.sign(Checkpoint(LOG.name, size, merkle.root(size, self.read)), LOG)


class Child:
    """The witness in a process of its own."""

    def __init__(self, database: Path) -> None:
        command = [sys.executable, "-c", WITNESS, str(database)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, body: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(struct.pack(">I", len(body)) + body)
        self.process.stdin.flush()

    def answer(self) -> tuple[int, str] | None:
        """Status and body; None when it died before it answered."""
        assert self.process.stdout
        head = self.process.stdout.read(4)
        text = self.process.stdout.read(struct.unpack(">I", head)[0]).decode() if len(head) == 4 else ""
        status, space, body = text.partition(" ")
        return (int(status), body) if space else None

    def kill(self) -> None:
        self.process.kill()
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdout.read()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def test_a_killed_witness_never_cosigns_two_histories(tmp_path: Path) -> None:
    chance = random.Random(7)
    trees = Tree("true"), Tree("false")
    cosigned: list[tuple[int, int]] = []  # which tree, at which size
    for _ in range(KILLS):
        child = Child(tmp_path / "witness.db")
        old = 0
        for turn in range(chance.randrange(4, 20)):
            which = chance.randrange(2)
            new = min(old + chance.randrange(0, 9), 399) if turn else chance.randrange(1, 9)
            child.send(trees[which].request(old, new))
            answer = child.answer()
            assert answer
            status, body = answer
            if status == 200:
                assert cosignatures(trees[which].signed(new) + body, [SIGNER.key])
                cosigned.append((which, new))
                old = new
            elif status == 409:
                old = int(body)
        child.send(trees[chance.randrange(2)].request(old, min(old + 5, 399)))  # and dies while it has this in hand
        child.kill()
    sizes = [size for _, size in cosigned]
    assert len(sizes) > KILLS
    assert sizes == sorted(sizes), "never a smaller tree after a larger one"
    assert len({which for which, size in cosigned if size > 3}) == 1
