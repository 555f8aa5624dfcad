"""Why a message was judged as it was, in words from a closed list."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import StrEnum

from ai.classes import Classes
from ai.marks import brand_elsewhere, marks
from ai.view import View

_SURE = 0.5  # probability from which a class is named


class Reason(StrEnum):
    """Every reason a verdict may carry. New ones are added here and nowhere else."""

    TEXT = "text resembles spam"
    PHISHING = "text resembles phishing"
    SCAM = "text resembles a scam"
    MALWARE = "text resembles a lure to malware"
    CAMPAIGN = "nearly the same as mail just judged spam"
    ATTACHMENT = "dangerous attachment type"
    BRAND = "well-known brand on another domain"
    NAME = "display name shows another address"
    LINK = "link leads elsewhere than it says"
    NUMBER = "link to a bare IP address"
    PUNYCODE = "international look-alike domain possible"
    FORM = "form inside the mail"
    INVISIBLE = "invisible characters"
    DISGUISED = "disguised letters"
    STYLED = "decorative letters"
    HIDDEN = "hidden text"
    IMAGE = "image instead of text"
    FREE_HOSTING = "link to a free hosting site"
    SHORTENER = "shortened link"
    ODD_LINK = "link to a top-level domain that is often abused"
    ODD_SENDER = "sender's top-level domain is often abused"
    REPLY = "replies go to another domain"
    BRAND_IN_TEXT = "text names a brand that did not send it"
    ARCHIVE = "packed attachment"
    SHOUTING = "subject in capitals"
    ORDINARY = "text resembles ordinary mail"


# Marks of `ai.marks` that speak against a message, strongest first. The others tell what mail is, not what is wrong.
SPEAKING = {
    "dangerous-file": Reason.ATTACHMENT,
    "brand-elsewhere": Reason.BRAND,
    "name-is-address": Reason.NAME,
    "link-mismatch": Reason.LINK,
    "number-link": Reason.NUMBER,
    "punycode": Reason.PUNYCODE,
    "form": Reason.FORM,
    "disguised-letters": Reason.DISGUISED,
    "styled-letters": Reason.STYLED,
    "hidden-text": Reason.HIDDEN,
    "image-only": Reason.IMAGE,
    "free-hosting": Reason.FREE_HOSTING,
    "shortener": Reason.SHORTENER,
    "link-odd-tld": Reason.ODD_LINK,
    "odd-tld": Reason.ODD_SENDER,
    "replies-elsewhere": Reason.REPLY,
    "brand-in-text-elsewhere": Reason.BRAND_IN_TEXT,
    "archive-file": Reason.ARCHIVE,
    "subject-shouts": Reason.SHOUTING,
}


def reasons_for(view: View, classes: Classes, threshold: float) -> tuple[str, ...]:
    """The reasons that hold, strongest first; features are named only beside a text that is not sure ham."""
    if classes.spam < threshold / 2:
        return ()
    found = marks(view)
    said = list(_of_text(classes, threshold))
    said += [in_words(mark, view) for mark in SPEAKING if mark in found]
    return tuple(dict.fromkeys(said))


def in_words(mark: str, view: View) -> str:
    """A mark that speaks against a message, with the brand's name where there is one; ASCII."""
    reason = SPEAKING[mark]
    if reason is Reason.BRAND and (brand := _ascii(brand_elsewhere(view))):
        return f"{reason} ({brand})"
    if reason is Reason.DISGUISED and view.disguises.zero_width > 4:
        return str(Reason.INVISIBLE)
    return str(reason)


def _of_text(classes: Classes, threshold: float) -> Iterator[str]:
    """What the models made of it: the worst threat, where there is one, says more than "spam"."""
    if classes.spam < threshold:
        return
    threats = {Reason.PHISHING: classes.phishing, Reason.SCAM: classes.scam, Reason.MALWARE: classes.malware}
    worst = max(threats, key=threats.__getitem__)
    reason, probability = (worst, threats[worst]) if threats[worst] >= _SURE else (Reason.TEXT, classes.spam)
    yield f"{reason} ({probability:.2f})"


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
