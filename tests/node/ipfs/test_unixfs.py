"""UnixFS trees: the CIDs of the reference implementation, byte ranges, and blocks that lie."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ipfs import dagpb
from node.ipfs.cid import Cid, CidError, Codec
from node.ipfs.dagpb import DagError, Link
from node.ipfs.unixfs import CLASSIC, MAX_DEPTH, V1_2025, Builder, Profile, Root, blocks_of, read

pytestmark = pytest.mark.anyio

K, M = 1 << 10, 1 << 20
PROFILES = {
    "classic": CLASSIC,
    "v1-2025": V1_2025,
    "two": Profile("two", 10, 2),
    "three": Profile("three", 7, 3),
}

# Made by npm ipfs-unixfs-importer 15.4.0 (js-ipfs and helia build with it) from `content(size)`: CIDv1, raw leaves,
# balanced layout, reduceSingleLeafToSelf, the profile's chunk and links.
VECTORS = [
    ("classic", 0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    ("classic", 1, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"),
    ("classic", 11, "bafkreiadjipnqj35xejzrqwelc43zhn47ujlr6yidjq7hausnp67vxwrdu"),
    ("classic", 256 * K - 1, "bafkreibbwdjg734ouqfnur2qnwcsi3q3y2ed5wrmoge3xd563d5mroesba"),
    ("classic", 256 * K, "bafkreiasqctvm4hbbfkjfbgmoagta3zsilkukuc2mhp3wiyoygdbjfxmje"),
    ("classic", 256 * K + 1, "bafybeibuzsqayi43tqmygf27c6kp3svl5jtsjjlfyuzuweqecx2io5cvre"),
    ("classic", 512 * K, "bafybeibxjpdyzem6hktedyymef74tqbwuwyekdfoinf4cbmxjszdi76tsy"),
    ("classic", 10 * 256 * K + 7, "bafybeifqoer7olgpltnjg7tqvccubt3ob5a3glv5a44qx6momjwymxoe5m"),
    ("classic", 174 * 256 * K - 1, "bafybeiha3nllimadukbxmqkfaoasep5xomtzncdhqsk6sjng7elwdbg2tq"),
    ("classic", 174 * 256 * K, "bafybeifa2jo56wi3xvct6ajsabma5madgih4dt2xekvn3j6lwvmap6fzxq"),
    ("classic", 174 * 256 * K + 1, "bafybeigb2xyopbup5zwuqz2bz5fdhtbakg2day5kghlodqwdeychgpvg3u"),
    ("classic", 175 * 256 * K + 5, "bafybeigifko2tvel35j72ub7culb4aiqe77btquegiscykl6urvjvucut4"),
    ("v1-2025", 0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    ("v1-2025", 1, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"),
    ("v1-2025", M - 1, "bafkreibcjneorqqaow3zaci7jwvsdyhycxzirof4uisv6wi5qhre2qgigi"),
    ("v1-2025", M, "bafkreickjjnj6vo3pi425uvs4bzairfzpxp4ysoooqkoaz6jxv2qfudhma"),
    ("v1-2025", M + 1, "bafybeiduul4xeqjk5eg4xb4hvdjc5ok2662qsfpimbjby666zgekfbo4zi"),
    ("v1-2025", 3 * M + 5, "bafybeibg7v2hewnjx5k2rpfsp6wwjdus3ru2wgvh2wkz4prjnczbhjyuze"),
    ("two", 1000, "bafybeigru7n3ynunqkrrllf4phjia3wksyfhmoqtr2sj4aorbwu53ce2si"),
    ("three", 7 * 27, "bafybeicwunpucaeaxmeitlic3u74ekf7lw3c3b6wghzymnruxawca6cizu"),
    ("three", 7 * 27 + 1, "bafybeibsodqm44pypxzwjkgxpfqwcxi23y5636mnlmmjeqmag5xbgxrrnq"),
    ("three", 7 * 28, "bafybeidfq55w76rwey7dhzlcwsvsjhd4dfrieyl6jdyks7c2o46kxrv4em"),
]


def content(size: int) -> bytes:
    """Octet i is i*131 + (i>>8)*31 + (i>>16)*17 + (i>>24)*7 modulo 256."""
    row = bytes(i * 131 & 255 for i in range(256))
    shift = [bytes((octet + add) & 255 for octet in range(256)) for add in range(256)]
    pages = range(-(-size // 256))
    return b"".join(row.translate(shift[(p * 31 + (p >> 8) * 17 + (p >> 16) * 7) & 255]) for p in pages)[:size]


def build(data: bytes, profile: Profile) -> tuple[Root, dict[Cid, bytes]]:
    builder, kept = Builder(profile), dict[Cid, bytes]()
    for at in range(0, len(data), profile.chunk):
        kept |= {block.cid: block.data for block in builder.leaf(data[at : at + profile.chunk])}
    blocks, root = builder.finish()
    return root, kept | {block.cid: block.data for block in blocks}


class Source:
    """Gives blocks from a dict and remembers which were asked for."""

    def __init__(self, blocks: dict[Cid, bytes]) -> None:
        self.blocks = blocks
        self.asked: list[Cid] = []

    async def __call__(self, cid: Cid) -> bytes:
        self.asked.append(cid)
        return self.blocks[cid]


async def whole(blocks: dict[Cid, bytes], root: Cid, size: int, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in read(Source(blocks), root, size, start, length)])


@pytest.mark.parametrize(("profile", "size", "text"), VECTORS)
def test_cids_of_the_reference_implementation(profile: str, size: int, text: str) -> None:
    root, blocks = build(content(size), PROFILES[profile])
    assert str(root.cid) == text
    assert root.size == size
    if len(blocks) == len({*blocks.values()}) and size < 256 * K:  # no leaf twice
        assert root.tree_size == sum(map(len, blocks.values()))


@pytest.mark.slow
def test_two_levels_of_the_wide_profile() -> None:
    builder, leaf = Builder(V1_2025), bytes(M)
    for _ in range(1024):
        builder.leaf(leaf)
    builder.leaf(bytes(1))
    assert str(builder.finish()[1].cid) == "bafybeigx4uyebjbq65346xh6cjrt6yshbdudzudhnqecwbzvymslxj7gje"


def _importer() -> Path | None:
    """A folder with `npm install ipfs-unixfs-importer@15.4.0 blockstore-core` done in it, named by the environment."""
    folder = Path(os.environ.get("WAXSEAL_UNIXFS_IMPORTER", ""))
    return folder if (folder / "node_modules/ipfs-unixfs-importer").is_dir() else None


SCRIPT = """
import { importer } from 'ipfs-unixfs-importer'
import { MemoryBlockstore } from 'blockstore-core'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
const [chunkSize, maxChildrenPerNode, ...sizes] = JSON.parse(process.argv[1])
for (const size of sizes) {
  const content = Buffer.alloc(size)
  for (let i = 0; i < size; i++) content[i] = i * 131 + (i >>> 8) * 31 + (i >>> 16) * 17 + (i >>> 24) * 7
  const options = {
    cidVersion: 1, rawLeaves: true, chunker: fixedSize({ chunkSize }), layout: balanced({ maxChildrenPerNode })
  }
  for await (const entry of importer([{ content }], new MemoryBlockstore(), options)) console.log(entry.cid.toString())
}
"""


@pytest.mark.slow
@pytest.mark.skipif(_importer() is None, reason="WAXSEAL_UNIXFS_IMPORTER names no folder with npm ipfs-unixfs-importer")
@pytest.mark.parametrize("profile", [CLASSIC, V1_2025, PROFILES["three"]], ids=lambda profile: profile.name)
def test_beside_the_reference_implementation(profile: Profile) -> None:
    chunk = profile.chunk
    sizes = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 5 * chunk + 3, 28 * chunk + 1]
    command = ["node", "--input-type=module", "-e", SCRIPT, json.dumps([chunk, profile.links, *sizes])]
    found = subprocess.run(command, cwd=_importer(), check=True, capture_output=True, text=True, timeout=120).stdout
    assert found.split() == [str(build(content(size), profile)[0].cid) for size in sizes]


@given(st.binary(max_size=600), st.sampled_from([PROFILES["two"], PROFILES["three"]]), st.data())
async def test_every_range_comes_back(data: bytes, profile: Profile, draw: st.DataObject) -> None:
    root, blocks = build(data, profile)
    start = draw.draw(st.integers(0, len(data) + 5))
    length = draw.draw(st.none() | st.integers(0, len(data) + 5))
    stop = len(data) if length is None else start + length
    assert await whole(blocks, root.cid, root.size, start, length) == data[start:stop]


async def test_a_read_touches_only_what_it_needs() -> None:
    data = content(100 * 7)
    root, blocks = build(data, PROFILES["three"])
    source = Source(blocks)
    assert b"".join([piece async for piece in read(source, root.cid, root.size, 350, 7)]) == data[350:357]
    assert sum(cid.codec is Codec.RAW for cid in source.asked) == 1
    assert len(source.asked) <= 6  # five levels of nodes over 100 leaves


async def test_naming_a_tree_fetches_no_leaf_and_puts_parents_last() -> None:
    root, blocks = build(bytes(range(200)), PROFILES["three"])
    source = Source(blocks)
    named = [cid async for cid in blocks_of(source, root.cid)]
    assert set(named) == set(blocks)
    assert named[-1] == root.cid
    assert all(cid.codec is Codec.DAG_PB for cid in source.asked)


@given(st.binary(min_size=30, max_size=200), st.data())
async def test_a_changed_block_is_never_given_out(data: bytes, draw: st.DataObject) -> None:
    root, blocks = build(data, PROFILES["three"])
    victim = draw.draw(st.sampled_from(sorted(blocks, key=str)))
    at = draw.draw(st.integers(0, len(blocks[victim]) - 1))
    bad = bytearray(blocks[victim])
    bad[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(DagError):
        await whole({**blocks, victim: bytes(bad)}, root.cid, root.size)


async def test_sizes_that_contradict_each_other_are_refused() -> None:
    root, blocks = build(b"abcdefghijk", PROFILES["three"])
    for size in (10, 12, 0):
        with pytest.raises(DagError):
            await whole(blocks, root.cid, size)
    leaf = Cid.of(Codec.RAW, b"abc")
    liar = dagpb.encode([Link(leaf, 3, 4)])
    with pytest.raises(DagError, match="its parent says 4"):
        await whole({leaf: b"abc", Cid.of(Codec.DAG_PB, liar): liar}, Cid.of(Codec.DAG_PB, liar), 4)


async def test_a_bottomless_tree_is_refused() -> None:
    blocks = {Cid.of(Codec.RAW, b"x"): b"x"}
    cid = Cid.of(Codec.RAW, b"x")
    for _ in range(MAX_DEPTH + 1):
        data = dagpb.encode([Link(cid, 1, 1)])
        cid = Cid.of(Codec.DAG_PB, data)
        blocks[cid] = data
    with pytest.raises(DagError, match="deeper"):
        await whole(blocks, cid, 1)
    with pytest.raises(DagError, match="deeper"):
        _ = [below async for below in blocks_of(Source(blocks), cid)]


@given(st.binary(max_size=300))
def test_any_block_decodes_or_is_refused(block: bytes) -> None:
    try:
        node = dagpb.decode(block)
    except (DagError, CidError):
        return
    assert node.file_size == sum(link.file_size for link in node.links) + len(node.data)


@given(st.binary(min_size=20, max_size=100), st.data())
def test_a_node_cut_or_bent_decodes_or_is_refused(data: bytes, draw: st.DataObject) -> None:
    root, blocks = build(data, PROFILES["three"])
    block = bytearray(blocks[root.cid])
    at = draw.draw(st.integers(0, len(block) - 1))
    block[at] = draw.draw(st.integers(0, 255))
    for bent in (bytes(block), bytes(block[:at])):
        with suppress(DagError, CidError):
            dagpb.decode(bent)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"", "without data"),
        (b"\x0a\x02\x08\x01", "type 1"),  # a directory
        (b"\x0a\x04\x08\x02\x18\x05", "size"),
        (b"\x0a\x82\x00\x08\x02", "shortest"),
        (b"\x0a\x7f\x08\x02", "beyond"),
        (b"\x0a\x02\x08\x02\x0a\x02\x08\x02", "no place"),
        (b"\x0a\x02\x08\x02\x12\x00", "behind"),
        (b"\x0d\x00\x00\x00\x00", "wire type"),
        (b"\x0a" + b"\x80" * 11, "cut off"),
        (b"\x12\x02\x0a\x00", "carries"),
    ],
)
def test_bad_nodes_are_refused_by_name(block: bytes, why: str) -> None:
    with pytest.raises(DagError, match=why):
        dagpb.decode(block)


def test_the_builder_takes_full_leaves_and_one_short_one() -> None:
    builder = Builder(PROFILES["three"])
    for bad in (b"", b"too long"):
        with pytest.raises(ValueError, match="leaf"):
            builder.leaf(bad)
    builder.leaf(b"short")
    with pytest.raises(ValueError, match="leaf"):
        builder.leaf(b"x")
