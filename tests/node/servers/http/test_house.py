"""Who is asking, when a proxy stands before us."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.requests import Request

from node.servers.http.house import cookie_name, peer
from node.servers.http.settings import LOOPBACK, WebSettings


def request(client: str, forwarded: str | None, proxies: frozenset[str]) -> Request:
    settings = WebSettings("waxseal.test", "https://mail.waxseal.test", proxies=proxies)
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    app = SimpleNamespace(state=SimpleNamespace(house=SimpleNamespace(settings=settings)))
    return Request({"type": "http", "client": (client, 1), "headers": headers, "app": app})


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "counted"),
    [
        ("192.0.2.1", "203.0.113.9", frozenset(), "192.0.2.1"),  # nobody's word is taken
        ("192.0.2.1", "203.0.113.9", LOOPBACK, "192.0.2.1"),  # a client that plays proxy
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", LOOPBACK, "203.0.113.9"),  # the first was made up by the client
        ("127.0.0.1", None, LOOPBACK, "127.0.0.1"),
        ("127.0.0.1", "x" * 10_000, LOOPBACK, "x" * 64),
    ],
)
def test_only_our_proxys_word_is_taken(
    client: str, forwarded: str | None, proxies: frozenset[str], counted: str
) -> None:
    assert peer(request(client, forwarded, proxies)) == counted


def test_cookies_are_pinned_to_the_host_where_there_is_https() -> None:
    assert cookie_name(WebSettings("a", "https://a"), "session") == "__Host-waxseal-session"
    assert cookie_name(WebSettings("a", "http://localhost:1"), "session") == "waxseal-session"


def test_logins_are_bound_to_the_origin() -> None:
    wallet = WebSettings("waxseal.test", "http://localhost:8080", chain_ids=(1, 5)).wallet
    assert (wallet.domain, wallet.uri, wallet.chain_ids) == ("localhost:8080", "http://localhost:8080/login", {1, 5})
