"""Attachments and archives: what is found in them, and that no bytes can make the look at them dear or break it."""

from __future__ import annotations

import io
import os
import random
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.archives import MAX_BYTES, Clue, ending, inspect
from ai.parts import MAX_FILE_BYTES, walk
from ai.zipped import MAX_ENTRIES, listing

PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00" + b"\0" * 100
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def clues(data: bytes, name: str = "a.zip") -> set[Clue]:
    return set(inspect([name], data))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_programs_are_found_by_name_and_by_their_first_octets_also_two_levels_down(method: int) -> None:
    inner = zipped(("readme.txt", b"hello"), ("photo.jpg", PROGRAM), method=method)
    for data in (inner, zipped(("b.zip", inner), method=method), zipped(("c.zip", zipped(("b.zip", inner))))):
        assert Clue.PROGRAM_INSIDE in clues(data)
    assert Clue.PROGRAM_INSIDE in clues(zipped(("setup.exe", b"")))
    assert Clue.PROGRAM_INSIDE not in clues(zipped(("readme.txt", b"MZ is how programs begin, said the book of old")))


def test_too_deep_an_archive_is_told_and_not_opened() -> None:
    data = zipped(("x.exe", PROGRAM))
    for level in range(6):
        data = zipped((f"{level}.zip", data))
    assert Clue.UNREAD in clues(data)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
def test_a_cut_archive_still_tells_the_names_it_begins_with(kept: float) -> None:
    data = zipped(("x.exe", PROGRAM), ("noise.bin", os.urandom(5000)))
    assert Clue.PROGRAM_INSIDE in clues(data[: int(len(data) * kept)])


def test_two_archives_in_one_show_both_their_contents() -> None:
    """Programs disagree whether the first or the last directory counts: an attack hides a file in the other one."""
    assert Clue.PROGRAM_INSIDE in clues(zipped(("x.exe", PROGRAM)) + zipped(("note.txt", b"hello")))
    assert Clue.PROGRAM_INSIDE in clues(zipped(("note.txt", b"hello")) + zipped(("x.exe", PROGRAM)))


def test_a_document_that_calls_itself_one_is_looked_into_all_the_same() -> None:
    assert Clue.PROGRAM_INSIDE in clues(zipped(("[Content_Types].xml", b"<x/>"), ("x.scr", PROGRAM)), "letter.docx")


def test_sources_are_no_lure() -> None:
    project = [("p/a.js", b"x"), ("p/run.bat", b"x"), ("p/a.css", b"x"), ("p/a.py", b"x")]
    assert Clue.PROGRAM_INSIDE not in clues(zipped(*project))
    assert Clue.PROGRAM_INSIDE in clues(zipped(*project, ("p/setup.exe", b"x")))
    assert Clue.PROGRAM_INSIDE in clues(zipped(("order.js", b"x")))
    assert Clue.PROGRAM_INSIDE in clues(zipped(("order.js", b"x"), *((f"{n}.txt", b"x") for n in range(9))))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("../../etc/cron.d/x", b"x"),
        ("/etc/passwd", b"x"),
        ("C:\\Windows\\x.dat", b"x"),
        ("a\\..\\..\\x", b"x"),
    ],
)
def test_paths_that_lead_out_are_tricks(name: str, content: bytes) -> None:
    data = zipped(("x" * len(name), content)).replace(b"x" * len(name), name.encode())
    assert Clue.TRICKS in clues(data)


def test_a_bomb_is_told_without_being_lit() -> None:
    bomb = zipped(("0", b"\0" * (200 << 20)))
    tracemalloc.start()
    began = time.perf_counter()
    try:
        assert Clue.TRICKS in clues(bomb)
        assert time.perf_counter() - began < 0.5
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_of_files_that_share_their_octets_is_told() -> None:
    kernel = zipped(("k", b"\0" * (1 << 20)))
    end = kernel.rfind(b"PK\x05\x06")
    at = kernel.find(b"PK\x01\x02")
    record = kernel[at:end]
    many = b"".join(record[:46] + b"%c" % (33 + n) + record[47:] for n in range(90))
    directory = kernel[:at] + many + kernel[end : end + 8] + struct.pack("<HHIIH", 90, 90, len(many), at, 0)
    assert Clue.TRICKS in clues(directory)


def test_honest_archives_are_no_tricks() -> None:
    log = zipped(("app.log", b"2026-11-20 12:00:00 nothing happened\n" * 300_000))
    assert clues(log) == {Clue.ARCHIVE}
    assert clues(zipped(("folder/", b""), ("folder/a..b.txt", b"x"), ("..hidden", b"x"))) == {Clue.ARCHIVE}


def test_encryption_and_macros() -> None:
    data = bytearray(zipped(("a.pdf", b"x")))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + offset] |= 1
    assert clues(bytes(data)) == {Clue.ENCRYPTED, Clue.ARCHIVE}
    assert clues(zipped(("[Content_Types].xml", b""), ("xl/vbaProject.bin", b"")), "a.xlsx") == {Clue.MACROS}
    assert clues(OLE + "_VBA_PROJECT".encode("utf-16-le"), "a.doc") == {Clue.MACROS}
    assert clues(OLE + "EncryptedPackage".encode("utf-16-le"), "a.docx") == {Clue.ENCRYPTED}
    assert clues(OLE, "a.doc") == clues(zipped(("[Content_Types].xml", b"")), "a.docx") == set()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.bin", PROGRAM, {Clue.PROGRAM}),
        ("a.bin", b"\x7fELF\x02\x01", {Clue.PROGRAM}),
        (
            "a.txt",
            b"\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46",
            {Clue.PROGRAM, Clue.DISGUISED},
        ),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", {Clue.ARCHIVE}),
        ("a.dat", b"\0" * 0x8001 + b"CD001", {Clue.DISK_IMAGE}),
        ("a.pdf", b"%PDF-1.4 /S /Launch", {Clue.ACTIVE}),
        ("a.pdf", b"%PDF-1.4 /Pages", set()),
        ("a.txt", b"MZ, wrote the author, is where it all began, and so on and on and on until the end.", set()),
        ("report.pdf.zip", b"", {Clue.ARCHIVE}),
        ("statement.pdf.html", b"", {Clue.WEB_PAGE, Clue.DISGUISED}),
        ("statement.pdf                 .exe", b"", {Clue.PROGRAM, Clue.DISGUISED}),
        ("photo\u202egnp.scr", b"", {Clue.PROGRAM, Clue.DISGUISED}),
        ("setup.EXE. ", b"", {Clue.PROGRAM}),
        (".bashrc", b"", set()),
        ("", b"", set()),
    ],
)
def test_types(name: str, data: bytes, expected: set[Clue]) -> None:
    assert clues(data, name) == expected


def test_endings_are_what_windows_takes_for_them() -> None:
    assert [ending(name) for name in ("a.exe", "a.exe ", "a.exe..", "a", ".a", "a. exe", "A.PDF")] == [
        *("exe", "exe", "exe", "", "", "exe", "pdf")
    ]


@given(st.binary(max_size=3000), st.text(max_size=40))
def test_any_bytes_have_an_answer(data: bytes, name: str) -> None:
    for magic in (b"", b"PK\x03\x04", b"Rar!\x1a\x07", b"%PDF", OLE[:8], b"MZ"):
        assert set(inspect([name], magic + data)) <= set(Clue)


@given(st.integers(0, 1 << 30))
def test_damaged_archives_have_an_answer(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(zipped(("a.txt", b"hello" * 50), ("b.zip", zipped(("c.exe", PROGRAM)))))
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    inspect(["a.zip"], bytes(data))


HEAVY: dict[str, Callable[[], bytes]] = {
    "marks of entries": lambda: b"PK\x03\x04" * (MAX_BYTES // 4),
    "marks of ends": lambda: b"PK\x05\x06" * (MAX_BYTES // 4),
    "marks of a directory": lambda: b"PK\x03\x04" + b"PK\x01\x02" * (MAX_BYTES // 4) + b"PK\x05\x06",
    "many entries": lambda: zipped(*((f"{n:05d}", b"") for n in range(20_000))),
    "nested archives": lambda: zipped(
        *((f"{n}.zip", zipped(("z.zip", zipped(("x", os.urandom(9000)))))) for n in range(60))
    ),
    "inflating archives": lambda: zipped(
        *((f"{n}.zip", zipped(("0", b"\0" * 4_000_000), method=zipfile.ZIP_STORED)) for n in range(3))
    ),
    "names for RAR": lambda: b"Rar!\x1a\x07" + b"a" * MAX_BYTES,
    "PDF names": lambda: b"%PDF" + b"/J" * (MAX_BYTES // 2),
}


@pytest.mark.parametrize("kind", HEAVY)
def test_heavy_attachments_are_looked_at_in_time(kind: str) -> None:
    data = HEAVY[kind]()
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        inspect(["a.zip"], data)
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.06, f"{min(spent) * 1000:.0f} ms"


def test_a_listing_is_bounded() -> None:
    found = listing(zipped(*((f"{n:05d}", b"") for n in range(MAX_ENTRIES + 5))))
    assert len(found.entries) == MAX_ENTRIES
    assert not found.is_whole


def test_a_message_gives_every_name_a_part_bears_and_bounds_what_is_decoded() -> None:
    part = (
        b'Content-Type: application/pdf; name="a.pdf"\n'
        b"Content-Disposition: attachment; filename=b.pdf; filename*=utf-8''c%2Eexe\n\nx\n"
    )
    (file,) = walk(b"From: a@b.example\n" + part).files
    assert file.name == "b.pdf"
    assert file.clues == (Clue.PROGRAM,)
    body = b"Content-Type: application/zip\n\nPK" + b"x" * MAX_FILE_BYTES + b"\n"
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + (b"--b\n" + body) * 3 + b"--b--\n"
    began = time.perf_counter()
    assert walk(raw).files
    assert time.perf_counter() - began < 0.5
