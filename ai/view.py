"""The one view of a message that models see: what any receiving server could see, and nothing else.

Received, List-*, X-*, Authentication-Results, recipients, dates and the like tell who collected a corpus rather than
what a message is; they never enter. The same function serves training and the running node.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ai.known import DANGEROUS, FREE_MAIL, SECOND_LEVEL, SHORTENERS
from ai.parts import MAX_TEXT, Parts, walk
from ai.visible import Visible, read_html

HEAD = 6000  # characters of visible text kept from the beginning
TAIL = 2000  # and from the end: a short spam may stand behind a long harmless text

_ZERO_WIDTH = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
# Between Latin, Greek or Cyrillic letters these only disguise; soft hyphens, and joiners of other scripts, are honest.
_LETTER = "[a-zA-Z\u00c0-\u052f]"
_INSIDE_WORD = re.compile(f"(?<={_LETTER})[\u180e\u200b-\u200f\u2060-\u2064\ufeff]+(?={_LETTER})")
_LIST_TAG = re.compile(r"^((?:\s{0,4}(?:re|fwd?|aw|sv|wg)\s{0,4}:)*)\s{0,8}\[[^\]]{1,40}\]\s{0,8}", re.IGNORECASE)
_LIST_FOOTER = re.compile(
    r"\n[_=-]{10,200}[^\n]{0,40}\n.{0,300}?(?:mailing list|mailman|sponsored by|unsubscribe)", re.IGNORECASE | re.DOTALL
)
_URL = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"'()\[\]]{1,2000}")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){0,6})")
_SHOWN_HOST = re.compile(r"(?i)(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,12})(?:[/?#:]|$)")


@dataclass(frozen=True, slots=True)
class View:
    """A message as a judge sees it. Texts are NFKC without zero-width characters; ``text`` has at most HEAD + TAIL."""

    subject: str
    from_name: str
    from_domain: str  # lower case; "" when there is none
    reply_domain: str  # of Reply-To, only when it belongs to somebody else than From
    text: str
    links: tuple[str, ...]  # registrable domains, each once, in order
    link_mismatches: int  # links whose words show another domain than they lead to
    attachments: tuple[str, ...]
    hidden: int  # letters hidden by style
    zero_width: int  # invisible characters inside words
    images: int
    inputs: int
    is_html: bool
    has_address_link: bool  # a link to a bare IP address
    has_punycode: bool
    has_shortener: bool

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
    subject, name, from_domain = _sender_and_subject(parts)
    reply = _domain(parts.fields.get("reply-to", ""))
    targets, mismatches = _links(pages, plain)
    hosts = [host for host in map(_host, targets) if host]
    return View(
        subject=_clean(_LIST_TAG.sub(r"\1 ", subject))[:300],
        from_name=_clean(name)[:100],
        from_domain=from_domain,
        reply_domain=reply if reply and registrable(reply) != registrable(from_domain) else "",
        text=_clean(shown),
        links=tuple(dict.fromkeys(map(registrable, hosts)))[:20],
        link_mismatches=mismatches,
        attachments=tuple(_clean(item) for item in parts.attachments),
        hidden=sum(page.hidden for page in pages),
        zero_width=len(_INSIDE_WORD.findall(shown)) + len(_INSIDE_WORD.findall(f"{subject} {name}")),
        images=parts.images + sum(page.images for page in pages),
        inputs=sum(page.inputs for page in pages),
        is_html=bool(pages),
        has_address_link=any(host.replace(".", "").isdigit() for host in hosts),
        has_punycode=any("xn--" in host for host in (*hosts, from_domain)),
        has_shortener=any(registrable(host) in SHORTENERS for host in hosts),
    )


def _sender_and_subject(parts: Parts) -> tuple[str, str, str]:
    sender = parts.fields.get("from", "")[:1000]
    name = sender.rpartition("<")[0].strip(" \"'") if "<" in sender else ""
    return parts.fields.get("subject", "")[:1000], name, _domain(sender)


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


def _links(pages: Iterable[Visible], plain: str) -> tuple[list[str], int]:
    targets: list[str] = []
    mismatches = 0
    for page in pages:
        for target, words in page.links:
            targets.append(target)
            shown = _SHOWN_HOST.match(words.strip())
            host = _host(target)
            if shown and host and registrable(shown[1].lower()) != registrable(host):
                mismatches += 1
    targets += [match[0] for match in _URL.finditer(plain[: HEAD * 2])][:60]
    return targets, mismatches


def _host(url: str) -> str:
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
    """Fold white space, drop zero-width characters, keep head and tail, fold compatibility forms (NFKC)."""
    folded = " ".join(_ZERO_WIDTH.sub("", text).split())
    if len(folded) > HEAD + TAIL:
        folded = folded[:HEAD] + " " + folded[-TAIL:]
    if folded.isascii():
        return folded
    # In pieces: sorting a long run of combining marks takes quadratic time.
    pieces = (folded[at : at + 256] for at in range(0, len(folded), 256))
    return "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)[: HEAD + TAIL + 1]


_DIGITS = re.compile(r"\d")
_RUNS = re.compile(r"([^\w\s])\1{3,}")


def model_text(view: View) -> str:
    """The characters a model reads. Digits become 0 (a year or an order number says who collected the mail, not what it
    is), URLs their domain, addresses a sign; HTML or its absence is not told."""
    lines = [f"from {view.from_name} {registrable(view.from_domain)}"]
    if view.reply_domain:
        lines.append(f"reply to {registrable(view.reply_domain)}")
    lines.append(f"subject {view.subject}")
    if marks := _marks(view):
        lines.append("marks " + " ".join(marks))
    if view.links:
        lines.append("links " + " ".join(view.links[:4]))
    if view.attachments:
        lines.append("files " + " ".join(name[-24:] for name in view.attachments[:3]))
    lines.append(_URL.sub(lambda found: registrable(_host(found[0])), view.text))
    text = _ADDRESS.sub(lambda found: "@" + (found[1] if found[1].lower() in FREE_MAIL else ""), " | ".join(lines))
    return _RUNS.sub(r"\1\1\1", _DIGITS.sub("0", text))


def _marks(view: View) -> list[str]:
    marks = (
        ("othername", view.name_shows_address),
        ("otherlink", view.link_mismatches > 0),
        ("form", view.inputs > 0),
        ("hidden", view.hidden > 400),
        ("invisible", view.zero_width > 4),
        ("numberlink", view.has_address_link),
        ("punycode", view.has_punycode),
        ("shortlink", view.has_shortener),
        ("danger", view.dangerous_attachment),
    )
    return [word for word, holds in marks if holds]
