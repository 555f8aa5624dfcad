"""What there is to see in a message beside its words: a closed list of marks.

Each is one token for the transformer, and one feature for the linear model and the online heads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ai.brands import BAITS, ODD_TLDS, brand_in, sends, slug
from ai.known import ARCHIVES, DOCUMENTS, FREE_HOSTING, FREE_MAIL
from ai.view import View, registrable

# The order is part of a trained model: append, never insert.
MARKS = (
    "name-is-address",
    "name-fits-domain",
    "brand-own",
    "brand-elsewhere",
    "odd-tld",
    "free-mail",
    "replies-elsewhere",
    "no-links",
    "links-own",
    "links-elsewhere",
    "link-odd-tld",
    "free-hosting",
    "link-mismatch",
    "number-link",
    "punycode",
    "shortener",
    "form",
    "hidden-text",
    "disguised-letters",
    "styled-letters",
    "dangerous-file",
    "archive-file",
    "document-file",
    "image-only",
    "short-text",
    "long-text",
    "no-name",
    "digits-in-domain",
    "user-fits-name",
    "brand-in-text-elsewhere",
    "subject-shouts",
    "subject-emoji",
    "name-foreign",
    "domain-told",
    "domain-untold",
)
_EVERYDAY = frozenset(("the", "and", "for", "you", "our", "new", "get", "inc", "llc", "ltd"))
_AT = {name: number for number, name in enumerate(MARKS)}


@lru_cache(maxsize=32)
def marks(view: View) -> tuple[str, ...]:
    """The marks that hold, in the order of MARKS. Remembered for a moment: several judges ask about the same view."""
    return tuple(sorted(set(_all(view)), key=_AT.__getitem__))


def mark_numbers(view: View) -> tuple[int, ...]:
    """Positions in MARKS of the marks that hold, ascending."""
    return tuple(_AT[name] for name in marks(view))


def brand_elsewhere(view: View) -> str:
    """The well-known brand that a sender's name or subject claims while the domain is not the brand's, or ""."""
    named = brand_in(view.from_name, is_name=True)
    if named and not sends(named, registrable(view.from_domain)):
        return "" if _partner(view, named) else named
    told = brand_in(view.subject)
    owned = told and sends(told, registrable(view.from_domain))
    # Whoever is open about himself may tell of a brand.
    honest = named or view.from_domain in FREE_MAIL or name_fits_domain(view)
    return told if told and not owned and not honest else ""


def name_fits_domain(view: View) -> bool:
    """The display name and the sender's domain share a word, as those of honest firms nearly always do.

    A domain that adds a word of alarm or reward to the name (``firm-secure-login``) is no such one.
    """
    domain, name = registrable(view.from_domain), slug(view.from_name)
    label = slug(domain.partition(".")[0])
    return _fits(view.from_name, domain) and not any(bait in label and bait not in name for bait in BAITS)


def _partner(view: View, brand: str) -> bool:
    """A firm that is open about itself names a brand beside its own name: "Synchrony for your PayPal card"."""
    label = slug(registrable(view.from_domain).partition(".")[0])
    others = " ".join(word for word in view.from_name.split() if slug(word) not in slug(brand))
    return slug(brand) not in label and any(len(slug(word)) > 4 and slug(word) == label for word in others.split())


def _fits(name: str, domain: str) -> bool:
    label = slug(domain.partition(".")[0])
    words = [slug(word) for word in name.split()]
    joined = "".join(words)
    initials = "".join(word[0] for word in words if word)
    if len(label) < 2 or not joined:
        return False
    return (
        label in joined
        or (len(joined) > 3 and joined in label)
        or any(len(word) > 3 and word in label for word in words)
        or any(len(word) == 3 and label.startswith(word) and word not in _EVERYDAY for word in words)
        or (len(initials) > 2 and initials == label)
    )


def _told(view: View, domain: str) -> bool:
    """The text names whose domain it comes from; somebody else's domain, or one for a day, is seldom named."""
    label = domain.partition(".")[0]
    parts = [part for part in re.split(r"[-_]", label) if len(part) > 3] or [label]
    words = f"{view.subject} {view.text}".split(" ")
    told = slug(" ".join(word for word in words if "://" not in word and "@" not in word and "www." not in word))
    return any(part in told for part in {slug(part) for part in parts} if len(part) > 2)


def _all(view: View) -> Iterator[str]:
    yield from _brand(view)
    yield from _sender(view)
    yield from _links(view)
    yield from _files(view)
    yield from _text(view)


def _brand(view: View) -> Iterator[str]:
    named = brand_in(view.from_name, is_name=True)
    if named and sends(named, registrable(view.from_domain)):
        yield "brand-own"
    if brand_elsewhere(view):
        yield "brand-elsewhere"


def _sender(view: View) -> Iterator[str]:
    domain = registrable(view.from_domain)
    yield from _name(view, domain)
    if domain in FREE_MAIL:
        yield "free-mail"
    elif domain:
        yield "domain-told" if _told(view, domain) else "domain-untold"
    if _odd(domain):
        yield "odd-tld"
    if any(char.isdigit() for char in domain):
        yield "digits-in-domain"
    if view.reply_domain:
        yield "replies-elsewhere"


def _name(view: View, domain: str) -> Iterator[str]:
    if view.name_shows_address:
        yield "name-is-address"
    if not view.from_name:
        yield "no-name"
    elif domain not in FREE_MAIL:
        if name_fits_domain(view):
            yield "name-fits-domain"
        elif sum(char.isascii() and char.isalpha() for char in view.from_name) > 2:  # others have to be spelled anew
            yield "name-foreign"
    if any(len(word) > 2 and slug(word) in slug(view.from_user) for word in view.from_name.split()):
        yield "user-fits-name"


def _links(view: View) -> Iterator[str]:
    domain = registrable(view.from_domain)
    if not view.links:
        yield "no-links"
    elif domain in view.links:
        yield "links-own"
    if any(link != domain for link in view.links):
        yield "links-elsewhere"
    if any(_odd(link) for link in view.links):
        yield "link-odd-tld"
    if any(link in FREE_HOSTING for link in view.links):
        yield "free-hosting"
    for name, holds in (
        ("link-mismatch", view.link_mismatches > 0),
        ("number-link", view.has_address_link),
        ("punycode", view.has_punycode),
        ("shortener", view.has_shortener),
        ("form", view.inputs > 0),
    ):
        if holds:
            yield name


def _files(view: View) -> Iterator[str]:
    endings = {name.rpartition(".")[2].lower() for name in view.attachments}
    if view.dangerous_attachment:
        yield "dangerous-file"
    if endings & ARCHIVES:
        yield "archive-file"
    if endings & DOCUMENTS:
        yield "document-file"


def _text(view: View) -> Iterator[str]:
    length = len(view.text)
    letters = [char for char in view.subject if char.isalpha()]
    named = brand_in(view.text[:1500])
    for name, holds in (
        ("hidden-text", view.hidden > 400),
        ("disguised-letters", view.disguises.any),
        ("styled-letters", view.disguises.styled > 5),
        ("image-only", view.images > 0 and length < 120),
        ("short-text", length < 250),
        ("long-text", length > 3000),
        ("brand-in-text-elsewhere", bool(named) and not sends(named, registrable(view.from_domain))),
        ("subject-shouts", len(letters) > 8 and sum(char.isupper() for char in letters) > 0.7 * len(letters)),
        (
            "subject-emoji",
            any(
                ord(char) > 0x2600 and not char.isalnum() and not 0x3000 <= ord(char) < 0xFB00 for char in view.subject
            ),
        ),
    ):
        if holds:
            yield name


def _odd(domain: str) -> bool:
    labels = domain.split(".")
    return labels[-1] in ODD_TLDS or ".".join(labels[-2:]) in ODD_TLDS
