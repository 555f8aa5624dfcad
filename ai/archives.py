"""What an attachment is and holds, as far as a careful look at its bytes tells; nothing is written out or run.

Bounded in size, entries, depth and what is unpacked; whatever the bytes, it answers and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ai.zipped import Entry, Listing, listing, unpack

MAX_BYTES = 2 << 20  # of one attachment that are looked at
MAX_DEPTH = 2  # archives inside archives that are opened
MAX_UNPACKED = 4 << 20  # octets unpacked for one attachment in all
MAX_INNER = 1 << 20  # octets unpacked of one file
MAX_PEEKED = 40  # files of one archive whose first octets are looked at
BOMB_BYTES = 64 << 20
BOMB_RATIO = 200
_FEW = 3  # files of an archive among which a script is a lure, not source code


class Clue(StrEnum):
    """What may be said of an attachment."""

    PROGRAM = "is a program"
    PROGRAM_INSIDE = "holds a program"
    DISGUISED = "hides its type"
    ENCRYPTED = "is encrypted"
    MACROS = "has macros"
    TRICKS = "has paths or sizes that attack whoever unpacks it"
    DISK_IMAGE = "is a disk image"
    WEB_PAGE = "is a web page"
    ACTIVE = "runs code when it is opened"
    ARCHIVE = "is an archive"
    UNREAD = "has more in it than was looked at"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Endings that Windows, macOS or Android run on a double click; mail providers refuse about the same ones.
RUNS = _set(
    "exe scr pif com bat cmd vbs vbe js jse wsf wsh hta lnk msi msp cpl jar ps1 xll chm msc reg sct scf jnlp "
    "apk dmg pkg application appref-ms appx appxbundle msix msixbundle gadget inf vb library-ms "
    "settingcontent-ms search-ms url website"
)
# Ordinary in source code: in an archive they count only where there is nearly nothing else.
_SOURCES = frozenset(
    ("js", "bat", "cmd", "ps1", "jar", "com", "reg", "inf", "vb", "vbs", "url", "website", "pkg", "apk")
)
_BESIDE_SOURCES = _set(
    "c h cc cpp cs css go java json jsx kt lock md mjs php py rb rs sass scss sql swift toml ts tsx vue xml yaml yml"
)
# Documents are archives too (ECMA-376 part 2 §10, OpenDocument 1.3 part 2 §3.3).
_DOCUMENTS = frozenset(("[Content_Types].xml", "mimetype"))
_IMAGES = frozenset(("iso", "img", "vhd", "vhdx", "udf", "wim"))
_PAGES = frozenset(("htm", "html", "shtml", "xhtml", "xht", "mht", "mhtml", "svg"))
_MACROS = frozenset(("docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppsm", "ppam", "sldm", "one"))
_ARCHIVES = frozenset(
    ("zip", "rar", "7z", "ace", "arj", "cab", "gz", "tgz", "bz2", "xz", "tar", "z", "lzh", "lha", "zipx")
)
_HARMLESS = _set(
    "pdf doc docx xls xlsx ppt pptx odt ods rtf txt csv jpg jpeg png gif bmp tif tiff heic mp3 mp4 mov wav avi eml ics"
)
_PARTS_OF_PROGRAMS = frozenset(("dll", "so", "dylib", "bin", "class", "node", "pyd"))  # run by others only
_OVERRIDES = re.compile("[\u202d\u202e]")  # text drawn backwards: "invoice\u202efdp.exe" shows as "invoiceexe.pdf"
_GAP = re.compile(r"\s{5,}$")  # "invoice.pdf                    .exe": the ending is out of sight
_SLIP = re.compile(r"(?:^|[/\\])\.\.[/\\]|^[/\\]|^[A-Za-z]:[/\\]|\x00")
_RAR_NAME = re.compile(
    rb"(?i)[\x20-\x7e\x80-\xff]{3,200}\.(exe|scr|pif|com|bat|cmd|vbs|vbe|js|jse|wsf|hta|lnk|msi|ps1)(?![a-z0-9])"
)
_PDF_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|RichMedia)(?![A-Za-z])")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_MACROS, _OLE_ENCRYPTED = "_VBA_PROJECT".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
_PROGRAM_MAGIC = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_SHORTCUT = b"\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"
_PACKED_MAGIC = (
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"MSCF\x00\x00\x00\x00",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\x00",
)
_PEEK = 64


@dataclass(slots=True)
class _Budget:
    """What may still be unpacked for one attachment."""

    octets: int = MAX_UNPACKED
    peeks: int = MAX_PEEKED

    def take(self, data: bytes, entry: Entry, most: int) -> bytes:
        if self.peeks <= 0:
            return b""
        self.peeks -= 1
        found = unpack(data, entry, min(most, self.octets))
        self.octets -= len(found)
        return found


def ending(name: str) -> str:
    """A file name's ending as Windows sees it, lower case; "" without one. Spaces and dots at the end do not count."""
    stem, dot, last = name.rstrip(" .\u00a0\t").rpartition(".")
    return last.strip().lower() if dot and stem else ""


def inspect(names: Sequence[str], data: bytes) -> tuple[Clue, ...]:
    """The clues that hold for an attachment, in the order of `Clue`.

    Args:
        names: as the message gives them, overrides of writing direction included; several where it contradicts itself.
        data: its decoded octets, from the beginning; the rest may be missing.
    """
    clues = {*(clue for name in names for clue in _by_name(name)), *_by_content(names, data[:MAX_BYTES])}
    return tuple(clue for clue in Clue if clue in clues)


def _by_name(name: str) -> Iterator[Clue]:
    last, stem = ending(name), name.rstrip(" .\u00a0\t").rpartition(".")[0]
    if last in RUNS:
        yield Clue.PROGRAM
    if _OVERRIDES.search(name) or (last in RUNS | _PAGES and (ending(stem) in _HARMLESS or _GAP.search(stem))):
        yield Clue.DISGUISED
    for clue, endings in (
        (Clue.DISK_IMAGE, _IMAGES),
        (Clue.WEB_PAGE, _PAGES),
        (Clue.MACROS, _MACROS),
        (Clue.ARCHIVE, _ARCHIVES),
    ):
        if last in endings:
            yield clue


def _by_content(names: Sequence[str], data: bytes) -> Iterator[Clue]:
    if is_program(data):
        yield Clue.PROGRAM
        if any(ending(name) in _HARMLESS for name in names):
            yield Clue.DISGUISED
    elif data.startswith(b"PK"):
        yield from _zip(data, 0, _Budget())
    elif data.startswith(_OLE):
        yield from _ole(data)
    elif data[:1024].lstrip().startswith(b"%PDF") and _PDF_ACTIVE.search(data):
        yield Clue.ACTIVE
    elif data.startswith(_PACKED_MAGIC) or data[7:14] == b"**ACE**":
        yield Clue.ARCHIVE
        yield from _rar(data)
    elif data[0x8001:0x8006] == b"CD001" or data.startswith((b"conectix", b"vhdxfile")):
        yield Clue.DISK_IMAGE


def is_program(data: bytes) -> bool:
    """Whether octets begin as a program of Windows, Linux, macOS or Java, or as a Windows shortcut."""
    if data.startswith(b"MZ"):  # two letters may begin a text; a program's header is not one
        return b"\x00" in data[2:_PEEK]
    return data.startswith((*_PROGRAM_MAGIC[1:], _SHORTCUT))


def _ole(data: bytes) -> Iterator[Clue]:
    """An old Office document, or a new one under a password (MS-OFFCRYPTO §2.3.4.4)."""
    if _OLE_MACROS in data:
        yield Clue.MACROS
    if _OLE_ENCRYPTED in data:
        yield Clue.ENCRYPTED


def _rar(data: bytes) -> Iterator[Clue]:
    """RAR keeps names readable unless they are encrypted too; one look at its beginning."""
    if data.startswith(b"Rar!") and _RAR_NAME.search(data[:4096]):
        yield Clue.PROGRAM_INSIDE


def _zip(data: bytes, depth: int, budget: _Budget) -> Iterator[Clue]:
    found = listing(data)
    files = [entry for entry in found.entries if not entry.is_folder]
    names = {entry.name for entry in files}
    if any(name.endswith("vbaProject.bin") for name in names):
        yield Clue.MACROS
    if not names & _DOCUMENTS:
        yield Clue.ARCHIVE
    if not found.is_whole:
        yield Clue.UNREAD
    if any(entry.is_encrypted for entry in files):
        yield Clue.ENCRYPTED
    if any(_SLIP.search(entry.name) for entry in found.entries) or _is_bomb(found, len(data)):
        yield Clue.TRICKS
    endings = {ending(name) for name in names}
    ignored = _SOURCES if len(names) > _FEW and endings & _BESIDE_SOURCES else frozenset()
    for entry in files:
        if ending(entry.name) not in ignored:
            yield from _named_inside(entry.name)
        yield from _content_inside(entry, data, depth, budget)


def _named_inside(name: str) -> Iterator[Clue]:
    """What the name of a file in an archive tells."""
    clues = set(_by_name(name))
    if Clue.PROGRAM in clues:
        yield Clue.PROGRAM_INSIDE
    yield from clues & {Clue.DISGUISED, Clue.DISK_IMAGE, Clue.MACROS}


def _content_inside(entry: Entry, data: bytes, depth: int, budget: _Budget) -> Iterator[Clue]:
    """What its octets tell."""
    head = budget.take(data, entry, _PEEK)
    if is_program(head) and ending(entry.name) not in _PARTS_OF_PROGRAMS:
        yield Clue.PROGRAM_INSIDE
    if head.startswith(b"PK"):
        if depth >= MAX_DEPTH:
            yield Clue.UNREAD
            return
        inner = budget.take(data, entry, MAX_INNER)
        yield from (clue for clue in _zip(inner, depth + 1, budget) if clue is not Clue.ARCHIVE)


def _is_bomb(found: Listing, size: int) -> bool:
    """Far more comes out than went in, or files that share their octets (as the zip bombs of D. Fifield, 2019, do)."""
    unpacked = max((entry.unpacked for entry in found.entries), default=0)
    total = sum({entry.data: entry.unpacked for entry in found.entries}.values())
    shared = sum(entry.unpacked for entry in found.entries)
    if max(unpacked, total) > max(BOMB_BYTES, BOMB_RATIO * size):
        return True
    packed = sum({(entry.name, entry.data): entry.packed for entry in found.entries}.values())
    return shared > BOMB_BYTES and packed > 4 * size
