"""The public suffix list's own test cases, as far as they concern A-labels, and what is no name."""

from __future__ import annotations

import pytest

from node.mailauth.psl import organisational_domain, public_suffix


@pytest.mark.parametrize(
    ("domain", "suffix", "own"),
    [
        ("example.com", "com", "example.com"),
        ("a.b.example.com", "com", "example.com"),
        ("com", "com", "com"),
        ("mail.example.co.uk", "co.uk", "example.co.uk"),
        ("co.uk", "co.uk", "co.uk"),
        ("a.b.test.ck", "test.ck", "b.test.ck"),  # *.ck
        ("www.www.ck", "ck", "www.ck"),  # !www.ck
        ("city.kobe.jp", "kobe.jp", "city.kobe.jp"),
        ("a.b.ide.kyoto.jp", "ide.kyoto.jp", "b.ide.kyoto.jp"),
        ("a.b.nowhere-known", "nowhere-known", "b.nowhere-known"),
        ("www.xn--85x722f.xn--55qx5d.cn", "xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("ann.github.io", "github.io", "ann.github.io"),  # the private part counts: strangers share that name
        ("localhost", "localhost", "localhost"),
        ("a..b", "", "a..b"),
    ],
)
def test_suffixes(domain: str, suffix: str, own: str) -> None:
    assert public_suffix(domain) == suffix
    assert organisational_domain(domain) == own
