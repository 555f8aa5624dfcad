"""The log: appending inside a delivery's own transaction, and roots, proofs and tiles from what is stored."""

from __future__ import annotations

from node.anchor import merkle, tiles
from node.anchor.tiles import ENTRIES, WIDTH, Tile, TileError
from node.base.errors import Permanent, Temporary
from node.store import packs, tree
from node.store.database import Reading, Writing
from node.store.packs import Pack

ENTRY_SIZE = merkle.HASH_SIZE
TILE_SIZE = WIDTH * merkle.HASH_SIZE
BUNDLE_SIZE = WIDTH * (2 + ENTRY_SIZE)


class TileLost(Temporary):
    """A tile in the blob store is missing or damaged until somebody repairs it; the text names it."""

    def __init__(self, tile: Tile, why: str) -> None:
        super().__init__(f"the log's {tile.path} {why}: run `waxseal log check --repair`")
        self.tile, self.why = tile, why


class Log:
    """The node's one Merkle tree, of 32-byte entries; what they stand for is `message_leaves`' and others' business.

    It keeps nothing in memory: a transaction that is undone takes its entry along. An append writes one row and on
    average one node, and reads only rows: full tiles in files (see `sealer`) are needed for proofs and readers alone.
    """

    def append(self, tx: Writing, entry: bytes) -> int:
        """Add an entry within the caller's transaction and return its index. About 12 µs."""
        if len(entry) != ENTRY_SIZE:
            raise ValueError(f"an entry of the log has {ENTRY_SIZE} bytes")
        index = tree.size(tx)
        tree.put_entry(tx, index, entry)
        if index & 1:  # a right child completes its parent, and perhaps more
            _, *parents = merkle.appended(index, merkle.leaf_hash(entry), Nodes(tx).in_rows)
            for level, place, node in parents:
                tree.put_node(tx, level, place, node)
        return index

    def size(self, tx: Reading) -> int:
        """How many entries there are."""
        return tree.size(tx)

    def root(self, tx: Reading, size: int) -> bytes:
        """The tree's hash when it had `size` entries. Raises TileLost, as all that follow do."""
        return merkle.root(size, Nodes(tx).read)

    def inclusion_proof(self, tx: Reading, index: int, size: int) -> list[bytes]:
        """The audit path of an entry in the tree of `size` entries; see `merkle.inclusion_proof`."""
        return merkle.inclusion_proof(index, size, Nodes(tx).read)

    def consistency_proof(self, tx: Reading, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` entries continues the tree of `old`; see `merkle.consistency_proof`."""
        return merkle.consistency_proof(old, new, Nodes(tx).read)

    def entry(self, tx: Reading, index: int) -> bytes:
        """The entry at `index`. LookupError: the log is not that long."""
        place = index % WIDTH
        return Nodes(tx).entries(Tile(ENTRIES, index // WIDTH, place + 1))[place]

    def tile(self, tx: Reading, tile: Tile) -> bytes:
        """The content of a hash tile or an entry bundle (C2SP tlog-tiles), of a width that the log has reached.

        Raises:
            LookupError: it has not.
        """
        if tile.level == ENTRIES:
            return tiles.pack_bundle(Nodes(tx).entries(tile))
        return b"".join(Nodes(tx).hashes(tile))


class Nodes:
    """The tree's nodes as one transaction sees them, from rows and packs; for one proof, then thrown away.

    A tile from a file is believed only when it leads to the node above it, up to one that stands in the rows.
    """

    def __init__(self, tx: Reading) -> None:
        self._tx = tx
        self._full: dict[Tile, list[bytes]] = {}

    def read(self, level: int, index: int) -> bytes:
        """A node's hash: what `merkle` reads."""
        found = self._row(level, index)
        if found is None:
            tile_level, above = divmod(level, tiles.HEIGHT)
            tile_index, start = divmod(index << above, WIDTH)
            found = tiles.fold(self._packed(Tile(tile_level, tile_index))[start : start + (1 << above)])
        return found

    def in_rows(self, level: int, index: int) -> bytes:
        """A node's hash where only rows are looked at. LookupError: it is not there."""
        found = self._row(level, index)
        if found is None:
            raise LookupError(f"the log has no node {index} at level {level} in its rows")
        return found

    def hashes(self, tile: Tile) -> list[bytes]:
        """The hashes in a tile. LookupError: the log is not that long."""
        start = tile.index * WIDTH
        if tile.level:
            found = tree.nodes(self._tx, tiles.HEIGHT * tile.level, start, start + tile.width)
        else:
            found = [merkle.leaf_hash(entry) for entry in tree.entries(self._tx, start, start + tile.width)]
        if len(found) == tile.width:
            return found
        return self._packed(Tile(tile.level, tile.index))[: tile.width]

    def entries(self, bundle: Tile) -> list[bytes]:
        """The entries in a bundle. LookupError: the log is not that long."""
        start = bundle.index * WIDTH
        found = tree.entries(self._tx, start, start + bundle.width)
        if len(found) == bundle.width:
            return found
        full = Tile(ENTRIES, bundle.index)
        content = self._content(full, BUNDLE_SIZE)
        try:
            entries = tiles.split_bundle(content, full)
        except TileError as error:
            raise TileLost(full, "is damaged") from error
        if tiles.fold([merkle.leaf_hash(entry) for entry in entries]) != self.read(tiles.HEIGHT, bundle.index):
            raise TileLost(full, "is damaged")
        return entries[: bundle.width]

    def _row(self, level: int, index: int) -> bytes | None:
        if level:
            return tree.find_node(self._tx, level, index)
        entry = tree.entry(self._tx, index)
        return None if entry is None else merkle.leaf_hash(entry)

    def _packed(self, tile: Tile) -> list[bytes]:
        known = self._full.get(tile)
        if known is None:
            known = tiles.split_hashes(self._content(tile, TILE_SIZE), tile)
            if tiles.fold(known) != self.read(tiles.HEIGHT * (tile.level + 1), tile.index):
                raise TileLost(tile, "is damaged")
            self._full[tile] = known
        return known

    def _content(self, tile: Tile, size: int) -> bytes:
        pack = packs.find(self._tx, tile.level, tile.index)
        if pack is None:
            raise LookupError(f"the log is not as long as {tile.path}")
        return read_tile(self._tx, pack, tile, size)


def read_tile(tx: Reading, pack: Pack, tile: Tile, size: int) -> bytes:
    """The octets of a tile in a pack, not compared with anything yet.

    Raises:
        TileLost: the pack's file is missing, cut short or rotten.
    """
    try:
        content = packs.read(tx, pack, tile.index, size)
    except FileNotFoundError as error:
        raise TileLost(tile, "is missing") from error
    except OSError as error:
        raise TileLost(tile, f"cannot be read ({error.strerror})") from error
    except Permanent as error:
        raise TileLost(tile, "is damaged") from error
    if len(content) != size:
        raise TileLost(tile, "is cut short")
    return content
