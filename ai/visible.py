"""What a reader sees of an HTML part: visible text, links with their words, and how much was hidden from the eye."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

MAX_LINKS = 60
_HREF = re.compile(r"(?i)\bhref\s{0,4}=\s{0,4}(\"[^\"]*|'[^']*|[^\s\"'>]+)")
_STYLE = re.compile(r"(?i)\bstyle\s{0,4}=\s{0,4}(\"[^\"]*|'[^']*)")
_HIDING = re.compile(
    r"(?i)display\s{0,4}:\s{0,4}none|visibility\s{0,4}:\s{0,4}hidden|font-size\s{0,4}:\s{0,4}[01](?:px|pt|em|%)?\s{0,4}(?:[;!]|$)|"
    r"opacity\s{0,4}:\s{0,4}0(?:\.0\d?)?\s{0,4}(?:[;!]|$)|max-height\s{0,4}:\s{0,4}0|mso-hide\s{0,4}:\s{0,4}all"
)
_PADDING = re.compile(r"\W+")  # newsletters pad their hidden preview line with blanks: no text is hidden there
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_HIDDEN_ATTRIBUTE = re.compile(r"(?i)\shidden(?:[\s=/]|$)")
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]{0,15}")
_UNREAD = frozenset(("script", "style", "title", "head", "noscript", "template", "textarea", "select"))
_VOID = frozenset(
    ("img", "br", "hr", "input", "meta", "link", "area", "base", "col", "wbr", "source", "embed", "track")
)
_INLINE = frozenset(
    ("b", "i", "u", "em", "strong", "span", "font", "small", "sub", "sup", "wbr", "s", "big", "tt", "code")
)


@dataclass(frozen=True, slots=True)
class Visible:
    """Visible characters; links as (target, words); letters hidden by style; images; form fields."""

    text: str
    links: tuple[tuple[str, str], ...]
    hidden: int
    images: int
    inputs: int


@dataclass(slots=True)
class _Reader:
    """State of one pass over the tags; every character is looked at once, so that no markup costs quadratic time."""

    words: list[str] = field(default_factory=list)
    hidden_words: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    images: int = 0
    inputs: int = 0
    target: str = ""
    anchor: list[str] = field(default_factory=list)
    unread: str = ""  # the element whose content is not text (script, style ...)
    veil: str = ""  # the element that hides its content
    veil_depth: int = 0

    def text(self, characters: str) -> None:
        if self.unread or not characters:
            return
        if self.veil:
            self.hidden_words.append(characters)
            return
        self.words.append(characters)
        if self.target:
            self.anchor.append(characters)

    def tag(self, tag: str) -> None:
        match = _NAME.match(tag)
        if not match:
            return
        name = match[0].lower()
        if self.unread:
            # A head that is never closed ends where the body begins, as in a browser.
            if name == "/" + self.unread or (self.unread == "head" and name == "body"):
                self.unread = ""
            return
        if name.startswith("/"):
            self._close(name[1:])
        else:
            self._open(name, tag)
        if name.lstrip("/") not in _INLINE:
            self.text("\n")

    def _open(self, name: str, tag: str) -> None:
        if name in _UNREAD:
            self.unread = name
        elif name == "a":
            self._end_link()
            found = _HREF.search(tag)
            self.target = html_unescape(found[1].strip("\"' ")) if found else ""
        self.images += name == "img"
        self.inputs += name in ("input", "form")
        if name == self.veil:
            self.veil_depth += 1
        elif not self.veil and name not in _VOID and name != "body" and _hides(tag):
            self.veil, self.veil_depth = name, 1

    def _close(self, name: str) -> None:
        if name == "a":
            self._end_link()
        if name == self.veil:
            self.veil_depth -= 1
            self.veil = self.veil if self.veil_depth else ""

    def _end_link(self) -> None:
        if self.target and len(self.links) < MAX_LINKS:
            self.links.append((self.target[:2000], html_unescape("".join(self.anchor)[:400])))
        self.target = ""
        self.anchor.clear()


def read_html(markup: str) -> Visible:
    """Read HTML as a person sees it. Linear in the length of the markup; never raises."""
    reader = _Reader()
    first, *pieces = markup.split("<")
    reader.text(first)
    comment = False
    for piece in pieces:
        if comment or piece.startswith("!--"):
            _, ended, rest = piece.partition("-->")
            comment = not ended
            reader.text(rest)
            continue
        tag, closed, rest = piece.partition(">")
        if not closed:
            reader.text("<" + piece)  # "a < b", or cut off
            continue
        reader.tag(tag[:4000])
        reader.text(rest)
    reader._end_link()
    words, hidden = "".join(reader.words), "".join(reader.hidden_words)
    if not words.strip():  # everything sits in a hidden element: then that is what there is to judge
        words = hidden
    return Visible(
        html_unescape(words),
        tuple(reader.links),
        len(_PADDING.sub("", html_unescape(hidden))),
        reader.images,
        reader.inputs,
    )


def _hides(tag: str) -> bool:
    if "hidden" in tag and _HIDDEN_ATTRIBUTE.search(_QUOTED.sub("", tag)):  # not the style "overflow: hidden"
        return True
    style = _STYLE.search(tag)
    return bool(style and _HIDING.search(style[1]))


def html_unescape(text: str) -> str:
    """``html.unescape`` that survives a character reference of thousands of digits."""
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:  # CPython refuses to convert very long numbers
        return text
