"""Domains for our own training mail: where honest and dishonest senders write from and where their links lead."""

from __future__ import annotations

import random
import unicodedata

from ai.brands import BRANDS, slug
from ai.data.scenarios import Scenario

FREE = ("gmail.com",) * 5 + (
    "outlook.com",
    "yahoo.com",
    "hotmail.com",
    "gmx.net",
    "icloud.com",
    "proton.me",
    "web.de",
    "aol.com",
)
TRACKERS = (
    "track.mailroom.net", "click.sendfield.com", "links.postbrook.net", "email.hubnine.com", "e.lettermill.com", "sendgrid.net", "list-manage.com",
    "mailchi.mp", "klclick.com", "mailgun.org", "exacttarget.com", "hubspotlinks.com", "ct.sendgrid.net", "r.mailjet.com", "cmail19.com",
)  # fmt: skip
PLATFORMS = (
    "facebook.com",
    "instagram.com",
    "x.com",
    "youtube.com",
    "linkedin.com",
    "apps.apple.com",
    "play.google.com",
    "tiktok.com",
)
_FREE_HOSTING = (
    "{a}.web.app", "{a}.firebaseapp.com", "storage.googleapis.com", "{a}.blogspot.com", "{a}.s3.amazonaws.com", "{a}.pages.dev", "docs.google.com",
    "{a}.weebly.com", "bit.ly", "tinyurl.com", "t.co", "{a}.workers.dev", "{a}.github.io", "cutt.ly", "forms.gle", "{a}.azurewebsites.net",
)  # fmt: skip
_CHEAP = ("shop", "shop", "click", "xyz", "top", "site", "online", "info", "live", "pro", "cc", "help", "space", "store", "za.com", "sa.com", "us", "cfd", "icu", "buzz",
          "quest", "skin", "forum", "website", "club", "life", "best", "fun", "today", "world", "biz", "ru", "cn", "me", "lat", "rest", "sbs")  # fmt: skip
_ODD_BUT_HONEST = ("io", "co", "store", "shop", "club", "info", "me", "app", "online", "dev", "life", "studio")
_WORDS = (
    "velvet dock cozy heat paw hop bright nova river stone lumen trend peak spark orbit maple cloud swift harbor zen pixel tidy noble urban prime clear "
    "wave ember sage frost lunar vista echo aspen delta terra solar grove pine cedar atlas quick breeze crystal golden silver north summit valley ocean "
    "health daily smart life pure vital glow fit home green fresh direct hub zone core line point way mart deal deals offer club gift reward brain "
    "memory vision joint sleep sugar flow boost therm heater gadget market group global insight media digital tech data web design build repair "
    "clean care guard shield secure verify portal account service support update notice mail info center online"
).split()
_ENDINGS = (
    "sch",
    "school",
    "college",
    "alumni",
    "clinic",
    "motors",
    "hotel",
    "dental",
    "church",
    "farm",
    "bakery",
    "law",
    "print",
    "travel",
    "studio",
    "foods",
)
_ELSEWHERE = (
    "edu.br",
    "org",
    "com.br",
    "co.in",
    "ac.id",
    "edu.pe",
    "ac.th",
    "sch.id",
    "com.mx",
    "co.za",
    "edu.co",
    "pl",
    "cl",
    "ru",
    "hu",
    "it",
    "net",
    "com",
    "com.ar",
    "edu.vn",
    "kr",
)
_SUBDOMAINS = (
    "",
    "",
    "",
    "mail.",
    "e.",
    "em.",
    "email.",
    "news.",
    "info.",
    "mailing.",
    "m.",
    "go.",
    "notifications.",
    "mktg.",
    "members.",
    "t.",
)
_SYLLABLES = "ba co de fi gu ha jo ka lu mo ne pa ri so ta vu wex zor ler min tra bel dro qui sta no".split()


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
    return f"{label}.{chance.choice(_CHEAP) if chance.random() < 0.7 else chance.choice(('com', 'com', 'net', 'org', 'de'))}"


def ordinary(chance: random.Random, tlds: tuple[str, ...] = _ELSEWHERE) -> str:
    """A domain of some school, firm or club."""
    first = chance.choice((nonsense(chance), chance.choice(_WORDS)))
    return f"{first}{chance.choice((*_ENDINGS, '', '', ''))}.{chance.choice(tlds)}"


def lookalike(chance: random.Random, name: str) -> str:
    """A domain that imitates a name."""
    base = ascii_slug(name) or nonsense(chance)
    roll, tld = chance.random(), chance.choice((*_CHEAP, "com", "com", "net", "org"))
    if roll < 0.4:
        return f"{base}-{chance.choice(('secure', 'login', 'support', 'billing', 'rewards', 'account', 'service', 'info', 'alert', 'update', 'verify', 'delivery'))}.{tld}"
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
    if chance.random() < 0.2:
        base = base[: chance.randint(3, 10)] + chance.choice(("", "online", "shop", "hq", "group", "mail"))
    return f"{base}.{chance.choice(_ODD_BUT_HONEST) if chance.random() < 0.14 else chance.choice(tlds)}"


def private(chance: random.Random, person: str, tlds: tuple[str, ...]) -> str:
    """Where a private person writes from."""
    if chance.random() < 0.7:
        return chance.choice(FREE)
    return f"{ascii_slug(person.split()[-1]) or nonsense(chance)}.{chance.choice(tlds)}"


def sender_domain(
    chance: random.Random, scenario: Scenario, firm: str, brand: str, person: str, home: str, tlds: tuple[str, ...]
) -> str:
    """The registrable domain that a scenario's mail comes from; ``home`` is the recipient's."""
    way = scenario.sender
    if way == "coworker":
        return home
    if way == "free":
        return chance.choice(FREE)
    if way == "person":
        return private(chance, person, tlds)
    if way == "hacked":
        return ordinary(chance)
    if way == "lookalike":
        return lookalike(chance, brand or firm)
    if way == "odd" or (scenario.is_spam and brand):
        return throw_away(chance)
    return own(chance, firm, brand, tlds)


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
