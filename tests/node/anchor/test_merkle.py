"""RFC 6962/9162 vectors, and the stored tree against the RFC's own recursion written out naively."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import merkle

# The entries and roots of the Certificate Transparency reference implementation (merkle_tree_test).
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (leaf, size): path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old, new): path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Stored:
    """A tree in a dictionary, grown by `appended` alone; counts its writes and reads."""

    def __init__(self, entries: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        for index, entry in enumerate(entries):
            for level, place, value in merkle.appended(index, merkle.leaf_hash(entry), self.read):
                assert (level, place) not in self.nodes, "a stored node never changes"
                self.nodes[level, place] = value

    def read(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]


def naive_root(entries: list[bytes]) -> bytes:
    if len(entries) < 2:
        return hashlib.sha256(b"\x00" + entries[0]).digest() if entries else hashlib.sha256().digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = 1
    while k * 2 < len(entries):
        k *= 2
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: list[bytes], whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = 1
    while k * 2 < len(entries):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], False), naive_root(entries[:k])]


def test_known_roots() -> None:
    tree = Stored(ENTRIES)
    assert [merkle.root(size, tree.read).hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize(("leaf", "size"), INCLUSION)
def test_known_inclusion_proofs(leaf: int, size: int) -> None:
    tree = Stored(ENTRIES)
    proof = merkle.inclusion_proof(leaf, size, tree.read)
    assert [value.hex() for value in proof] == INCLUSION[leaf, size]
    assert merkle.verify_inclusion(merkle.leaf_hash(ENTRIES[leaf]), leaf, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_known_consistency_proofs(old: int, new: int) -> None:
    tree = Stored(ENTRIES)
    proof = merkle.consistency_proof(old, new, tree.read)
    assert [value.hex() for value in proof] == CONSISTENCY[old, new]
    assert merkle.verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


def test_every_proof_of_every_small_tree_equals_the_naive_one() -> None:
    entries = [bytes([number]) for number in range(33)]
    tree = Stored(entries)
    for size in range(1, len(entries) + 1):
        root = naive_root(entries[:size])
        assert merkle.root(size, tree.read) == root
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, tree.read)
            assert proof == naive_path(index, entries[:size])
            assert merkle.verify_inclusion(merkle.leaf_hash(entries[index]), index, size, proof, root)
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, tree.read)
            assert proof == naive_subproof(old, entries[:size], True)
            assert merkle.verify_consistency(old, size, naive_root(entries[:old]), root, proof)


sizes = st.integers(1, 400)


@given(st.data(), sizes)
def test_a_proof_holds_for_its_own_place_and_no_other(data: st.DataObject, size: int) -> None:
    entries = [number.to_bytes(2, "big") for number in range(size)]
    tree = Stored(entries)
    root, index = naive_root(entries), data.draw(st.integers(0, size - 1))
    leaf, proof = merkle.leaf_hash(entries[index]), merkle.inclusion_proof(index, size, tree.read)
    assert merkle.verify_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(-1, size + 1))
    assert merkle.verify_inclusion(leaf, other, size, proof, root) == (other == index)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    for wrong in _broken(data, proof):
        assert not merkle.verify_inclusion(leaf, index, size, wrong, root)


@given(st.data(), sizes)
def test_a_consistency_proof_holds_for_its_own_trees_and_no_other(data: st.DataObject, size: int) -> None:
    entries = [number.to_bytes(2, "big") for number in range(size)]
    tree = Stored(entries)
    old = data.draw(st.integers(1, size))
    roots = naive_root(entries[:old]), naive_root(entries)
    proof = merkle.consistency_proof(old, size, tree.read)
    assert merkle.verify_consistency(old, size, *roots, proof)
    rewritten = naive_root([b"forged", *entries[1:old]])
    assert not merkle.verify_consistency(old, size, rewritten, roots[1], proof)
    for wrong in _broken(data, proof):
        assert not merkle.verify_consistency(old, size, *roots, wrong)


def _broken(data: st.DataObject, proof: list[bytes]) -> list[list[bytes]]:
    """The same proof extended at either end, truncated, reordered, and with a bit flipped."""
    extra = hashlib.sha256(b"extra").digest()
    broken = [[*proof, extra], [extra, *proof]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        broken += [proof[:-1], proof[1:], [*proof[:place], flipped, *proof[place + 1 :]]]
    if len(proof) > 1:
        broken.append(proof[::-1])
    return broken


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4), (7, 7)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        merkle.inclusion_proof(index, size, Stored(ENTRIES).read)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_no_consistency_proof_backwards_or_from_nothing(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(old, new, Stored(ENTRIES).read)
    assert not merkle.verify_consistency(old, new, bytes(32), bytes(32), [bytes(32)])


def test_an_empty_tree_is_the_beginning_of_every_tree() -> None:
    root = bytes.fromhex(ROOTS[3])
    assert merkle.verify_consistency(0, 3, merkle.EMPTY_ROOT, root, [])
    assert not merkle.verify_consistency(0, 3, root, root, [])


def test_an_append_writes_two_nodes_on_average_and_a_proof_reads_logarithmically() -> None:
    count = 4096
    tree = Stored([number.to_bytes(2, "big") for number in range(count)])
    assert len(tree.nodes) < 2 * count
    assert tree.reads < count
    tree.reads = 0
    merkle.inclusion_proof(1234, count - 1, tree.read)
    assert tree.reads <= 2 * 12
