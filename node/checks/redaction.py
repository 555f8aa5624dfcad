"""What a stranger's machine is shown of a message: enough to judge it, as little of the people in it as we can.

Replaced: mail addresses, links (their domain stays), digits, long codes, the names found in the address fields and the
envelope, names after greetings, closings and titles, and our own domains. What no list knows stays: a name in the
middle of a sentence, a street, a story. An operator who must not send that leaves the second opinion off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ai.brands import brand_in
from ai.view import registrable, text_view
from node.mail.address_list import Group, Mailbox, addresses
from node.mail.headers import decoded, fields, header_end

MAX_SUBJECT = 200
MAX_HEADER = 64 << 10
MAX_NAMES = 200
_MAX_LIST = 8
_ADDRESS_FIELDS = frozenset({b"from", b"to", b"cc", b"reply-to", b"sender"})

# While we work, what has been replaced stands as one character of Unicode's private area, so that no later rule bites
# into it; such characters of the sender's own are dropped first.
_ADDRESS, _NAME, _CODE, _OURS, _LINK, _LINK_END = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004", "\ue005"
_WORDS = {
    _ADDRESS: "[address]",
    _NAME: "[name]",
    _CODE: "[code]",
    _OURS: "[our domain]",
    _LINK: "[link ",
    _LINK_END: "]",
}
_PRIVATE = re.compile("[\ue000-\uf8ff]")

_URL = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"']{1,2000}")
_BARE_LINK = re.compile(r"(?i)\b((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24})(?::\d{1,5})?/[^\s<>\"']{0,2000}")
_MAIL = re.compile(r"[^\s@<>,;:\"()\[\]]{1,200}@[^\s@<>,;:\"()\[\]]{1,255}")
_HANDLE = re.compile(r"(?<!\w)@\w{1,60}")
_LONG_CODE = re.compile(r"\b(?=[A-Za-z0-9_-]{0,80}\d)[A-Za-z0-9_-]{20,2000}\b")
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]{2,60}")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Words of mail addresses and display names that are nobody's name.
# fmt: off
_NOBODY = frozenset((
    "abuse", "account", "accounts", "admin", "alert", "alerts", "billing", "bounce", "bounces", "contact", "customer",
    "do", "email", "group", "hello", "help", "info", "inc", "list", "lists", "ltd", "mail", "mailer", "news",
    "newsletter", "no", "noreply", "notification", "notifications", "office", "order", "orders", "postmaster",
    "reply", "root", "sales", "security", "service", "services", "shop", "support", "system", "team", "the", "update",
    "updates", "user", "via", "web", "webmaster",
))
# fmt: on
_BEFORE_NAMES = re.compile(
    r"(?i)\b(?:dear|hi|hello|hey|good (?:morning|afternoon|evening)|hallo|liebe[rs]?|guten (?:tag|morgen|abend)|moin|"
    r"sehr geehrte[rs]?|bonjour|bonsoir|salut|cher|chère|hola|estimad[oa]|querid[oa]|buen[oa]s (?:días|tardes)|ciao|"
    r"car[oa]|gentile|buongiorno|olá|prezad[oa]|beste|geachte|hej|hei|kjære|kære|kära|cześć|dzień dobry|szanown[ya]|"
    r"ahoj|dobrý den|здравствуйте|привет|уважаем(?:ый|ая)|merhaba|sayın|"  # greetings
    r"regards|wishes|best|cheers|sincerely|thanks|thank you|yours|love|grüßen?|gruß|cordialement|saludos|atentamente|"
    r"saluti|abraços?|groeten|groet|hälsningar|hilsen|pozdrawiam|уважением|"  # closings
    r"my name is|i am|i'm|this is|ich bin|mein name ist|je m'appelle|je suis|me llamo|soy|mi chiamo|meu nome é|"
    r"mijn naam is|ik ben|jag heter|nazywam się|меня зовут|"  # introductions
    r"mr|mrs|ms|dr|prof|herrn?|frau|madame|monsieur|mme|mlle|señora?|sra?|doña|signora?|senhora?|meneer|mevrouw|pani?)"
    r"\b[.,!: ]{1,3}((?:[^\W\d_][\w'’-]{0,30}\.?[ ]){0,3}[^\W\d_][\w'’-]{0,30})"
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """What is shown of one message; plain text without addresses, digits or known names.

    Attributes:
        sender_brand: a well-known brand that the sender's display name names, "" for none.
        link_mismatches: links whose words show another domain than they lead to.
    """

    sender_domain: str
    sender_brand: str
    subject: str
    text: str
    link_domains: tuple[str, ...]
    link_mismatches: int
    attachment_types: tuple[str, ...]

    def as_json(self) -> str:
        """One JSON object. The mail cannot leave its strings: JSON escapes whatever it writes."""
        shown = {
            "sender_domain": self.sender_domain,
            "sender_brand": self.sender_brand,
            "subject": self.subject,
            "text": self.text,
            "link_domains": self.link_domains,
            "link_mismatches": self.link_mismatches,
            "attachment_types": self.attachment_types,
        }
        return json.dumps(shown, ensure_ascii=False)


def redact(raw: bytes, envelope: Sequence[str], recipients: Sequence[str], limit: int) -> Redacted:
    """The redacted view of a message; never raises, bounded like the view it is made from.

    Args:
        raw: the message, whole or its first octets.
        envelope: addresses of sender and recipients, as text.
        recipients: those of the envelope that are ours; their domains are replaced, too.
        limit: characters of text; three quarters from the beginning, the rest from the end.
    """
    view = text_view(raw)
    ours = frozenset(registrable(address.rpartition("@")[2].lower()) for address in recipients)
    hide = _Hide(_names(raw, envelope), ours)
    text = hide(view.text)
    if len(text) > limit:
        tail = limit // 4
        text = f"{text[: limit - tail - 5]} ... {text[-tail:]}"
    domains = (hide.domain(domain) for domain in view.links[:_MAX_LIST])
    kinds = (name.rpartition(".")[2].lower() for name in view.attachments[:_MAX_LIST] if "." in name)
    return Redacted(
        sender_domain=hide.domain(registrable(view.from_domain)),
        sender_brand=brand_in(view.from_name),
        subject=hide(view.subject)[:MAX_SUBJECT],
        text=text,
        link_domains=tuple(dict.fromkeys(domains)),
        link_mismatches=view.link_mismatches,
        attachment_types=tuple(kind for kind in kinds if kind.isascii() and kind.isalnum() and len(kind) <= 8),
    )


class _Hide:
    """Replaces what is personal in a text, by rules that are the same for subject and body."""

    def __init__(self, names: Iterable[str], ours: frozenset[str]) -> None:
        self._ours = ours
        self._names = _any_of(names)
        self._our_names = re.compile("|".join(map(re.escape, sorted(ours - {""}))) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        text = _PRIVATE.sub("", text)
        text = _URL.sub(lambda found: self._link(_host(found[0])), text)
        text = _MAIL.sub(_ADDRESS, text)
        text = _BARE_LINK.sub(lambda found: self._link(found[1].lower()), text)
        text = self._our_names.sub(_OURS, text)
        text = _HANDLE.sub(_NAME, text)
        text = _BEFORE_NAMES.sub(_without_capitals, text)
        text = self._names.sub(_NAME, text)
        text = _LONG_CODE.sub(_CODE, text)
        return _PRIVATE.sub(lambda found: _WORDS.get(found[0], ""), _DIGIT.sub("0", text))

    def _link(self, host: str) -> str:
        domain = registrable(host)
        return f"{_LINK}{_OURS if domain in self._ours else domain}{_LINK_END}"

    def domain(self, domain: str) -> str:
        """A domain by itself."""
        return _WORDS[_OURS] if domain in self._ours else domain


def _host(url: str) -> str:
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").strip(".")[:253]
    except ValueError:
        return ""


def _without_capitals(found: re.Match[str]) -> str:
    """Greeting and all, but with the capitalised words behind it replaced, up to the first that is none."""
    before, words = found[0][: found.start(1) - found.start()], found[1].split(" ")
    count = next((at for at, word in enumerate(words) if not word[:1].isupper()), len(words))
    return before + " ".join([_NAME] * min(count, 1) + words[count:])


def _names(raw: bytes, envelope: Sequence[str]) -> set[str]:
    """Words that name people: of display names and local parts, in header and envelope."""
    phrases = [address.rpartition("@")[0] for address in envelope[:MAX_NAMES]]
    end = min(header_end(raw, 0, len(raw)), MAX_HEADER)
    for field in fields(raw, 0, end):
        if field.name.lower() not in _ADDRESS_FIELDS:
            continue
        for entry in addresses(field.value)[:MAX_NAMES]:
            for box in entry.members if isinstance(entry, Group) else (entry,):
                phrases += _phrases(box)
    words = {word.lower() for phrase in phrases for word in _LETTERS.findall(phrase[:300])}
    return set(sorted(words - _NOBODY, key=len, reverse=True)[:MAX_NAMES])


def _phrases(box: Mailbox) -> tuple[str, str]:
    name = decoded(box.name)
    brand = brand_in(name)  # a bank is nobody, and whether mail is its own is what must be judged
    person = re.sub(re.escape(brand), " ", name, flags=re.IGNORECASE) if brand else name
    return person, box.local.decode("utf-8", "replace")


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Any of these words. In scripts that put no spaces between words a name is found inside of others, too."""
    parts = [
        re.escape(name) if _UNSPACED.search(name) else rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])"
        for name in sorted(names, key=len, reverse=True)
    ]
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)
