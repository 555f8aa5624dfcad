"""Domains made to be taken for another: look-alike letters, a letter more or less, a known name in a foreign domain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from ai.brands import BRANDS, ODD_TLDS, sends, slug
from ai.fold import skeleton
from ai.view import registrable
from ai.wording import LURE_WORDS

_SHORTEST = 4  # letters of a label that may be imitated by look-alike letters
_SHORTEST_EDIT = 6  # and by a slip of one letter


# Brands whose names are ordinary words inside a domain; and short ones that are none.
_COMMON = frozenset(("target", "orange", "chase", "stripe", "slack", "steam", "apple", "hermes", "ledger", "kraken"))
_COMMON |= frozenset(("outlook", "fidelity", "telegram", "shell", "delta", "visa", "wise", "zoom", "nike", "citi"))
# Words that honest firms seldom glue to their name ("brandmail.com" and "brandonline.com" they do use).
_GLUED = (
    "secure",
    "security",
    "login",
    "signin",
    "verify",
    "verification",
    "account",
    "accounts",
    "support",
    "billing",
)
_SHORT = frozenset(("dhl", "dpd", "ups", "irs"))


class How(Enum):
    """In which way a domain resembles another, the surest first."""

    LETTERS = "look-alike letters"
    INSIDE = "the whole name inside another's domain"
    SLIP = "one letter more, less, other or swapped"
    LURE = "the name with a word such as login or support"
    ENDING = "the same name under another ending"


@dataclass(frozen=True, slots=True)
class Likeness:
    """A host resembles ``of`` (a brand's name, or a domain)."""

    of: str
    how: How


@lru_cache(maxsize=4096)
def decoded(host: str) -> str:
    """A host name with its A-labels shown as the letters they stand for (RFC 5891 §5.4); what is no Punycode stays."""
    return ".".join(map(_letters, host[:253].split("."))) if "xn--" in host else host


def _letters(label: str) -> str:
    if not label.startswith("xn--") or len(label) > 63:  # Python's decoder takes quadratic time
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label


@lru_cache(maxsize=8192)
def brand_likeness(host: str) -> Likeness | None:
    """Which well-known sender a host imitates, if any; None for the brand's own."""
    home = registrable(host)
    if home in _brand_domains():
        return None
    inside = _inside(host, home, _brand_domains())
    if inside and not sends(inside, home):
        return Likeness(inside, How.INSIDE)
    label = decoded(home).partition(".")[0]
    found = _brand_by_letters(label, home) or _brand_by_words(label)
    return found if found and not _is_own(found.of, home) else None


def _is_own(brand: str, home: str) -> bool:
    return sends(brand, home) and home.isascii() and "xn--" not in home


def _brand_by_letters(label: str, home: str) -> Likeness | None:
    shape = skeleton(label)
    known = _brand_labels().get(shape)
    if known:
        brand, true = known
        if label != true:
            same = label.replace("-", "") == true.replace("-", "")
            return Likeness(brand, How.SLIP if same else How.LETTERS)
        return Likeness(brand, How.ENDING) if home.rpartition(".")[2] in ODD_TLDS else None
    if len(shape) >= _SHORTEST_EDIT:
        brand = _brand_by_slip(shape)
        if brand:
            return Likeness(brand, How.SLIP)
    return None


def _brand_by_slip(shape: str) -> str:
    """The brand whose label is one slip away: every label with one letter taken out is looked up, in constant time."""
    for without in _deletions(shape):
        for candidate in _brand_deletions().get(without, ()):
            if candidate != shape and is_slip(candidate, shape):
                return _brand_labels()[candidate][0]
    return ""


def _brand_by_words(label: str) -> Likeness | None:
    words = [word for word in label.casefold().split("-") if word]
    brands = _brand_slugs()
    if len(words) > 1:
        found = next((brands[word] for word in words if word in brands), "")
        return Likeness(found, How.LURE) if found and LURE_WORDS.intersection(words) else None
    for lure in _GLUED:
        if label.endswith(lure) and label[: -len(lure)] in brands:
            return Likeness(brands[label[: -len(lure)]], How.LURE)
    return None


def own_likeness(host: str, own: Iterable[str]) -> Likeness | None:
    """Which of our own domains a host imitates, if any; None for our own and for what lies below them."""
    home = registrable(host)
    homes = {registrable(domain): domain for domain in own}
    if home in homes:
        return None
    inside = _inside(host, home, homes)
    if inside:
        return Likeness(inside, How.INSIDE)
    label = decoded(home).partition(".")[0]
    shape, words = skeleton(label), label.split("-")
    for domain in homes:
        true = decoded(domain).partition(".")[0]
        how = _own_how(label, shape, words, true)
        if how is How.ENDING and home.rpartition(".")[2] not in ODD_TLDS and len(true) < _SHORTEST_EDIT:
            how = None  # short names are taken under every ending, by other people
        if how:
            return Likeness(domain, how)
    return None


def _own_how(label: str, shape: str, words: list[str], true: str) -> How | None:
    """How a label resembles the true one."""
    if len(true) < _SHORTEST:
        return None
    if label == true:
        return How.ENDING
    if shape == skeleton(true):
        return How.LETTERS
    if len(true) >= _SHORTEST_EDIT and is_slip(skeleton(true), shape):
        return How.SLIP
    return How.LURE if true in words and LURE_WORDS.intersection(words) else None


def _inside(host: str, home: str, domains: Iterable[str] | dict[str, str]) -> str:
    """The one of ``domains`` whose whole name stands before the part of a host that somebody else owns."""
    labels = host[: len(host) - len(home)].strip(".").split(".")[:20]
    for size in (2, 3, 4):
        for at in range(len(labels) - size + 1):
            candidate = ".".join(labels[at : at + size])
            if candidate in domains:
                return domains[candidate] if isinstance(domains, dict) else candidate
    return ""


def is_slip(one: str, other: str) -> bool:
    """Whether two different words are one slip apart: a letter more, less, other, or two neighbours swapped."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    same = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[same:] == long[same + 1 :]
    rest, twin = short[same:], long[same:]
    return rest[1:] == twin[1:] or (rest[:2] == twin[1::-1] and rest[2:] == twin[2:])


@cache
def _brand_domains() -> dict[str, str]:
    found: dict[str, str] = {}
    for brand, domains in BRANDS.items():
        for domain in domains:
            found.setdefault(domain, brand)
    return found


@cache
def _brand_labels() -> dict[str, tuple[str, str]]:
    """Skeleton of a brand's label -> (brand, label)."""
    found: dict[str, tuple[str, str]] = {}
    for domain, brand in _brand_domains().items():
        label = domain.partition(".")[0]
        if len(label) >= _SHORTEST:
            found.setdefault(skeleton(label), (brand, label))
    return found


@cache
def _brand_deletions() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for shape in _brand_labels():
        if len(shape) >= _SHORTEST_EDIT:
            for without in _deletions(shape):
                found[without] = (*found.get(without, ()), shape)
    return found


def _deletions(shape: str) -> set[str]:
    return {shape, *(shape[:at] + shape[at + 1 :] for at in range(min(len(shape), 40)))}


@cache
def _brand_slugs() -> dict[str, str]:
    """Names that are words of their own inside a domain; short and common ones are left out."""
    slugs = {slug(brand): brand for brand in BRANDS}
    return {name: brand for name, brand in slugs.items() if name in _SHORT or (len(name) >= 4 and name not in _COMMON)}
