"""Domains for our own training mail: where honest and dishonest senders write from and where their links lead."""

from __future__ import annotations

import random
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ai.brands import BRANDS, slug
from ai.data.scenarios import Scenario

_TABLE: dict[str, tuple[str, ...]] = {
    name: tuple(items)
    for name, items in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
}
FREE, TRACKERS, PLATFORMS = _TABLE["free"], _TABLE["trackers"], _TABLE["platforms"]
_FREE_HOSTING, _CHEAP, _ODD_BUT_HONEST = _TABLE["free_hosting"], _TABLE["cheap"], _TABLE["odd_but_honest"]
_WORDS, _SYLLABLES, _SUBDOMAINS = _TABLE["words"], _TABLE["syllables"], _TABLE["subdomains"]
_ENDINGS, _ELSEWHERE = _TABLE["endings"], _TABLE["elsewhere"]
_FALSE_WORDS = _TABLE["false_words"]


def ascii_slug(text: str) -> str:
    """A name as it would look in a domain: ASCII letters and digits, or "" when it has none."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(char for char in slug(folded) if char.isascii())[:24]


def nonsense(chance: random.Random) -> str:
    """A word that means nothing."""
    return "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))


def throw_away(chance: random.Random) -> str:
    """A domain that was registered last week."""
    roll = chance.random()
    if roll < 0.55:
        label = chance.choice(_WORDS) + chance.choice(_WORDS)
    elif roll < 0.75:
        label = nonsense(chance)
    elif roll < 0.9:
        label = f"{chance.choice(_WORDS)}-{chance.choice(_WORDS)}"
    else:
        label = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=chance.randint(6, 12)))
    tlds = _CHEAP if chance.random() < 0.6 else ("com", "com", "com", "net", "org", "de", "co.uk", "pl", "fr", "com.br")
    return f"{label}.{chance.choice(tlds)}"


def ordinary(chance: random.Random, tlds: tuple[str, ...] = _ELSEWHERE) -> str:
    """A domain of some school, firm or club."""
    first = chance.choice((nonsense(chance), chance.choice(_WORDS)))
    return f"{first}{chance.choice((*_ENDINGS, '', '', ''))}.{chance.choice(tlds)}"


def lookalike(chance: random.Random, name: str) -> str:
    """A domain that imitates a name."""
    base = ascii_slug(name) or nonsense(chance)
    roll, tld = chance.random(), chance.choice((*_CHEAP, "com", "com", "net", "org"))
    if roll < 0.4:
        return f"{base}-{chance.choice(_FALSE_WORDS)}.{tld}"
    if roll < 0.55:
        return f"{chance.choice(('my', 'secure', 'the', 'get', 'track', 'id'))}{base}.{tld}"
    if roll < 0.7:
        return f"{base}.{chance.choice(('com', 'net', 'co'))}.{throw_away(chance)}"
    if roll < 0.85:
        return f"{base.translate(str.maketrans('oile', '0113'))}.{tld}"
    return f"{base}{chance.choice(('gift', 'bonus', 'mail', 'help', 'online', 'id', 'app', 'care'))}.{tld}"


def own(chance: random.Random, name: str, brand: str, tlds: tuple[str, ...]) -> str:
    """The domain that a firm really has."""
    if brand:
        return chance.choice(BRANDS[brand])
    base = ascii_slug(name) or nonsense(chance)
    if chance.random() < 0.1:
        base = base[: chance.randint(3, 10)] + chance.choice(("", "online", "shop", "hq", "group", "mail"))
    return f"{base}.{chance.choice(_ODD_BUT_HONEST) if chance.random() < 0.14 else chance.choice(tlds)}"


def private(chance: random.Random, person: str, tlds: tuple[str, ...]) -> str:
    """Where a private person writes from."""
    if chance.random() < 0.7:
        return chance.choice(FREE)
    return f"{ascii_slug(person.rsplit(maxsplit=1)[-1]) or nonsense(chance)}.{chance.choice(tlds)}"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a letter is from: what its sender's domain hangs on. ``home`` is the recipient's domain."""

    firm: str
    brand: str
    person: str
    home: str


def sender_domain(chance: random.Random, scenario: Scenario, sender: Sender, tlds: tuple[str, ...]) -> str:
    """The registrable domain that a scenario's mail comes from."""
    way = scenario.sender
    if way == "coworker":
        return sender.home
    if way == "free":
        return chance.choice(FREE)
    if way == "person":
        return private(chance, sender.person, tlds)
    if way == "hacked":
        return ordinary(chance)
    if way == "lookalike":
        return lookalike(chance, sender.brand or sender.firm)
    if way == "odd" or (scenario.is_spam and sender.brand):
        return throw_away(chance)
    return own(chance, sender.firm, sender.brand, tlds)


def host_of(chance: random.Random, domain: str) -> str:
    """A host below a sender's domain, as mailing tools make them."""
    return domain if domain in FREE else chance.choice(_SUBDOMAINS) + domain


def link_host(chance: random.Random, scenario: Scenario, domain: str) -> str:
    """Where the main link of a mail leads."""
    roll = chance.random()
    if not scenario.is_spam:
        if domain in FREE:
            return chance.choice(
                (
                    ordinary(chance, ("com", "org", "net", "eu")),
                    *PLATFORMS,
                    "docs.google.com",
                    "maps.app.goo.gl",
                    "meet.google.com",
                    "zoom.us",
                )
            )
        return (
            chance.choice(("www.", "", "click.", "links.", "app.", "my.", "go.")) + domain
            if roll < 0.72
            else chance.choice(TRACKERS)
        )
    if roll < 0.42 and domain not in FREE:
        return chance.choice(("", "www.", "track.", "go.")) + domain
    if roll < 0.62:
        return throw_away(chance)
    if roll < 0.8:
        return chance.choice(_FREE_HOSTING).format(a=nonsense(chance) + str(chance.randint(1, 99)))
    return chance.choice(TRACKERS) if roll < 0.9 else ordinary(chance)
