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
_COMMON = frozenset(_TABLE["common_words"])
# For our own training mail: brands that fit a kind of mail, and those that a language's readers know ("*": anybody).
TRADES: dict[str, tuple[str, ...]] = {kind: tuple(names) for kind, names in _TABLE["trades"].items()}
KNOWN_TO: dict[str, tuple[str, ...]] = {language: tuple(names) for language, names in _TABLE["languages"].items()}


def slug(text: str) -> str:
    """Letters and digits only, lower case: how a name would look inside a domain."""
    return re.sub(r"[\W_]+", "", text.casefold())


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    by_name = {name.casefold(): name for name in BRANDS}
    sure = sorted((name for name in by_name if name not in _COMMON), key=len, reverse=True)
    common = sorted((name for name in by_name if name in _COMMON), key=len, reverse=True)
    return (
        re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sure)) + r")(?!\w)"),
        re.compile(r"\s*(?:your\s+)?(" + "|".join(map(re.escape, common)) + r")(?!\w)"),
        by_name,
    )


def brand_in(text: str, *, is_name: bool = False) -> str:
    """The first well-known brand that a text names, or "". ``is_name``: the text is a display name, so that a common
    word at its beginning ("Chase Alerts") counts too. Look-alike letters must have been folded before."""
    sure, common, by_name = _patterns()
    folded = text[:400].casefold()
    found = sure.search(folded) or (common.match(folded) if is_name else None)
    return by_name[found[1]] if found else ""


def sends(brand: str, domain: str) -> bool:
    """Whether a registrable domain is one that the brand sends from; a label equal to the brand's name counts too
    (brands have hundreds of country domains, and gTLDs of their own)."""
    if any(domain == known or domain.endswith("." + known) for known in BRANDS.get(brand, ())):
        return True
    labels = domain.split(".")
    return len(labels) > 1 and slug(brand) in (labels[0], labels[-1]) and labels[-1] not in ODD_TLDS
