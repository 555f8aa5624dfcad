"""dag-pb nodes holding UnixFS files: the little of Protocol Buffers that IPFS's file trees are written in.

Only the canonical form is written and read (IPLD dag-pb specification: links before data, fields in order, shortest
varints), so a node has one encoding and one CID. What is decoded comes from a block store that others may fill, so
every size is bounded before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from node.base.errors import Permanent
from node.ipfs.cid import SIZE as CID_SIZE
from node.ipfs.cid import Cid

MAX_LINKS = 8192  # the widest profile here has 1024; a 2 MiB block could claim 40,000
MAX_FILE = 1 << 50  # octets
KEPT_NODES = 8  # decoded nodes remembered: under 2 MiB each, mostly 50 KiB

_UNIXFS_RAW = 0
_UNIXFS_FILE = 2


class DagError(Permanent):
    """The block is not a node of a file tree this node can read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Link:
    """One child of a file node.

    Attributes:
        cid: the child's block.
        tree_size: octets of all blocks below, the child's own included (`Tsize`).
        file_size: octets of the file's content below.
    """

    cid: Cid
    tree_size: int
    file_size: int


@dataclass(frozen=True, slots=True)
class FileNode:
    """One decoded UnixFS file node: either links to children or a few octets of its own."""

    links: tuple[Link, ...]
    data: bytes
    file_size: int


def encode(links: list[Link]) -> bytes:
    """The block of a UnixFS file node with these children, in order."""
    unixfs = bytearray(b"\x08\x02\x18")  # Type = File (2), then filesize
    unixfs += varint(sum(link.file_size for link in links))
    for link in links:
        unixfs += b"\x20" + varint(link.file_size)  # blocksizes, unpacked
    block = bytearray()
    for link in links:
        body = b"\x0a" + varint(CID_SIZE) + bytes(link.cid) + b"\x12\x00\x18" + varint(link.tree_size)
        block += b"\x12" + varint(len(body)) + body
    block += b"\x0a" + varint(len(unixfs)) + unixfs
    return bytes(block)


@lru_cache(maxsize=KEPT_NODES)
def decode(block: bytes) -> FileNode:
    """Read a file node. The last few are remembered: a file read window by window passes the same ones.

    Raises:
        DagError: it is not dag-pb, not a UnixFS file, or its sizes contradict one another.
        CidError: a link names a block of a kind this node does not use.
    """
    links: list[tuple[Cid, int]] = []
    unixfs: bytes | None = None
    for field, value in _fields(block):
        if field == 2 and isinstance(value, bytes):
            if unixfs is not None:
                raise DagError("a link stands behind the data of a dag-pb node")
            if len(links) == MAX_LINKS:
                raise DagError(f"a dag-pb node has more than {MAX_LINKS} links")
            links.append(_link(value))
        elif field == 1 and isinstance(value, bytes) and unixfs is None:
            unixfs = value
        else:
            raise DagError(f"field {field} has no place in a dag-pb node")
    if unixfs is None:
        raise DagError("a dag-pb node without data is no UnixFS file")
    return _file_node(links, unixfs)


def varint(number: int) -> bytes:
    """An unsigned LEB128 number."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _file_node(links: list[tuple[Cid, int]], unixfs: bytes) -> FileNode:
    kind, data, size, sizes = -1, b"", None, list[int]()
    for field, value in _fields(unixfs):
        match field, value:
            case 1, int():
                kind = value
            case 2, bytes():
                data = value
            case 3, int():
                size = value
            case 4, int():
                sizes.append(value)
            case _:
                raise DagError(f"UnixFS field {field} is not supported in a file")
    if kind not in (_UNIXFS_RAW, _UNIXFS_FILE):
        raise DagError(f"UnixFS type {kind} is not a file")
    if len(sizes) != len(links) or (links and data):
        raise DagError("a UnixFS file's links and block sizes do not match")
    total = sum(sizes) + len(data)
    if total > MAX_FILE or total != (total if size is None else size):
        raise DagError("a UnixFS file's size is not the sum of its blocks")
    joined = tuple(Link(cid, tree, own) for (cid, tree), own in zip(links, sizes, strict=True))
    return FileNode(joined, data, total)


def _link(body: bytes) -> tuple[Cid, int]:
    fields = list(_fields(body))
    match fields:
        case [(1, bytes(cid)), (2, b""), (3, int(size))] | [(1, bytes(cid)), (3, int(size))]:
            return Cid.from_bytes(cid), size
        case _:
            raise DagError("a dag-pb link of a file carries a target and a size and no name")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number with its value: an int for wire type 0, bytes for wire type 2."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2:
            if value > len(data) - at:
                raise DagError("a field reaches beyond the end of its block")
            yield key >> 3, data[at : at + value]
            at += value
        else:
            raise DagError(f"wire type {key & 7} has no place in a file node")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise DagError("a number in a file node is cut off or longer than 64 bits")
        octet = data[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            if octet == 0 and shift:
                raise DagError("a number in a file node is not written in its shortest form")
            return number, at
        shift += 7
