"""zstd: one frame for content that is read whole, frames of fixed size for content that is read by windows."""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterator

from node.base.errors import Permanent

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor, ZstdError, decompress
else:
    from backports.zstd import CompressionParameter, ZstdCompressor, ZstdError, decompress

FRAME = 256 << 10  # octets of content in each frame but the last
LEVEL = 1  # on real mail, 2 % larger than level 3 and a quarter faster

_local = threading.local()


def pack(content: bytes | memoryview) -> bytes:
    """One zstd frame with a checksum, so that a rotten disk is noticed."""
    try:
        compressor = _local.compressor
    except AttributeError:
        options: dict[int, int] = {CompressionParameter.compression_level: LEVEL, CompressionParameter.checksum_flag: 1}
        compressor = _local.compressor = ZstdCompressor(options=options)
    packed: bytes = compressor.compress(content, ZstdCompressor.FLUSH_FRAME)
    return packed


def unpack(packed: bytes) -> bytes:
    """The content of one frame.

    Raises:
        Permanent: the bytes are not what was written.
    """
    try:
        return decompress(packed)
    except ZstdError as error:
        raise Permanent(f"stored content is damaged ({error}): restore it from a backup") from error


def pack_frames(pieces: Iterator[memoryview], write: Callable[[bytes], object]) -> bytes:
    """Write each piece (`FRAME` octets, the last may be shorter) as a frame.

    Returns:
        The index that `read_frames` needs: the frames' packed sizes, 4 octets each, little-endian.
    """
    sizes = array("I")
    for piece in pieces:
        packed = pack(piece)
        write(packed)
        sizes.append(len(packed))
    if sys.byteorder == "big":
        sizes.byteswap()
    return sizes.tobytes()


def read_frames(pread: Callable[[int, int], bytes], index: bytes, start: int, length: int) -> bytes:
    """The window [start, start + length) of the content.

    Args:
        pread: (octets, offset) -> packed octets.
        index: as `pack_frames` gave it.

    Raises:
        Permanent: a frame is short or damaged.
    """
    sizes = array("I", index)
    if sys.byteorder == "big":
        sizes.byteswap()
    first, last = start // FRAME, (start + length - 1) // FRAME
    offset = sum(sizes[:first])
    parts = []
    for size in sizes[first : last + 1]:
        packed = pread(size, offset)
        if len(packed) != size:
            raise Permanent("stored content is cut short: restore it from a backup")
        parts.append(unpack(packed))
        offset += size
    skip = start - first * FRAME
    return b"".join(parts)[skip : skip + length]
