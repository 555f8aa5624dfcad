"""Evidence of a fork convicts a log that has told two histories, and never an honest one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import checkpoint, fork, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.fork import Fork
from node.anchor.note import NoteError, NoteKey, NoteSigner

SIGNER = NoteSigner("waxseal.test/log", b"\x07" * 32)
OTHER = NoteSigner("waxseal.test/log", b"\x08" * 32)
KEYS = [SIGNER.key]


class Tree:
    """A tree of made-up entries in memory."""

    def __init__(self, *entries: str) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size = 0
        for entry in entries:
            leaf = merkle.leaf_hash(hashlib.sha256(entry.encode()).digest())
            for level, index, value in merkle.appended(self.size, leaf, self.read):
                self.nodes[level, index] = value
            self.size += 1

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def signed(self, size: int, signer: NoteSigner = SIGNER) -> str:
        return checkpoint.sign(Checkpoint(signer.name, size, merkle.root(size, self.read)), signer)

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.read)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(merkle.consistency_proof(old, new, self.read)) if old else ()


def told_twice(common: int, first: int, second: int) -> tuple[Tree, Tree]:
    """Two trees that part after `common` entries."""
    same = [f"entry {n}" for n in range(common)]
    one = Tree(*same, *(f"true {n}" for n in range(common, first)))
    return one, Tree(*same, *(f"false {n}" for n in range(common, second)))


sizes = st.integers(0, 20).flatmap(
    lambda common: st.tuples(
        st.just(common), st.integers(common + 1, 30).flatmap(lambda a: st.tuples(st.just(a), st.integers(a, 40)))
    )
)


@given(sizes)
def test_two_histories_convict_their_log(drawn: tuple[int, tuple[int, int]]) -> None:
    common, (a, b) = drawn
    one, other = told_twice(common, a, b)
    evidence = Fork(one.signed(a), other.signed(b), other.root(a), other.proof(a, b))
    first, second = fork.parse(evidence.to_json()).check(KEYS)
    assert (first.size, second.size) == (a, b)


@given(st.integers(0, 30), st.integers(0, 30))
def test_one_history_convicts_nobody(a: int, b: int) -> None:
    a, b = sorted((a, b))
    tree = Tree(*map(str, range(b)))
    with pytest.raises(NoteError, match="continues the first"):
        Fork(tree.signed(a), tree.signed(b), tree.root(a), tree.proof(a, b)).check(KEYS)


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(min_size=32, max_size=32), max_size=6))
def test_made_up_proofs_convict_nobody(root: bytes, proof: list[bytes]) -> None:
    tree = Tree(*map(str, range(9)))
    with pytest.raises(NoteError, match="no evidence"):
        Fork(tree.signed(5), tree.signed(9), root, tuple(proof)).check(KEYS)


def test_an_empty_log_has_one_root() -> None:
    wrong = checkpoint.sign(Checkpoint(SIGNER.name, 0, bytes(32)), SIGNER)
    Fork(wrong, Tree("a").signed(1), merkle.EMPTY_ROOT).check(KEYS)


@pytest.mark.parametrize("part", ["first", "second"])
def test_evidence_that_the_log_has_not_signed_is_none(part: str) -> None:
    one, other = told_twice(2, 3, 3)
    notes = {"first": one.signed(3), "second": other.signed(3)}
    notes[part] = (one if part == "first" else other).signed(3, OTHER)
    with pytest.raises(NoteError, match="not signed by"):
        Fork(notes["first"], notes["second"], other.root(3)).check(KEYS)
    Fork(notes["first"], notes["second"], other.root(3)).check([*KEYS, OTHER.key])  # a log that changed its key


def test_evidence_in_the_wrong_order_or_of_two_logs_is_none() -> None:
    one, other = told_twice(2, 3, 5)
    with pytest.raises(NoteError, match="wrong order"):
        Fork(other.signed(5), one.signed(3), one.root(3)).check(KEYS)
    stranger = NoteSigner("other.test/log", b"\x09" * 32)
    with pytest.raises(NoteError, match="two logs"):
        Fork(one.signed(3), other.signed(3, stranger), other.root(3)).check([*KEYS, stranger.key])


def test_two_checkpoints_of_one_size_are_enough() -> None:
    one, other = told_twice(2, 3, 3)
    found = fork.between(one.signed(3), other.signed(3))
    assert found is not None
    found.check(KEYS)
    assert fork.between(one.signed(3), one.signed(3)) is None
    assert fork.between(one.signed(2), other.signed(3)) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("first"),
        lambda d: d.update(version="waxseal.fork/2"),
        lambda d: d.update(root="AAAA"),
        lambda d: d.update(proof=["=" * 44]),
        lambda d: d.update(proof=[d["root"]] * 65),
        lambda d: d.update(first="x" * 70_000),
    ],
)
def test_what_is_no_document_of_evidence_is_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    one, other = told_twice(2, 3, 3)
    document = json.loads(Fork(one.signed(3), other.signed(3), other.root(3)).to_json())
    spoil(document)
    with pytest.raises(NoteError):
        fork.parse(json.dumps(document))


def test_the_evidence_in_the_documents_convicts() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "proof.md").read_text("utf-8")
    evidence = page.partition('```json\n{\n  "version": "waxseal.fork/1"')[2].partition("```")[0]
    key = page.partition('waxseal monitor "mx.example.test/log+')[2].partition('"')[0]
    found = fork.parse('{"version": "waxseal.fork/1"' + evidence)
    first, second = found.check([NoteKey.parse(f"mx.example.test/log+{key}")])
    assert (first.size, second.size) == (8, 10)
    assert first.root.hex() in page
    assert found.root.hex() in page


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(NoteError):
        fork.parse(text)
