"""did:web: where the document lies, and DIDs that lead astray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.did import web
from identity.did.syntax import Did, parse
from identity.did.web import Place, place
from identity.refusal import Refusal


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("w3c-ccg.github.io", Place("w3c-ccg.github.io", 443, "/.well-known/did.json")),
        ("w3c-ccg.github.io:user:alice", Place("w3c-ccg.github.io", 443, "/user/alice/did.json")),
        ("example.com%3A3000:user:alice", Place("example.com", 3000, "/user/alice/did.json")),
        ("example.org:people:a%2Bb", Place("example.org", 443, "/people/a%2Bb/did.json")),
    ],
)
def test_the_specifications_examples(id: str, expected: Place) -> None:
    assert place(Did("web", id)) == expected


@pytest.mark.parametrize(
    "id",
    ["localhost", "127.0.0.1", "127.1", "0x7f.0x1", "2130706433", "1.2.3.4%3A443", "example.org.", "-a.org", "a..org",
     "Example.org", "exa_mple.org", "user%40example.org", "example.org%3A0", "example.org%3A70000",
     "example.org%3A443%3A1", "example.org%2Fpath",
     "example.org:..:x", "example.org:%2e%2E:x", "example.org:a%2Fb", "example.org:a%5Cb",
     "example.org::x", "example.org:%00", "example.org:%0d%0aHost", "a." + "b" * 64, "a." * 130 + "org",
     "example.org:" + "a" * 600, "%3A80", "b.0x7f"],
)  # fmt: skip
def test_dids_that_lead_astray(id: str) -> None:
    assert isinstance(place(Did("web", id)), Refusal)


@given(
    st.text(min_size=1, max_size=20).filter(
        lambda text: text.isprintable() and text not in (".", "..") and not set(text) & {"/", "\\"}
    )
)
def test_a_written_did_is_found_again(name: str) -> None:
    did = web.write("example.org", "people", name)
    assert parse(str(did)) == did
    assert isinstance(place(did), Place)
