"""Signs that a message leads astray: to a false login, a look-alike domain, a link that is not what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

from ai.archives import Clue
from ai.brands import BRANDS, brand_in, sends, slug
from ai.context import Context
from ai.known import FREE_HOSTING, FREE_MAIL
from ai.lookalikes import How, Likeness, brand_likeness, own_likeness
from ai.marks import brand_elsewhere
from ai.view import View, host_of, registrable
from ai.wording import ADMINISTRATION, MAILBOX, PRESSURE, plain, says

_LOOKED_AT = 3000  # characters of the text
_HOSTS = 20
_USER_IN_URL = re.compile(r"(?i)^https?://([^/?#@\s]{1,200})@")


# Services that rewrite links so that they lead through them: no deceit of the sender's.
_REWRITERS = frozenset(
    (
        *("urldefense.com", "urldefense.us", "proofpoint.com", "mimecast.com", "mimecastprotect.com", "outlook.com"),
        *("office365.us", "cudasvc.com", "cisco.com", "sophos.com", "trendmicro.com", "fireeye.com", "google.com"),
    )
)
_BOUNCERS = frozenset(("mailer-daemon", "postmaster"))


class Lure(Enum):
    """The signs, without their weight."""

    LOGIN = auto()
    LOGIN_CLAIMED = auto()
    OWN_INSIDE = auto()
    OWN_LETTERS = auto()
    OWN_SIMILAR = auto()
    OWN_ENDING = auto()
    BRAND_INSIDE = auto()
    BRAND_LETTERS_NAMED = auto()
    BRAND_LETTERS = auto()
    BRAND_SIMILAR_NAMED = auto()
    BRAND_SIMILAR = auto()
    BRAND_NAME = auto()
    BRAND_NAME_FREE = auto()
    LINK_OWN = auto()
    LINK_BRAND = auto()
    LINK_MASKED = auto()
    LINK_NUMBER = auto()


_OWN = {
    How.INSIDE: Lure.OWN_INSIDE,
    How.LETTERS: Lure.OWN_LETTERS,
    How.SLIP: Lure.OWN_SIMILAR,
    How.LURE: Lure.OWN_SIMILAR,
    How.ENDING: Lure.OWN_ENDING,
}
_BRAND = {
    How.INSIDE: (Lure.BRAND_INSIDE, Lure.BRAND_INSIDE),
    How.LETTERS: (Lure.BRAND_LETTERS, Lure.BRAND_LETTERS_NAMED),
    How.SLIP: (Lure.BRAND_SIMILAR, Lure.BRAND_SIMILAR_NAMED),
    How.LURE: (Lure.BRAND_SIMILAR, Lure.BRAND_SIMILAR_NAMED),
    How.ENDING: (Lure.BRAND_SIMILAR, Lure.BRAND_SIMILAR_NAMED),
}


def own_domains(context: Context) -> tuple[str, ...]:
    """Domains and hosts that are this node's."""
    return tuple(dict.fromkeys((*context.recipient_domains, *context.own_hosts)))[:40]


def lures(view: View, context: Context) -> Iterator[Lure]:
    """Every sign that holds; one may come several times."""
    own = own_domains(context)
    hosts = _hosts(view)
    yield from _login(view, context, own)
    for host in hosts:
        likeness = own_likeness(host, own)
        if likeness:
            yield _OWN[likeness.how]
        elif (found := brand_likeness(host)) and not _is_brands_own(view, found):
            yield _BRAND[found.how][_names(view, found)]
    yield from _brand_name(view)
    yield from _links(view, {registrable(domain) for domain in own})


def _hosts(view: View) -> tuple[str, ...]:
    """The sender's domain, where replies go, and where links lead."""
    found = (view.from_domain, view.reply_domain, *map(host_of, view.targets))
    return tuple(dict.fromkeys(host for host in found if host and registrable(host) not in FREE_MAIL))[:_HOSTS]


def _is_brands_own(view: View, likeness: Likeness) -> bool:
    """The brand itself writes, and has more domains than we know; those that deceive the eye are nobody's own."""
    deceives = likeness.how in (How.LETTERS, How.INSIDE)
    return not deceives and sends(likeness.of, registrable(view.from_domain))


def _names(view: View, likeness: Likeness) -> bool:
    """The message speaks of the brand whose domain one of its own resembles."""
    said = f"{view.from_name} {view.subject}"
    if likeness.how in (How.LETTERS, How.ENDING):  # a slip may be a word of its own: it must claim more
        said += f" {view.text[:_LOOKED_AT]}"
    return len(likeness.of) > 2 and likeness.of.casefold() in said.casefold()


def _login(view: View, context: Context, own: tuple[str, ...]) -> Iterator[Lure]:
    """This server's password, asked for elsewhere. Mail of the node itself and of its people does not come this way,
    so who speaks from outside of mailboxes here, and wants a login there, has no good reason."""
    homes = {registrable(domain) for domain in own}
    if registrable(view.from_domain) in homes and context.dmarc == "pass":
        return
    if not _leads_away(view, homes) or (view.from_user in _BOUNCERS and not view.is_html):
        return
    title = plain(f"{view.from_name} \n {view.subject}")
    if not (says(title, MAILBOX) or says(title, PRESSURE) or says(title, ADMINISTRATION)):
        return
    text = plain(f"{view.from_name} \n {view.subject} \n {view.text[:_LOOKED_AT]}")
    if not (says(text, MAILBOX) and says(text, PRESSURE)):
        return
    if any(_speaks_of(text, domain) for domain in own):
        yield Lure.LOGIN
    elif says(plain(view.from_name), ADMINISTRATION):
        yield Lure.LOGIN_CLAIMED


def _speaks_of(text: str, domain: str) -> bool:
    """The text names one of our domains itself; an address is no such thing, newsletters say whom they are for."""
    at = text.find(domain)
    while at >= 0:
        after = text[at + len(domain) : at + len(domain) + 1]
        if not (text[at - 1].isalnum() or text[at - 1] == "-" or after.isalnum() or after == "-"):
            return True
        at = text.find(domain, at + 1)
    return False


def _leads_away(view: View, homes: set[str]) -> bool:
    """There is a link to somebody else, a form, or a page to open."""
    pages = any(Clue.WEB_PAGE in file.clues for file in view.files)
    return pages or view.inputs > 0 or any(link not in homes for link in view.links)


def _brand_name(view: View) -> Iterator[Lure]:
    brand, home = brand_elsewhere(view), registrable(view.from_domain)
    if brand and brand_in(view.from_name) and slug(home.partition(".")[0]) not in slug(view.from_name):
        cheap = home in FREE_MAIL or home in FREE_HOSTING
        yield Lure.BRAND_NAME_FREE if cheap else Lure.BRAND_NAME


def _links(view: View, homes: set[str]) -> Iterator[Lure]:
    home = registrable(view.from_domain)
    for shown, real in view.pretended:
        if real in _REWRITERS:
            continue
        if shown in homes and real not in homes:
            yield Lure.LINK_OWN
        elif (brand := _brand_of(shown)) and not (sends(brand, real) or sends(brand, home)):
            yield Lure.LINK_BRAND
    if any(_is_masked(target) for target in view.targets):
        yield Lure.LINK_MASKED
    if view.has_address_link:
        yield Lure.LINK_NUMBER


def _brand_of(domain: str) -> str:
    return next((brand for brand, domains in BRANDS.items() if domain in domains), "")


def _is_masked(target: str) -> bool:
    """``https://bank.example@evil.example/`` leads to evil.example (RFC 3986 §7.6)."""
    found = _USER_IN_URL.match(target)
    return bool(found and "." in found[1])
