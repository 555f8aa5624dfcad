"""What is cut out of a message comes back octet for octet, or is not cut out."""

from __future__ import annotations

import mmap
import tempfile
from base64 import b64decode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail import base64_parts
from node.mail.base64_parts import EncodedPart, encode_lines, large_base64

HEAD = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
WIDTHS = [4, 60, 64, 72, 76, 1000, 4096]
ENDS = [b"\r\n", b"\n"]


def octets(size: int, seed: int = 0) -> bytes:
    return Random(seed).randbytes(size)


def only(found: list[EncodedPart]) -> EncodedPart:
    assert len(found) == 1
    return found[0]


def check(found: list[EncodedPart], message: bytes) -> None:
    for part in found:
        span = message[part.start : part.end]
        decoded = b64decode(span)
        assert len(decoded) == part.decoded_size
        assert part.encode(decoded) == span
        assert span.endswith(part.line_end) == part.trailing


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("trailing", [True, False])
@pytest.mark.parametrize("rest", [0, 1, 2, 3])
def test_clean_base64_is_found(width: int, end: bytes, trailing: bool, rest: int) -> None:
    content = octets(width * 30 + rest)
    encoded = encode_lines(content, width, end)
    encoded = encoded if trailing else encoded.removesuffix(end)
    message = HEAD + encoded
    part = only(large_base64(message, 100))
    assert (part.start, part.end) == (len(HEAD), len(message))
    assert (part.line_width, part.line_end, part.decoded_size, part.trailing) == (width, end, len(content), trailing)
    assert b64decode(encoded) == content
    check([part], message)


@given(
    st.binary(min_size=1, max_size=500),
    st.sampled_from(WIDTHS[:5]),
    st.sampled_from(ENDS),
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from([b"", b"=", b"\r", b"\n", b"\r\n", b" ", b"A", b"-", b"!"]),
            st.integers(0, 3),
        )
    ),
)
def test_whatever_is_returned_encodes_to_itself(
    content: bytes, width: int, end: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    encoded = encode_lines(content, width, end)
    for place, replacement, length in edits:
        at = place % (len(encoded) + 1)
        encoded = encoded[:at] + replacement + encoded[at + length :]
    message = HEAD + encoded
    check(large_base64(message, 1), message)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.replace(b"\r\n", b"\n", 1),
        lambda e: e[:400] + e[402:],
        lambda e: e[:40] + b" " + e[40:],
        lambda e: e[:40] + b"\r\n" + e[40:],
        lambda e: e[:78] + b"\r\n" + e[78:],
        lambda e: e[:100] + b"*" + e[101:],
        lambda e: e[:100] + b"=" + e[101:],
        lambda e: e.rstrip(b"=\r\n") + b"\r\n",
        lambda e: e.rstrip(b"\r\n") + b"=\r\n",
        lambda e: e.rstrip(b"\r\n") + b"\n",
        lambda e: e.rstrip(b"\r\n") + b"\r",
        lambda e: e.rstrip(b"\r\n") + b" \r\n",
        lambda e: e + b"-- \r\nA list's footer\r\n",
        lambda e: b"\r\n" + e,
        lambda e: e.replace(b"\r\n", b""),
        lambda e: e.replace(b"\r\n", b"\r"),
        lambda e: e[:-5] + bytes([e[-5] + 1]) + e[-4:],  # bits behind the content's end
    ],
)
def test_mutated_base64_stays_as_it_is(change: object) -> None:
    encoded = encode_lines(b"\0" * 3001, 76, b"\r\n")
    assert encoded.endswith(b"AA==\r\n")
    message = HEAD + change(encoded)  # type: ignore[operator]
    assert large_base64(message, 100) == []


@pytest.mark.parametrize("seam", [-1, 0, 1, 2])
@pytest.mark.parametrize("end", ENDS)
def test_windows_meet_without_a_gap(seam: int, end: bytes) -> None:
    width = 76
    lines = base64_parts._WINDOW // (width + len(end))
    content = octets(lines * 57 * 2 + seam)
    message = HEAD + encode_lines(content, width, end)
    check([only(large_base64(message, 100))], message)
    at = len(HEAD) + lines * (width + len(end))
    for wrong in (b"=", b"\n", b"~"):
        assert large_base64(message[: at - 4] + wrong + message[at - 3 :], 100) == []
        assert large_base64(message[:at] + wrong + message[at + 1 :], 100) == []


def test_padding_at_the_end_of_a_window_is_no_end() -> None:
    width, end = 76, b"\n"
    lines = base64_parts._WINDOW // (width + 1)
    first = encode_lines(octets(lines * 57 - 1), width, end)
    assert len(first) == lines * (width + 1)
    assert large_base64(HEAD + first + encode_lines(octets(57), width, end), 100) == []


def test_blank_lines_behind_the_content_stay_outside() -> None:
    encoded = encode_lines(octets(1000), 76, b"\r\n")
    message = HEAD + encoded + b"\r\n\r\n"
    part = only(large_base64(message, 100))
    assert part.end == len(HEAD) + len(encoded)
    check([part], message)


def test_only_large_leaves_marked_base64_count() -> None:
    encoded = encode_lines(octets(1000), 76, b"\r\n")
    part = b"--b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n"
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + part % (b"BASE64", encoded)
        + part % (b"7bit", encoded)
        + part % (b"base64", encode_lines(octets(10), 76, b"\r\n"))
        + part % (b"base64", encoded)
        + b"--b--\r\n"
    )
    found = large_base64(message, 500)
    assert len(found) == 2
    check(found, message)


def test_a_mapped_file_is_read_in_windows() -> None:
    message = HEAD + encode_lines(octets(1_000_000), 76, b"\r\n")
    with tempfile.TemporaryFile() as file:
        file.write(message)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert large_base64(mapped, 1000) == large_base64(message, 1000) != []
