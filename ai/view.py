"""The one view of a message that models see: what any receiving server could see, and nothing else.

Received, List-*, X-*, Authentication-Results, recipients, dates and the like tell who collected a corpus rather than
what a message is; they never enter. The same function serves training and the running node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from ai.fold import Disguises, plain_letters, unmasked
from ai.known import DANGEROUS, FREE_MAIL, SECOND_LEVEL, SHORTENERS
from ai.parts import MAX_TEXT, File, Parts, walk
from ai.visible import Visible, read_html

HEAD = 6000  # characters of visible text kept from the beginning
TAIL = 2000  # and from the end: a short spam may stand behind a long harmless text

_LIST_TAG = re.compile(r"^((?:\s{0,4}(?:re|fwd?|aw|sv|wg)\s{0,4}:)*)\s{0,8}\[[^\]]{1,40}\]\s{0,8}", re.IGNORECASE)
_LIST_FOOTER = re.compile(
    r"\n[_=-]{10,200}[^\n]{0,40}\n.{0,300}?(?:mailing list|mailman|sponsored by|unsubscribe)", re.IGNORECASE | re.DOTALL
)
_URL = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"'()\[\]]{1,2000}")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){0,6})")
_LOCAL = re.compile(r"([\w.+'-]{1,64})@")
_SHOWN_HOST = re.compile(r"(?i)(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,12})(?:[/?#:]|$)")


@dataclass(frozen=True, slots=True)
class View:
    """A message as a judge sees it. Texts are as a person reads them (`ai.fold`); ``text`` has at most HEAD + TAIL."""

    subject: str
    from_name: str
    from_user: str  # local part, lower case
    from_domain: str  # lower case; "" when there is none
    reply_domain: str  # of Reply-To, only when it belongs to somebody else than From
    text: str
    links: tuple[str, ...]  # registrable domains, each once, in order
    link_mismatches: int  # links whose words show another domain than they lead to
    attachments: tuple[str, ...]
    hidden: int  # letters hidden by style
    disguises: Disguises  # of subject, name and text
    images: int
    inputs: int
    is_html: bool
    has_address_link: bool  # a link to a bare IP address
    has_punycode: bool
    has_shortener: bool
    targets: tuple[str, ...] = ()  # where links lead, whole, each once, at most 300 characters of each
    pretended: tuple[tuple[str, str], ...] = ()  # of mismatched links: the domain shown, the domain led to
    files: tuple[File, ...] = ()  # attachments with what was found in them

    @property
    def name_shows_address(self) -> bool:
        """The display name is itself an address of another domain than the real one."""
        found = _ADDRESS.search(self.from_name)
        return bool(found and registrable(found[1].lower()) != registrable(self.from_domain))

    @property
    def dangerous_attachment(self) -> bool:
        return any(name.rpartition(".")[2].lower() in DANGEROUS for name in self.attachments)


def text_view(raw: bytes, limit: int = MAX_TEXT) -> View:
    """Read a raw message (RFC 5322 bytes, whole or cut) into a View; bounded in time; never raises.

    ``limit`` is the number of characters of decoded text that are looked at.
    """
    parts = walk(raw)
    plain = "\n".join(text.characters for text in parts.texts if text.subtype == "plain")[:limit]
    pages = [read_html(text.characters[:limit]) for text in parts.texts if text.subtype == "html"]
    shown = _shown("\n".join(page.text for page in pages), _without_list_footer(plain))
    subject, name, address = _sender_and_subject(parts)
    (subject, in_subject), (name, in_name) = unmasked(_LIST_TAG.sub(r"\1 ", subject)), unmasked(name)
    text, in_text = unmasked(shown)
    from_domain = _domain(address)
    reply = _domain(parts.fields.get("reply-to", ""))
    targets, pretended = _links(pages, plain)
    hosts = [host for host in map(host_of, targets) if host]
    return View(
        subject=_clean(subject)[:300],
        from_name=_clean(name)[:100],
        from_user=_user(address),
        from_domain=from_domain,
        reply_domain=reply if reply and registrable(reply) != registrable(from_domain) else "",
        text=_clean(text),
        links=tuple(dict.fromkeys(map(registrable, hosts)))[:20],
        link_mismatches=len(pretended),
        attachments=tuple(_clean(item) for item in parts.attachments),
        hidden=sum(page.hidden for page in pages),
        disguises=in_subject + in_name + in_text,
        images=parts.images + sum(page.images for page in pages),
        inputs=sum(page.inputs for page in pages),
        is_html=bool(pages),
        has_address_link=any(host.replace(".", "").isdigit() for host in hosts),
        has_punycode=any("xn--" in host for host in (*hosts, from_domain)),
        has_shortener=any(registrable(host) in SHORTENERS for host in hosts),
        targets=tuple(dict.fromkeys(target[:300] for target in targets))[:40],
        pretended=tuple(dict.fromkeys(pretended))[:20],
        files=parts.files,
    )


def _sender_and_subject(parts: Parts) -> tuple[str, str, str]:
    sender = parts.fields.get("from", "")[:1000]
    name = sender.rpartition("<")[0].strip(" \"'") if "<" in sender else ""
    return parts.fields.get("subject", "")[:1000], name[:1000], sender


def _user(field: str) -> str:
    found = _LOCAL.findall(field.rpartition("<")[2] if "<" in field else field)
    return plain_letters(found[-1]).lower() if found else ""


def _shown(pages: str, plain: str) -> str:
    """What a client shows: HTML where there is some; a much longer plain text follows it, so neither can hide."""
    if not pages.strip():
        return plain
    return pages if len(pages) * 3 > len(plain) else pages + "\n" + plain


def _without_list_footer(plain: str) -> str:
    """Cut a list server's footer: it names the list, and so the corpus."""
    start = max(0, len(plain) - 3000)
    found = _LIST_FOOTER.search(plain, start)
    return plain[: found.start()] if found else plain


def _links(pages: Iterable[Visible], plain: str) -> tuple[list[str], list[tuple[str, str]]]:
    targets: list[str] = []
    pretended: list[tuple[str, str]] = []
    for page in pages:
        for target, words in page.links:
            targets.append(target)
            shown = _SHOWN_HOST.match(words.strip())
            host = host_of(target)
            if shown and host and registrable(shown[1].lower()) != registrable(host):
                pretended.append((registrable(shown[1].lower()), registrable(host)))
    beginning = plain[: HEAD * 2]
    if "://" in beginning or "www." in beginning.lower():  # the pattern is slow to say that there is no link
        targets += [match[0] for match in _URL.finditer(beginning)][:60]
    return targets, pretended


def host_of(url: str) -> str:
    """The host that a link leads to, lower case; "" when it is none of the web's."""
    scheme = url[:8].lower()
    if not scheme.startswith(("http:", "https:", "www.", "//")):
        return ""
    try:
        host = urlsplit(url if "//" in url[:8] else "//" + url).hostname or ""
    except ValueError:
        return ""
    return _clean(host).lower().strip(".")[:253]


def _domain(field: str) -> str:
    """The domain of the last address in a From or Reply-To field; "" when there is none."""
    inside = field.rpartition("<")[2].partition(">")[0]
    found = _ADDRESS.findall(inside[:1000]) or _ADDRESS.findall(field[:1000])
    return _clean(found[-1]).lower()[:253] if found else ""


def registrable(host: str) -> str:
    """A domain without its subdomains, by a short rule of thumb (``mail.example.co.uk`` -> ``example.co.uk``)."""
    labels = host.split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL else 2
    return host if host.replace(".", "").isdigit() else ".".join(labels[-keep:])


def _clean(text: str) -> str:
    """Fold white space, keep head and tail, drop zero-width characters, fold compatibility forms."""
    folded = " ".join(text.split())
    if len(folded) > HEAD + TAIL:
        folded = folded[:HEAD] + " " + folded[-TAIL:]
    return plain_letters(folded)[: HEAD + TAIL + 1]


_DIGITS = re.compile(r"\d")
_RUNS = re.compile(r"([^\w\s])\1{3,}")


@dataclass(frozen=True, slots=True)
class ModelText:
    """The characters that a model reads, field by field. Digits are 0 (a year or an order number says who collected a
    mail, not what it is), links their domain, addresses a sign; that a mail is HTML, or not, is not told."""

    subject: str
    sender: str
    links: str
    files: str
    body: str


@lru_cache(maxsize=32)
def model_text(view: View) -> ModelText:
    """What a model is to read of a view. Remembered for a moment: several judges ask about the same view."""
    return ModelText(
        subject=_neutral(view.subject),
        sender=_neutral(f"{view.from_name} {registrable(view.from_domain)}"),
        links=_neutral(" ".join(view.links[:4])),
        files=_neutral(" ".join(name[-24:] for name in view.attachments[:3])),
        body=_neutral(_URL.sub(lambda found: registrable(host_of(found[0])), view.text)),
    )


def _neutral(text: str) -> str:
    """Digits become 0, addresses a sign (and their domain if everybody has one there), runs of signs are cut short."""
    text = _ADDRESS.sub(lambda found: "@" + (found[1] if found[1].lower() in FREE_MAIL else ""), text)
    return _RUNS.sub(r"\1\1\1", _DIGITS.sub("0", text))
