"""Report files out of their wrapping: gzip, zip or neither, told by their first octets, whatever they are called.

Anybody may send a report. The attack is a file that grows a thousandfold: nothing is unpacked beyond
`MAX_PLAIN`, and of an archive one member alone is read.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from node.base.errors import WaxsealError

MAX_PACKED = 10 << 20  # octets of a file as it came
MAX_PLAIN = 10 << 20  # octets of what is in it
MAX_DIRECTORY = 1 << 14  # octets of an archive's directory: a report is alone in it, or nearly so

_END = struct.Struct("<4s4H2LH")  # end of central directory record (APPNOTE.TXT §4.3.16)
_ENCRYPTED = 0x1


class ReportError(WaxsealError):
    """The report cannot be read; the text says why."""


def unpacked(data: bytes) -> bytes:
    """The report's own octets.

    Raises:
        ReportError: broken, encrypted, or too large before or after unpacking.
    """
    if len(data) > MAX_PACKED:
        raise ReportError(f"the file is larger than {MAX_PACKED >> 20} MiB")
    if data.startswith(b"\x1f\x8b"):
        return _gunzipped(data)
    if data.startswith(b"PK\x03\x04"):
        return _unzipped(data)
    return data


def _too_large() -> ReportError:
    return ReportError(f"the report is larger than {MAX_PLAIN >> 20} MiB when unpacked")


def _gunzipped(data: bytes) -> bytes:
    """All members of a gzip file (RFC 1952 §2.2)."""
    plain = b""
    while data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain += unpacker.decompress(data, MAX_PLAIN + 1 - len(plain))
        except zlib.error as error:
            raise ReportError(f"broken gzip file: {error}") from None
        if len(plain) > MAX_PLAIN or unpacker.unconsumed_tail:
            raise _too_large()
        if not unpacker.eof:
            raise ReportError("broken gzip file: it ends too early")
        data = unpacker.unused_data
    return plain


def _unzipped(data: bytes) -> bytes:
    """The first XML file of an archive, or its only file."""
    _look_at_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            chosen = next((info for info in files if info.filename.lower().endswith(".xml")), None)
            if chosen is None and len(files) != 1:
                raise ReportError("the archive holds no XML file")
            info = chosen or files[0]
            if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ReportError("the archive is encrypted or packed in an uncommon way")
            if info.file_size > MAX_PLAIN:
                raise _too_large()
            with archive.open(info) as file:
                plain = file.read(MAX_PLAIN + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError, OSError) as error:
        raise ReportError(f"broken zip file: {error}") from None
    if len(plain) > MAX_PLAIN:
        raise _too_large()
    return plain


def _look_at_directory(data: bytes) -> None:
    """Refuse an archive whose directory alone would fill the memory, before it is read."""
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or len(data) - at < _END.size:
        raise ReportError("broken zip file: it has no directory")
    size = _END.unpack_from(data, at)[5]
    if size > MAX_DIRECTORY:
        raise ReportError("the archive holds too many files for a report")
