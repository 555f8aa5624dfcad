"""A login leads back to a page of ours, and nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.servers.http.return_to import local_path, pack, unpack


@pytest.mark.parametrize(
    "path", ["/", "/account", "/oauth/authorize?client_id=x&redirect_uri=http%3A%2F%2F127.0.0.1%2F"]
)
def test_pages_of_ours(path: str) -> None:
    assert local_path(path) == path
    assert unpack(pack(path)) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "account",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "/account\r\nset-cookie: x=y",
        "/account\n",
        "https://evil.example/",
        "javascript:alert(1)",
        "/account#x",
        "/é",
        "/" + "a" * 3000,
    ],
)
def test_other_places(path: str) -> None:
    assert local_path(path) == ""
    assert unpack(base64.urlsafe_b64encode(path.encode()).decode()) == ""


@given(st.text(max_size=60))
def test_whatever_stands_in_the_cookie(value: str) -> None:
    found = unpack(value)
    assert found == "" or (found.startswith("/") and not found.startswith(("//", "/\\")))
