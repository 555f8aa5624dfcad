"""Frames and recipes: any window of the content equals that window of the whole."""

from __future__ import annotations

import base64
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.base.errors import Permanent
from node.store import frames, pieces
from node.store.pieces import Encoded, Inline, Piece

encoded = st.builds(
    Encoded,
    reference=st.binary(min_size=1, max_size=40),
    decoded_size=st.integers(0, 400),
    line_width=st.sampled_from([1, 3, 4, 5, 60, 64, 72, 75, 76, 1000]),
    line_end=st.sampled_from([b"\r\n", b"\n"]),
    trailing=st.booleans(),
)


def decoded(piece: Encoded) -> bytes:
    return bytes(n * 7 % 256 for n in range(piece.decoded_size))


def written(piece: Piece) -> bytes:
    """The piece's octets, the plain way."""
    if isinstance(piece, Inline):
        return piece.content
    text = base64.b64encode(decoded(piece))
    lines = [text[at : at + piece.line_width] for at in range(0, len(text), piece.line_width)]
    joined = piece.line_end.join(lines)
    return joined + piece.line_end if piece.trailing and lines else joined


@given(encoded, st.data())
def test_any_window_of_an_encoded_piece(piece: Encoded, data: st.DataObject) -> None:
    whole = written(piece)
    assert piece.size == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    low, count = piece.decoded_window(start, length)
    assert 0 <= low <= low + count <= piece.decoded_size or count == 0
    assert count <= length + 6  # touches no more than it needs
    assert piece.encode_window(decoded(piece)[low : low + count], start, length) == whole[start : start + length]


@given(st.lists(st.one_of(st.builds(Inline, st.binary(max_size=60)), encoded), max_size=6), st.data())
@example([], None)
def test_any_window_of_a_recipe(parts: list[Piece], data: st.DataObject | None) -> None:
    whole = b"".join(written(part) for part in parts)
    recipe = pieces.pack(parts)
    start = data.draw(st.integers(0, len(whole) + 5)) if data else 0
    length = data.draw(st.integers(0, len(whole) + 5)) if data else 10
    got = b""
    for span in pieces.spans(recipe, start, length):
        if isinstance(span.piece, Encoded):
            low, count = span.piece.decoded_window(span.start, span.length)
            got += span.content(decoded(span.piece)[low : low + count])
        else:
            got += span.content()
    assert got == whole[start : start + length]


@given(st.sampled_from([1, 2]), st.integers(0, 5), st.binary(max_size=80))
@example(1, 1, b"\x01\x01\x00" + bytes(20))
def test_a_damaged_recipe_is_told(version: int, count: int, noise: bytes) -> None:
    with suppress(Permanent):  # and nothing else
        pieces.spans(bytes([version, count, 0, 0, 0]) + noise, 0, 1 << 20)
    for unknown in (0, 3, 255):
        with pytest.raises(Permanent, match="run a newer one"):
            pieces.spans(bytes([unknown, 0, 0, 0, 0]), 0, 10)


@given(st.lists(st.one_of(st.builds(Inline, st.binary(max_size=60)), encoded), min_size=1, max_size=3))
def test_a_recipe_that_was_cut_off_is_told(parts: list[Piece]) -> None:
    recipe = pieces.pack(parts)
    for end in range(len(recipe)):
        with pytest.raises(Permanent):
            pieces.spans(recipe[:end], 0, 10)


@given(st.integers(0, 3 * frames.FRAME + 17), st.data())
def test_any_window_of_frames(size: int, data: st.DataObject) -> None:
    whole = bytes(range(251)) * (size // 251 + 1)
    whole = whole[:size]
    file = BytesIO()
    view = memoryview(whole)
    index = frames.pack_frames(iter([view[at : at + frames.FRAME] for at in range(0, size, frames.FRAME)]), file.write)
    packed = file.getvalue()
    start = data.draw(st.integers(0, max(size - 1, 0)))
    length = data.draw(st.integers(1, max(size - start, 1)))
    got = frames.read_frames(lambda count, at: packed[at : at + count], index, start, length)
    assert got == whole[start : start + length]


def test_damage_is_told() -> None:
    packed = bytearray(frames.pack(b"hello world, hello world, hello world"))
    packed[-6] ^= 1
    with pytest.raises(Permanent, match="damaged"):
        frames.unpack(bytes(packed))
    with pytest.raises(Permanent, match="short"):
        frames.read_frames(lambda count, at: b"", b"\x08\x00\x00\x00", 0, 1)
