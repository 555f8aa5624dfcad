"""Organisational domains by the public suffix list: the way of RFC 7489 §3.2, which RFC 9989 replaced by the tree walk.

The list comes with a package and is as old as that package; nothing is fetched.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> PublicSuffixList:
    """The list, read once at first use (some ten thousand rules)."""
    return PublicSuffixList(accept_unknown=True)


@cache
def _registries() -> PublicSuffixList:
    """Only suffixes that registries run, those of ICANN's section of the list."""
    return PublicSuffixList(accept_unknown=True, only_icann=True)


def is_registry(domain: str) -> bool:
    """True for a name below which strangers register domains: `com`, `gov.uk`, any name of one label.

    >>> is_registry("gov.uk"), is_registry("example.com"), is_registry("github.io")
    (True, False, False)
    """
    return _registries().publicsuffix(domain) == domain


def public_suffix(domain: str) -> str:
    """The longest public suffix of a domain given as A-labels; "" for what is no name.

    >>> public_suffix("mail.example.co.uk")
    'co.uk'
    """
    return _suffixes().publicsuffix(domain) or ""


def organisational_domain(domain: str) -> str:
    """The registered domain: one label below the public suffix. A public suffix is its own (RFC 7489 §3.2).

    >>> organisational_domain("mail.example.co.uk")
    'example.co.uk'
    """
    return _suffixes().privatesuffix(domain) or domain
