"""What a daemon answers line by line: however it is cut, and whatever it is, the reader gives lines or an error."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import RemoteProtocolError, WaxsealError
from node.net.ipfs.rpc_content import MAX_LINE, Lines


def parse(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("no JSON") from None
    if not isinstance(document, dict):
        raise RemoteProtocolError("another form")
    return document


def read(pieces: list[bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    reader = Lines(parse, found.append)
    for piece in pieces:
        reader.take(piece)
    reader.finish()
    return found


DOCUMENTS = st.lists(
    st.dictionaries(st.text(max_size=5).filter(lambda key: key != "Type"), st.text(max_size=20)), max_size=8
)


@given(DOCUMENTS, st.lists(st.integers(0, 400), max_size=10), st.booleans())
def test_it_does_not_matter_how_the_octets_are_cut(
    documents: list[dict[str, str]], cuts: list[int], ended: bool
) -> None:
    data = b"\n".join(json.dumps(document).encode() for document in documents) + (b"\n" if ended else b"")
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:stop] for start, stop in pairwise(places)]
    assert read(pieces) == documents


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_comes_is_lines_or_an_error(pieces: list[bytes]) -> None:
    try:
        read(pieces)
    except WaxsealError:
        return


def test_a_line_without_end_is_refused_before_it_is_held() -> None:
    found: list[dict[str, Any]] = []
    reader = Lines(parse, found.append)
    try:
        for _ in range(100):
            reader.take(b"x" * (MAX_LINE // 4))
    except RemoteProtocolError:
        assert len(reader._held) <= 2 * MAX_LINE
    else:
        raise AssertionError("it was held")
