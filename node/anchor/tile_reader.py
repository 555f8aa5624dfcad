"""Reading somebody's log from its tiles, believing nothing but a checkpoint (C2SP tlog-tiles). Sans-I/O.

    reader = TileReader(head.size, head.root)            # head: a checkpoint whose signature was verified
    for tile in reader.needed_for_consistency(old.size):
        contents[tile] = await fetch(f"{log}/{tile.path}")
    reader.add(contents)                                 # TileError names the tile that is not the checkpoint's
    proof = reader.consistency_proof(old.size)

`read_all` does the fetching where a plain function can. What is added is verified first: the partial tiles must lead
to the checkpoint's root, and each full tile to the hash that stands for it in the level above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from node.anchor import merkle, tiles
from node.anchor.tiles import ENTRIES, Tile, TileError

MAX_TILES = 4096  # kept by one reader: 32 MiB

Fetch = Callable[[Tile], bytes]


class TileReader:
    """The tree that a checkpoint speaks of, as far as its tiles were added.

    Args:
        size, root: the checkpoint's.
    """

    def __init__(self, size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._tiles: dict[Tile, list[bytes]] = {}
        self._is_rooted = size == 0 and root == merkle.EMPTY_ROOT

    def needed_for_root(self) -> tuple[Tile, ...]:
        """The tiles to add before anything can be verified: the partial ones, at most one a level."""
        return self._missing(tiles.partial_tiles(self.size))

    def needed_for_inclusion(self, index: int) -> tuple[Tile, ...]:
        """The tiles still missing for the audit path of an entry and its leaf hash. ValueError: there is none."""
        return self._needed(lambda read: (merkle.inclusion_proof(index, self.size, read), read(0, index)))

    def needed_for_consistency(self, old: int) -> tuple[Tile, ...]:
        """The tiles still missing for the proof from a smaller tree, and for its root. ValueError: it is none."""
        return self._needed(lambda read: (merkle.consistency_proof(old, self.size, read), merkle.root(old, read)))

    def needed_for_entries(self, start: int, stop: int) -> tuple[Tile, ...]:
        """The hash tiles still missing to verify the bundles of these entries; the bundles are `bundles`."""
        leaves = [Tile(0, bundle.index, bundle.width) for bundle in self.bundles(start, stop)]
        return self._missing(self._with_parents(leaves))

    def bundles(self, start: int, stop: int) -> tuple[Tile, ...]:
        """The entry bundles that hold the entries from `start` up to but not including `stop`."""
        if not 0 <= start <= stop <= self.size:
            raise ValueError(f"a log of {self.size} entries has none from {start} to {stop}")
        first, last = start // tiles.WIDTH, -(-stop // tiles.WIDTH)
        return tuple(Tile(ENTRIES, index, tiles.width_of(0, index, self.size)) for index in range(first, last))

    def add(self, contents: Mapping[Tile, bytes]) -> None:
        """Verify hash tiles and keep them.

        Raises:
            TileError: the first that is not the checkpoint's, is of another tree size, or cannot be verified because
                a tile above it is missing. Nothing of what was given is kept.
        """
        fresh = {tile: tiles.split_hashes(content, tile) for tile, content in contents.items()}
        known = self._tiles | fresh
        if len(known) > MAX_TILES:
            raise TileError(f"a reader keeps at most {MAX_TILES} tiles: make another for the rest")
        if not self._is_rooted:
            self._check_root(known)
        for tile in sorted(fresh, key=lambda tile: -tile.level):
            self._check(tile, known)
        self._tiles, self._is_rooted = known, True

    def leaf_hash(self, index: int) -> bytes:
        """The hash of an entry. Raises TileError when tiles are missing, as all that follow do."""
        return self._read(0, index)

    def root_at(self, size: int) -> bytes:
        """The root of this tree when it had `size` entries."""
        return merkle.root(size, self._read)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of an entry to the checkpoint's root (RFC 9162 §2.1.3.1)."""
        return merkle.inclusion_proof(index, self.size, self._read)

    def consistency_proof(self, old: int) -> list[bytes]:
        """The proof that the tree of `old` entries is the beginning of this one (RFC 9162 §2.1.4.1)."""
        return merkle.consistency_proof(old, self.size, self._read)

    def entries(self, bundle: Tile, content: bytes) -> list[bytes]:
        """The entries in a bundle, each compared with its leaf hash.

        Raises:
            TileError: an entry is not the log's.
        """
        entries = tiles.split_bundle(content, bundle)
        hashes = self._tiles.get(Tile(0, bundle.index, bundle.width))
        if hashes is None:
            raise TileError(f"{Tile(0, bundle.index, bundle.width).path} is needed first, to verify {bundle.path}")
        for place, (entry, expected) in enumerate(zip(entries, hashes, strict=True)):
            if merkle.leaf_hash(entry) != expected:
                raise TileError(f"{bundle.path}: entry {bundle.index * tiles.WIDTH + place} is not the log's")
        return entries

    def _read(self, level: int, index: int) -> bytes:
        tile, start, stop = tiles.tile_of(level, index, self.size)
        hashes = self._tiles.get(tile)
        if hashes is None:
            raise TileError(f"{tile.path} is needed, and was not added")
        return tiles.fold(hashes[start:stop])

    def _needed(self, work: Callable[[merkle.Read], object]) -> tuple[Tile, ...]:
        """What `work` would read, found by letting it read nothing but zeros."""
        asked: list[Tile] = []

        def read(level: int, index: int) -> bytes:
            asked.append(tiles.tile_of(level, index, self.size)[0])
            return bytes(merkle.HASH_SIZE)

        work(read)
        return self._missing(self._with_parents(asked))

    def _with_parents(self, wanted: Iterable[Tile]) -> Iterable[Tile]:
        yield from tiles.partial_tiles(self.size)
        for tile in wanted:
            while tile.is_full:
                yield tile
                tile = self._parent(tile)  # noqa: PLW2901 - upwards to the first partial one
        return

    def _missing(self, wanted: Iterable[Tile]) -> tuple[Tile, ...]:
        return tuple(dict.fromkeys(tile for tile in wanted if tile not in self._tiles))

    def _parent(self, tile: Tile) -> Tile:
        above = tile.parent
        return Tile(above.level, above.index, tiles.width_of(above.level, above.index, self.size))

    def _check_root(self, known: Mapping[Tile, list[bytes]]) -> None:
        edge = tiles.partial_tiles(self.size)
        for tile in edge:
            if tile not in known:
                raise TileError(f"{tile.path} is needed first: the partial tiles give the checkpoint's root")

        def read(level: int, index: int) -> bytes:
            tile, start, stop = tiles.tile_of(level, index, self.size)
            return tiles.fold(known[tile][start:stop])

        if merkle.root(self.size, read) != self.root:
            names = ", ".join(tile.path for tile in edge) or "an empty log"
            raise TileError(f"{names}: they do not lead to the checkpoint's root")

    def _check(self, tile: Tile, known: Mapping[Tile, list[bytes]]) -> None:
        if tile.level == ENTRIES or tile.width != tiles.width_of(tile.level, tile.index, self.size):
            raise TileError(f"{tile.path} is no hash tile of a tree of {self.size} entries")
        if not tile.is_full:
            return  # a partial tile is part of the root, which was compared
        above = self._parent(tile)
        if above not in known:
            raise TileError(f"{above.path} is needed first, to verify {tile.path}")
        if tiles.fold(known[tile]) != known[above][tile.index % tiles.WIDTH]:
            raise TileError(f"{tile.path} is not the checkpoint's: {above.path} has another hash for it")


def read_all(reader: TileReader, wanted: Iterable[Tile], fetch: Fetch) -> None:
    """Fetch tiles and add them, all at once.

    Raises:
        TileError: see `TileReader.add`; and whatever `fetch` raises.
    """
    reader.add({tile: fetch(tile) for tile in wanted})
