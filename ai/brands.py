"""Well-known names that mail pretends to come from, and the registrable domains that they really send from.

Used to see impersonation (a brand's name on mail of another domain) and to write training mail. Nominative use only; a
missing brand means one clue less, never a refusal.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
BRANDS: dict[str, tuple[str, ...]] = {name: tuple(domains) for name, domains in _TABLE["domains"].items()}
ODD_TLDS = frozenset(_TABLE["odd_tlds"])  # cheap top-level domains, fashionable with senders of junk
BAITS = frozenset(_TABLE["baits"])  # what imitations of a domain add to its name
_COMMON = frozenset(_TABLE["common_words"])
# For our own training mail: brands that fit a kind of mail, and those that a language's readers know ("*": anybody).
TRADES: dict[str, tuple[str, ...]] = {kind: tuple(names) for kind, names in _TABLE["trades"].items()}
KNOWN_TO: dict[str, tuple[str, ...]] = {language: tuple(names) for language, names in _TABLE["languages"].items()}


def slug(text: str) -> str:
    """Letters and digits only, lower case: how a name would look inside a domain."""
    return re.sub(r"[\W_]+", "", text.casefold())


_SIGNS = re.compile(r"[\W_]+")
_INITIALS = re.compile(r"(?<!\w)\w(?: \w){2,}(?!\w)")


def _plain(text: str) -> str:
    """Words alone: ``Tractor-Supply,Co.`` is "tractor supply co", ``U.S.P.S_Gift`` "usps gift", ``Sam's`` "sams"."""
    words = _SIGNS.sub(" ", re.sub("['\u2019`\u00b4]", "", text.casefold())).strip()
    return _INITIALS.sub(lambda found: found[0].replace(" ", ""), words)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    by_name = {_plain(name): name for name in BRANDS}
    common = {_plain(name) for name in _COMMON}
    turned = {" ".join(reversed(name.split(" "))): brand for name, brand in by_name.items() if name.count(" ") == 1}
    sure = sorted({*by_name, *turned} - common, key=len, reverse=True)
    return (
        re.compile(r"\b(" + "|".join(map(re.escape, sure)) + r")\b"),
        re.compile(r"(?:your )?(" + "|".join(map(re.escape, sorted(common, key=len, reverse=True))) + r")\b"),
        turned | by_name,
    )


def brand_in(text: str, *, is_name: bool = False) -> str:
    """The first well-known brand that a text names, or ""; signs between and inside its words do not hide it.

    ``is_name``: the text is a display name, so that a common word at its beginning ("Chase Alerts") counts too.
    Look-alike letters must have been folded before.
    """
    sure, common, by_name = _patterns()
    folded = _plain(text[:400])
    found = sure.search(folded) or (common.match(folded) if is_name else None)
    return by_name[found[1]] if found else ""


def sends(brand: str, domain: str) -> bool:
    """Whether a registrable domain is one that the brand sends from; a label equal to the brand's name counts too
    (brands have hundreds of country domains, and gTLDs of their own)."""
    if any(domain == known or domain.endswith("." + known) for known in BRANDS.get(brand, ())):
        return True
    labels = domain.split(".")
    return len(labels) > 1 and slug(brand) in (labels[0], labels[-1]) and labels[-1] not in ODD_TLDS
