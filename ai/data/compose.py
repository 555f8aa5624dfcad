"""From a scenario to one letter: alternatives chosen, slots filled, sender and links invented."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ai.brands import BRANDS, KNOWN_TO, TRADES
from ai.data import hosts
from ai.data.scenarios import Furniture, Scenario, furniture

_CHOICE = re.compile(r"\[([^\[\]]{0,2000})\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")
_SOMEBODY = re.compile(r"\{(?:person2?|name|firm|brand)\}")
_INNER = re.compile(r"\{(n|d|m|mm|y|wd|digits)\}")
_FOOTED = frozenset(
    (
        "marketing",
        "newsletter",
        "account",
        "receipt",
        "shipping",
        "finance",
        "social",
        "media",
        "community",
        "lottery",
        "health",
        "travel",
        "service",
        "jobs",
    )
)
_PERCENTS = (5, 10, 15, 20, 25, 30, 35, 40, 50, 50, 60, 70, 75, 80, 90)
_IMPRINTS = ("© {year} {firm}", "{firm} · {street} · {city}", "{firm}, {city}", "{firm} | {street}, {city} | {phone}")
_BARE = frozenset(("personal", "thread", "work"))


@dataclass(slots=True)
class Letter:
    """What is said and by whom, before it is laid out."""

    scenario: Scenario
    subject: str
    name: str
    address: str
    reply_to: str
    recipient: str
    paragraphs: list[str]
    button: str
    target: str  # URL behind the button, and behind most other links
    footer: str
    file: str
    before: str = ""  # foreign text around the letter itself: a disguise
    after: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def compose(chance: random.Random, scenario: Scenario) -> Letter:
    """One letter of a scenario. The same state of ``chance`` gives the same letter."""
    table = furniture(scenario.language)
    values = _values(chance, scenario, table)
    named = chance.choice(scenario.names)
    name = fill(chance, named, values)
    subject = fill(chance, chance.choice(scenario.subjects), values)
    home = values["domain"]
    brand = values["brand"] if _speaks_as_brand(scenario, named) else ""
    values["firm"] = brand or _firm(chance, scenario, named, name) or values["firm"]
    who = hosts.Sender(values["firm"], brand, values["person"], home)
    domain = hosts.sender_domain(chance, scenario, who, table.tlds)
    sender = domain if scenario.sender in ("coworker", "person", "free") else hosts.host_of(chance, domain)
    values["url"] = url(chance, hosts.link_host(chance, scenario, domain))
    paragraphs = [fill(chance, text, values) for block in scenario.body if (text := chance.choice(block))]
    paragraphs = _varied(chance, paragraphs)
    for text in _furnished(chance, scenario, table):
        paragraphs.insert(chance.randint(0, len(paragraphs)), fill(chance, text, values))
    if scenario.kind not in _FOOTED and chance.random() < 0.4:
        paragraphs.append(fill(chance, chance.choice(table.closings), values))
    return Letter(
        scenario=scenario,
        subject=subject,
        name=name,
        address=f"{_user(chance, scenario, name, values)}@{sender}",
        reply_to=_reply_to(chance, scenario, values),
        recipient=values["email"],
        paragraphs=paragraphs,
        button=fill(chance, chance.choice(scenario.buttons), values) if scenario.buttons else "",
        target=url(chance, hosts.link_host(chance, scenario, domain)),
        footer=_footer(chance, scenario, table, values),
        file=fill(chance, chance.choice(scenario.files), values) if scenario.files and chance.random() < 0.85 else "",
    )


def _varied(chance: random.Random, paragraphs: list[str]) -> list[str]:
    """Now and then a paragraph or a sentence less: no single one may decide."""
    if len(paragraphs) > 2 and chance.random() < 0.3:
        paragraphs = [text for text in paragraphs if chance.random() > 0.25] or paragraphs[:1]
    if chance.random() < 0.25:
        paragraphs = [_shorter(chance, text) for text in paragraphs]
    return paragraphs


def _shorter(chance: random.Random, text: str) -> str:
    sentences = _SENTENCE.split(text)
    kept = [sentence for sentence in sentences if chance.random() > 0.2]
    return " ".join(kept) if kept else text


def _furnished(chance: random.Random, scenario: Scenario, table: Furniture) -> list[str]:
    """Harmless words, which belong to nobody: seldom one sentence, and sometimes as many as make a long mail."""
    roll = chance.random()
    if roll < 0.2:
        return [chance.choice(table.fillers)]
    if roll < 0.32 and scenario.kind not in ("personal", "thread"):
        return [chance.choice((*table.fillers, *table.fillers, *table.footers)) for _ in range(chance.randint(4, 24))]
    return []


def fill(chance: random.Random, text: str, values: dict[str, str]) -> str:
    """Choose among ``[a|b]`` and put values into ``{slots}``."""
    while found := _CHOICE.search(text):
        text = text[: found.start()] + chance.choice(found[1].split("|")) + text[found.end() :]
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), text)


def url(chance: random.Random, host: str) -> str:
    """A link to a host, with the paths and marks that today's tools write."""
    path = chance.choice(
        (
            "",
            f"/{hosts.nonsense(chance)}",
            f"/ls/click?upn={chance.getrandbits(90):x}",
            f"/c/{chance.getrandbits(48):x}",
            "/account",
            "/track",
        )
    )
    query = chance.choice(
        (
            "",
            "",
            "?utm_source=email&utm_medium=newsletter",
            f"?u={chance.getrandbits(40):x}",
            f"?id={chance.randint(100, 10**7)}",
        )
    )
    return f"{'https' if chance.random() < 0.94 else 'http'}://{host}{path}{query if '?' not in path else ''}"


def _speaks_as_brand(scenario: Scenario, named: str) -> bool:
    if "{brand}" in named or "{firm}" in named:
        return "{brand}" in named
    texts = (*scenario.subjects, *(text for block in scenario.body for text in block))
    return any("{brand}" in text for text in texts)


def _firm(chance: random.Random, scenario: Scenario, named: str, name: str) -> str:
    """An honest sender's display name is the firm's own, as a rule, and its domain made of it; "" where it is not."""
    is_own = scenario.sender == "own" and not scenario.is_spam and not _SOMEBODY.search(named)
    return name if is_own and chance.random() < 0.8 else ""


def _values(chance: random.Random, scenario: Scenario, table: Furniture) -> dict[str, str]:
    pick = chance.choice
    person, person2 = pick((*table.people, *table.names)), pick((*table.people, *table.names))
    domain = pick(("example.net", "example.org", "mail.example", hosts.ordinary(chance, table.tlds)))
    name = pick(table.names)
    brands = TRADES.get(scenario.kind) or (
        KNOWN_TO.get(scenario.language, KNOWN_TO["*"]) if chance.random() < 0.85 else tuple(BRANDS)
    )
    local = [brand for brand in brands if brand in KNOWN_TO.get(scenario.language, KNOWN_TO["*"])]
    return {
        "name": name,
        "person": person,
        "person2": person2,
        "firm": pick(table.firms),
        "brand": pick(local if local and chance.random() < 0.8 else brands),
        "amount": _amount(chance, table),
        "amount2": _amount(chance, table),
        "big": pick(table.bigs),
        "percent": f"{pick(_PERCENTS)}%",
        "date": _date(chance, table),
        "date2": _date(chance, table),
        "time": f"{chance.randint(7, 21)}:{pick(('00', '15', '30', '45'))}",
        "month": pick(table.months),
        "weekday": pick(table.weekdays),
        "year": str(chance.randint(2021, 2027)),
        "order": _reference(chance),
        "short": str(chance.randint(2, 60)),
        "code": f"{chance.randint(0, 999999):06}",
        "city": pick(table.cities),
        "product": pick(table.products),
        "topic": pick(table.topics),
        "phone": _INNER.sub(lambda _: str(chance.randint(10**5, 10**7)), pick(table.phones)),
        "street": pick(table.streets),
        "domain": domain,
        "email": f"{hosts.ascii_slug(name) or 'user'}@{domain}",
    }


def _amount(chance: random.Random, table: Furniture) -> str:
    number = pick_number(chance)
    return _INNER.sub(lambda _: number, chance.choice(table.amounts))


def pick_number(chance: random.Random) -> str:
    """A price: mostly small, sometimes large."""
    value = chance.choice((chance.uniform(2, 60), chance.uniform(20, 500), chance.uniform(200, 5000)))
    return chance.choice((f"{value:.2f}", f"{value:.2f}", f"{int(value)}", f"{value:,.2f}"))


def _date(chance: random.Random, table: Furniture) -> str:
    month = chance.randint(1, 12)
    parts = {
        "d": chance.randint(1, 28),
        "m": table.months[(month - 1) % len(table.months)],
        "mm": f"{month:02}",
        "y": chance.randint(2021, 2027),
        "wd": chance.choice(table.weekdays),
    }
    return _INNER.sub(lambda found: str(parts.get(found[1], "")), chance.choice(table.dates))


def _reference(chance: random.Random) -> str:
    letters = "".join(chance.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=2))
    number = chance.randint(10**4, 10**10)
    return chance.choice(
        (str(number), f"{letters}{number}", f"{number:,}".replace(",", "-"), f"{letters}-{number}", f"#{number}")
    )


def _user(chance: random.Random, scenario: Scenario, name: str, values: dict[str, str]) -> str:
    if scenario.sender in ("free", "person", "coworker"):
        parts = [hosts.ascii_slug(part) for part in name.split()[:2]]
        joined = chance.choice((".", "", "_", "-")).join(part for part in parts if part) or hosts.nonsense(chance)
        return joined + (str(chance.randint(1, 99)) if scenario.sender == "free" and chance.random() < 0.5 else "")
    user = fill(chance, chance.choice(scenario.users), values)
    user = "".join(char for char in user if char.isascii() and (char.isalnum() or char in "._-+")) or "info"
    if scenario.is_spam and chance.random() < 0.3:
        return chance.choice(
            (
                hosts.ascii_slug(name).replace(" ", "_") or "admin",
                "admin",
                "contact",
                "noreply",
                f"{hosts.nonsense(chance)}{chance.randint(1, 9999)}",
            )
        )
    return user


def _reply_to(chance: random.Random, scenario: Scenario, values: dict[str, str]) -> str:
    roll = chance.random()
    if "scam" in scenario.labels and roll < 0.4:
        return f"{hosts.nonsense(chance)}{chance.randint(1, 99)}@{chance.choice(hosts.FREE)}"
    if scenario.kind in ("newsletter", "marketing", "social", "invoice", "calendar") and roll < 0.15:
        return f"reply-{chance.getrandbits(32):x}@{chance.choice(hosts.TRACKERS)}"
    return f"{hosts.nonsense(chance)}@{hosts.ordinary(chance)}" if roll > 0.97 else ""


def _footer(chance: random.Random, scenario: Scenario, table: Furniture, values: dict[str, str]) -> str:
    if not scenario.footer or scenario.kind in _BARE:
        return ""
    likely = 0.8 if scenario.kind in _FOOTED or "bulk" in scenario.labels else 0.25
    if chance.random() > likely:
        return ""
    chosen = chance.sample(table.footers, min(len(table.footers), chance.choice((1, 1, 2))))
    lines = [fill(chance, text, values) for text in chosen]
    if chance.random() < 0.5:
        lines.append(fill(chance, chance.choice(_IMPRINTS), values))
    return " ".join(lines)
