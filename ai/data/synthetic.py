"""Writes modern mail of our own, ham and spam on the same skeletons.

Public corpora teach that HTML, recent years and every language but English mean spam. These samples unteach it: each
language has the same kinds of ham and spam, the same layouts, footers, tracking links and encodings, so that only the
words and the deceit can tell them apart. Phrases live in ``phrases/LANGUAGE.toml``; brands and people are invented.
"""

from __future__ import annotations

import base64
import quopri
import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ai.data.corpus import Sample

PHRASES = Path(__file__).with_name("phrases")
LANGUAGES = tuple(sorted(path.stem for path in PHRASES.glob("*.toml")))
_HELD_OUT = 5
_MONTHS = ("January", "March", "May", "June", "09", "11", "Q3")
_TLDS = {"en": ("com", "co.uk", "io", "org"), "pt": ("com.br", "pt"), "ja": ("co.jp", "jp")}
_ODD_TLDS = ("xyz", "top", "shop", "online", "site", "info", "click", "live")
_FREE = ("gmail.com", "outlook.com", "yahoo.com", "gmx.net", "icloud.com", "proton.me")
_SENDERS = ("track.mailroom.net", "click.sendfield.com", "links.postbrook.net", "email.hubnine.com", "e.lettermill.com")
_SYLLABLES = (
    "ba",
    "co",
    "de",
    "fi",
    "gu",
    "ha",
    "jo",
    "ka",
    "lu",
    "mo",
    "ne",
    "pa",
    "ri",
    "so",
    "ta",
    "vu",
    "wex",
    "zor",
)
_FALSE_WORDS = ("secure", "login", "service", "bonus", "info")
_LURING_FILES = (
    "invoice.zip",
    "document.html",
    "scan_0231.iso",
    "order.xlsm",
    "voice.htm",
    "payment.lnk",
    "Rechnung.docm",
    "copy.rar",
)
_PLAIN_FILES = (
    "invoice.pdf",
    "minutes.pdf",
    "IMG_2041.jpg",
    "contract.pdf",
    "slides.pptx",
    "invite.ics",
    "notes.docx",
    "table.xlsx",
)
_INVISIBLE = "\u200b\u200c\u00ad\u2060"
_LOOKALIKES = str.maketrans("aeopcxi", "аеорсхі")  # Cyrillic twins


@dataclass(frozen=True, slots=True)
class _Letter:
    """What is said, before it is laid out."""

    language: str
    kind: str
    is_spam: bool
    subject: str
    paragraphs: list[str]
    button: str
    footer: str
    firm: str
    person: str


def samples(count: int, *, seed: int, held_out: bool = False) -> Iterator[Sample]:
    """Yield ``count`` messages, half of them spam, nearly half of them English; the same seed gives the same bytes.

    ``held_out`` uses only phrases that the other setting never uses, for validation.
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    others = [language for language in LANGUAGES if language != "en"]
    for number in range(count):
        language = "en" if chance.random() < 0.45 else chance.choice(others)
        is_spam = number % 2 == 1
        letter = _compose(chance, language, is_spam, held_out)
        split = "synthetic_val" if held_out else "synthetic"
        yield Sample(f"syn-{seed}-{number}", "synthetic", split, is_spam, letter.kind, _lay_out(chance, letter))


@cache
def phrases(language: str) -> dict[str, Any]:
    """The phrase table of a language; KeyError or FileNotFoundError mean a broken installation of the sources."""
    return tomllib.loads((PHRASES / f"{language}.toml").read_text(encoding="utf-8"))


def _portion(items: list[str], held_out: bool) -> list[str]:
    """The last and every fifth before it belong to validation, the others to training."""
    return [item for at, item in enumerate(reversed(items)) if (at % _HELD_OUT == 0) == held_out]


def _compose(chance: random.Random, language: str, is_spam: bool, held_out: bool) -> _Letter:
    table = phrases(language)
    side = table["spam" if is_spam else "ham"]
    kind = chance.choice(sorted(side))
    person, firm = chance.choice(table["names"]), chance.choice(table["firms"])

    def fill(text: str) -> str:
        return _filled(chance, text, table, firm, person)

    sentences = _portion(side[kind]["sentences"], held_out)
    said = chance.sample(sentences, min(len(sentences), chance.randint(1, 4 if held_out else 5)))
    if is_spam and chance.random() < 0.25:  # ham words around a spam must not hide it
        harmless = _portion(table["ham"][chance.choice(sorted(table["ham"]))]["sentences"], held_out)
        cover = chance.sample(harmless, min(len(harmless), 3))
        said = cover + said if chance.random() < 0.5 else said + cover
    paragraphs = [chance.choice(table["greetings"]), *said]
    if chance.random() < 0.7:
        paragraphs.append(chance.choice(table["closings"]))
    return _Letter(
        language=language,
        kind=kind,
        is_spam=is_spam,
        subject=fill(chance.choice(_portion(side[kind]["subjects"], held_out))),
        paragraphs=[fill(text) for text in paragraphs if text],
        button=chance.choice(table["buttons"]) if kind not in ("personal", "scam") else "",
        footer=fill(chance.choice(table["footers"]))
        if kind not in ("personal", "work", "scam") and chance.random() < 0.7
        else "",
        firm=firm,
        person=person,
    )


def _filled(chance: random.Random, text: str, table: dict[str, Any], firm: str, person: str) -> str:
    values = {
        "name": chance.choice(table["names"]),
        "person": person,
        "firm": firm,
        "amount": table["amount"].format(f"{chance.randint(2, 900)}.{chance.randint(0, 99):02}"),
        "order": str(chance.randint(10_000, 99_999_999)),
        "short": str(chance.randint(2, 9999)),
        "date": f"{chance.randint(1, 28)}.{chance.randint(1, 12)}.",
        "month": chance.choice(_MONTHS),
    }
    values |= {slot: chance.choice(words) for slot, words in table.get("slots", {}).items()}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower()) or "mise"


def _nonsense(chance: random.Random) -> str:
    return "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))


def _home(chance: random.Random, letter: _Letter) -> str:
    """The domain that a sender of this kind of letter would use."""
    own = f"{_slug(letter.firm)}.{chance.choice(_TLDS.get(letter.language, (letter.language, 'com', 'eu')))}"
    roll = chance.random()
    if not letter.is_spam:
        if letter.kind == "personal":
            return chance.choice(_FREE) if roll < 0.7 else f"{_nonsense(chance)}.{letter.language}"
        return (
            own if roll < 0.75 else f"{_nonsense(chance)}.{chance.choice(_ODD_TLDS)}" if roll < 0.85 else f"mail.{own}"
        )
    if letter.kind == "scam" and roll < 0.5:
        return chance.choice(_FREE)
    if roll < 0.4:  # a rented or broken-into domain looks like any other
        return f"{_nonsense(chance)}.{chance.choice(('com', 'net', 'com.br', 'in', 'ru', letter.language))}"
    if roll < 0.6:
        return f"{_slug(letter.firm)}-{chance.choice(_FALSE_WORDS)}.{chance.choice(_ODD_TLDS)}"
    return own if roll < 0.75 else f"{_nonsense(chance)}.{chance.choice(_ODD_TLDS)}"


def _target(chance: random.Random, letter: _Letter, home: str) -> str:
    roll = chance.random()
    if roll < 0.35:  # both sides count clicks
        host = chance.choice(_SENDERS)
    elif letter.is_spam and roll < 0.7:
        host = f"{_nonsense(chance)}.{chance.choice((*_ODD_TLDS, 'com', 'ru', 'web.app'))}"
    else:
        host = f"www.{home}"
    return f"https://{host}/{_nonsense(chance)}?u={chance.getrandbits(40):x}"


def _lay_out(chance: random.Random, letter: _Letter) -> bytes:
    home = _home(chance, letter)
    target = _target(chance, letter, home)
    if letter.is_spam and chance.random() < 0.08:
        letter.paragraphs[:] = [_disguised(chance, text) for text in letter.paragraphs]
    plain = "\n\n".join(letter.paragraphs)
    if letter.button:
        plain += f"\n\n{letter.button}: {target}"
    plain += f"\n\n{letter.footer}" if letter.footer else ""
    formats = (
        ("plain", "html", "alternative")
        if letter.kind in ("personal", "work", "scam")
        else ("html", "html", "alternative", "alternative", "plain")
    )
    chosen = chance.choice(formats)
    page = _page(chance, letter, target, home)
    parts = {"plain": [("plain", plain)], "html": [("html", page)], "alternative": [("plain", plain), ("html", page)]}[
        chosen
    ]
    return _assemble(chance, letter, home, parts)


def _disguised(chance: random.Random, text: str) -> str:
    if chance.random() < 0.5:
        return "".join(char + chance.choice(_INVISIBLE) if chance.random() < 0.3 else char for char in text)
    return text.translate(_LOOKALIKES)


def _page(chance: random.Random, letter: _Letter, target: str, home: str) -> str:
    """One of the layouts that today's tools write; none belongs to ham or spam."""
    paragraphs = "".join(
        f'<p style="margin:0 0 16px;font-family:Arial,sans-serif">{text}</p>' for text in letter.paragraphs
    )
    shown = letter.button
    if shown and chance.random() < (0.3 if letter.is_spam else 0.12):  # newsletters do this too
        shown = f"https://www.{home}/"
    button = (
        f'<a href="{target}" style="background:#1a73e8;color:#ffffff;padding:12px 24px;border-radius:4px">{shown}</a>'
        if shown
        else ""
    )
    image = f'<img src="https://img.{home}/logo.png" width="120" alt="{letter.firm}">' if chance.random() < 0.6 else ""
    pixel = f'<img src="{target}&o=1" width="1" height="1">' if chance.random() < 0.5 else ""
    preheader = ""
    if chance.random() < 0.4:
        padding = "&zwnj;&nbsp;" * chance.randint(0, 90)
        preheader = f'<div style="display:none;max-height:0;overflow:hidden">{letter.subject}{padding}</div>'
    footer = f'<p style="font-size:12px;color:#888888">{letter.footer}</p>' if letter.footer else ""
    if chance.random() < 0.3:
        return f'<html><body><div dir="ltr">{paragraphs}{button}{footer}</div>{pixel}</body></html>'
    rows = "".join(f"<tr><td>{cell}</td></tr>" for cell in (image, paragraphs, button, footer))
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<style>@media (max-width:600px){.c{width:100%!important}} body{margin:0}</style></head><body>"
        f'{preheader}<table role="presentation" width="100%" cellpadding="0"><tr><td align="center">'
        f'<table class="c" width="600">{rows}</table></td></tr></table>{pixel}</body></html>'
    )


def _assemble(chance: random.Random, letter: _Letter, home: str, parts: list[tuple[str, str]]) -> bytes:
    name = letter.person if letter.kind in ("personal", "work", "scam") else letter.firm
    user = chance.choice(("info", "news", "service", "noreply", "hello", "team", "mail", _nonsense(chance)))
    lines = [f"From: {_encoded(name)} <{user}@{home}>", "To: user@example.net", f"Subject: {_encoded(letter.subject)}"]
    if letter.is_spam and letter.kind == "scam" and chance.random() < 0.5:
        lines.append(f"Reply-To: <{_nonsense(chance)}@{chance.choice(_FREE)}>")
    elif chance.random() < 0.12:
        lines.append(f"Reply-To: <reply@{chance.choice(_SENDERS)}>")
    lines.append("MIME-Version: 1.0")
    blocks = [_text_part(chance, subtype, text) for subtype, text in parts]
    file_name = _attached(chance, letter)
    if len(blocks) > 1:
        blocks = [_joined("alternative", blocks, "a1")]
    if file_name:
        content = base64.encodebytes(chance.randbytes(120)).decode()
        head = (
            f'Content-Type: application/octet-stream; name="{file_name}"\n'
            f'Content-Disposition: attachment; filename="{file_name}"\nContent-Transfer-Encoding: base64\n\n'
        )
        blocks = [_joined("mixed", [*blocks, head + content], "m1")]
    return "\r\n".join([*lines, *blocks[0].split("\n")]).encode()


def _attached(chance: random.Random, letter: _Letter) -> str:
    if letter.kind == "malware":
        return chance.choice(_LURING_FILES) if chance.random() < 0.8 else "invoice.pdf"
    usual = {"work": 0.5, "receipt": 0.3, "personal": 0.2, "notice": 0.1}.get(letter.kind, 0.03)
    return chance.choice(_PLAIN_FILES) if chance.random() < usual else ""


def _joined(subtype: str, blocks: list[str], boundary: str) -> str:
    body = "".join(f"--{boundary}\n{block}\n" for block in blocks)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


def _text_part(chance: random.Random, subtype: str, text: str) -> str:
    head = f'Content-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: '
    if chance.random() < 0.5:
        return f"{head}base64\n\n{base64.encodebytes(text.encode()).decode()}"
    return f"{head}quoted-printable\n\n{quopri.encodestring(text.encode()).decode()}"


def _encoded(text: str) -> str:
    return text if text.isascii() else f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="
