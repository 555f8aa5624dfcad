"""The written material of our own training mail: scenarios and the furniture of each language, read and checked.

``phrases/LANGUAGE/common.toml`` holds names, places, footers; every other file there holds ``[[scenario]]`` tables. A
whole scenario is either for training or held out, so that validation sees only texts that were never trained on.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PHRASES = Path(__file__).with_name("phrases")
LABELS = ("spam", "phishing", "scam", "malware", "bulk")
KINDS = frozenset(
    (
        *("marketing", "newsletter", "receipt", "shipping", "account", "finance", "invoice", "calendar", "social"),
        *("work", "outreach", "personal", "thread", "health", "travel", "media", "community", "jobs", "lottery"),
        *("adult", "crypto", "service"),
    )
)
SENDERS = frozenset(("own", "coworker", "free", "person", "odd", "lookalike", "hacked"))
SLOTS = frozenset(
    (
        *("name", "person", "person2", "firm", "brand", "amount", "amount2", "big", "percent", "date", "date2"),
        *("time", "month", "weekday", "year", "order", "short", "code", "city", "product", "topic", "phone", "url"),
        *("email", "domain", "street"),
    )
)
_HELD_OUT = 6  # one scenario in so many is kept for validation
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of mail, with alternatives: of each block of ``body`` one text is taken, "" leaves it out."""

    id: str
    language: str
    kind: str
    labels: frozenset[str]
    sender: str
    names: tuple[str, ...]  # display names
    users: tuple[str, ...]  # local parts
    subjects: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    buttons: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    footer: bool = True

    @property
    def is_spam(self) -> bool:
        return "spam" in self.labels

    @property
    def is_held_out(self) -> bool:
        return zlib.crc32(self.id.encode()) % _HELD_OUT == 0


@dataclass(frozen=True, slots=True)
class Furniture:
    """What all scenarios of a language share, ham and spam alike."""

    names: tuple[str, ...]
    people: tuple[str, ...]
    firms: tuple[str, ...]
    cities: tuple[str, ...]
    streets: tuple[str, ...]
    products: tuple[str, ...]
    topics: tuple[str, ...]
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    amounts: tuple[str, ...]
    bigs: tuple[str, ...]
    dates: tuple[str, ...]
    phones: tuple[str, ...]
    tlds: tuple[str, ...]
    footers: tuple[str, ...]
    closings: tuple[str, ...]
    fillers: tuple[str, ...] = field(default=())


class PhraseError(ValueError):
    """A phrase file is not as it must be; the text names the file, the scenario and what to change."""


def languages() -> tuple[str, ...]:
    """Every language that has furniture and at least one file of scenarios."""
    return tuple(sorted(path.parent.name for path in PHRASES.glob("*/common.toml") if len(_files(path.parent))))


@cache
def furniture(language: str) -> Furniture:
    """The furniture of a language. Raises PhraseError when a list is missing or empty."""
    path = PHRASES / language / "common.toml"
    table = _table(path)
    wanted = Furniture.__dataclass_fields__
    values = {name: tuple(map(str, table.get(name, ()))) for name in wanted}
    if missing := [name for name, items in values.items() if not items]:
        raise PhraseError(f"{path} lacks {', '.join(missing)}.")
    return Furniture(**values)


@cache
def scenarios(language: str) -> tuple[Scenario, ...]:
    """All scenarios of a language, in a fixed order. Raises PhraseError, with what to change."""
    found: list[Scenario] = []
    for path in _files(PHRASES / language):
        found += [_scenario(path, language, row) for row in _table(path).get("scenario", ())]
    return tuple(sorted(found, key=lambda scenario: scenario.id))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.toml") if path.name != "common.toml")


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PhraseError(f"{path} cannot be read: {error}") from error


def _scenario(path: Path, language: str, row: dict[str, Any]) -> Scenario:
    where = f"{path}, scenario {row.get('id', '(no id)')}"
    try:
        scenario = Scenario(
            id=row["id"],
            language=language,
            kind=row["kind"],
            labels=frozenset(row["labels"]),
            sender=row["sender"],
            names=tuple(row["from"]),
            users=tuple(row.get("user") or ("info",)),
            subjects=tuple(row["subjects"]),
            body=tuple((block,) if isinstance(block, str) else tuple(block) for block in row["body"]),
            buttons=tuple(row.get("buttons", ())),
            files=tuple(row.get("files", ())),
            footer=bool(row.get("footer", True)),
        )
    except (KeyError, TypeError) as error:
        raise PhraseError(f"{where}: {error!r} is missing or of the wrong type.") from error
    for problem in _problems(scenario):
        raise PhraseError(f"{where}: {problem}")
    return scenario


def _problems(scenario: Scenario) -> list[str]:
    texts = [*scenario.names, *scenario.subjects, *scenario.buttons, *scenario.files]
    texts += [text for block in scenario.body for text in block]
    unknown = {slot for text in texts for slot in _SLOT.findall(text)} - SLOTS
    return [
        problem
        for problem, holds in (
            (f"unknown kind {scenario.kind!r}", scenario.kind not in KINDS),
            (f"unknown labels {set(scenario.labels) - set(LABELS)}", not scenario.labels <= set(LABELS)),
            (f"unknown sender {scenario.sender!r}", scenario.sender not in SENDERS),
            (f"unknown slots {sorted(unknown)}", bool(unknown)),
            ("no display name, subject or body", not (scenario.names and scenario.subjects and scenario.body)),
            ("an empty block", any(not block for block in scenario.body)),
        )
        if holds
    ]
