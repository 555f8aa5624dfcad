"""Address fields as senders really write them: a tolerant reader of RFC 5322 §3.4 with its obsolete forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

# Said in place of what an address lacks; the words are Dovecot's, which clients have learnt to know. An empty or NIL
# host would mean a group (RFC 3501 §7.4.2).
MISSING_LOCAL = b"MISSING_MAILBOX"
MISSING_DOMAIN = b"MISSING_DOMAIN"

MAX_ENTRIES = 4096  # of one field; what stands behind them is not looked at

_ATOM = rb'[^\\"<>@,;:()\[\] \t\r\n]+'
# Most fields hold one mailbox in one of these two shapes.
_NAMED = re.compile(rb'[ \t]*(?:"([^"\\]*)"[ \t]*|([^\\"<>@,;:()\[\]]*))<(%b)@(%b)>[ \t]*\Z' % (_ATOM, _ATOM))
_BARE = re.compile(rb"[ \t]*(%b)@(%b)[ \t]*\Z" % (_ATOM, _ATOM))

_TOKEN = re.compile(
    rb"(?P<gap>[ \t\r\n]+)"
    rb"|(?P<encoded>=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)"  # may hold commas and colons, though RFC 2047 §5 forbids them
    rb'|"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"?'
    rb"|(?P<mark>[,;:<>@])"
    rb"|(?P<comment>\()"
    rb"|(?P<literal>\[[^\[\]\\]*\]?)"
    rb'|(?P<atom>[^\s",;:<>@(\[]+)',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"[()]|\\.", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address. All octets are raw: quoting removed, encoded words left as they are.

    Attributes:
        name: the display name, or the comment that stood for it in old mail; b"" without one.
        route: an obsolete source route such as b"@a,@b" (RFC 5322 §4.4), b"" without one.
        local, domain: never empty; see MISSING_LOCAL and MISSING_DOMAIN.
    """

    name: bytes
    route: bytes
    local: bytes
    domain: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """A named group; often an empty one, as in `undisclosed-recipients:;`."""

    name: bytes
    members: tuple[Mailbox, ...]


Entry: TypeAlias = Mailbox | Group


class _Token(NamedTuple):
    kind: str
    text: bytes
    gap: bool  # white space or a comment stood before it


def addresses(value: bytes) -> list[Entry]:
    """Read an unfolded address field. Never fails; what cannot be an address is given with its lack named."""
    simple = _NAMED.match(value)
    if simple:
        quoted, name, local, domain = simple.groups()
        return [Mailbox(b" ".join(name.split()) if quoted is None else quoted, b"", local, domain)]
    simple = _BARE.match(value)
    if simple:
        return [Mailbox(b"", b"", simple[1], simple[2])]
    return _entries(_chunks(_tokens(value)))


def _tokens(value: bytes) -> Iterator[_Token]:
    at, gap = 0, False
    while at < len(value):
        match = _TOKEN.match(value, at)
        if match is None or match.end() == at:  # a lone ) or ] or such
            yield _Token("atom", value[at : at + 1], gap)
            at, gap = at + 1, False
            continue
        kind = match.lastgroup or "quoted"
        if kind == "gap":
            at, gap = match.end(), True
            continue
        if kind == "comment":
            at, text = _comment(value, at)
            yield _Token(kind, text, gap)
            gap = True
            continue
        text = match[kind]
        if kind == "quoted" and b"\\" in text:
            text = _QUOTED_PAIR.sub(rb"\1", text)
        yield _Token(kind, text, gap)
        at, gap = match.end(), False


def _comment(value: bytes, start: int) -> tuple[int, bytes]:
    """Where the comment that opens at `start` ends, and its text; one left open takes the rest."""
    depth = 0
    for match in _COMMENT_MARK.finditer(value, start):
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if not depth:
                return match.end(), _QUOTED_PAIR.sub(rb"\1", value[start + 1 : match.start()]).strip()
    return len(value), value[start + 1 :].strip()


def _chunks(tokens: Iterator[_Token]) -> Iterator[tuple[list[_Token], bytes]]:
    """Cut the tokens at the commas, colons and semicolons that stand outside of < and >; give each cut's mark."""
    chunk: list[_Token] = []
    inside = route = False
    for token in tokens:
        mark = token.text if token.kind == "mark" else b""
        if mark == b"<" and not inside:
            inside, route = True, False
        elif mark == b">":
            inside = False
        elif mark == b"@" and inside and chunk[-1].text == b"<" and chunk[-1].kind == "mark":
            route = True
        elif mark in (b",", b";", b":") and not (inside and (route or mark == b":")):
            # A comma ends even a mailbox whose > is missing, so that one slip does not hide those behind it.
            inside = False
            yield chunk, mark
            chunk = []
            continue
        chunk.append(token)
    yield chunk, b""


def _entries(chunks: Iterator[tuple[list[_Token], bytes]]) -> list[Entry]:
    found: list[Entry] = []
    group: bytes | None = None
    members: list[Mailbox] = []
    held: list[_Token] = []  # words before a colon that opens no group
    for chunk, mark in chunks:
        if mark == b":":
            if group is None:
                group = _phrase(chunk)
            else:
                held += [*chunk, _Token("atom", b":", gap=False)]
            continue
        mailbox = _mailbox(held + chunk)
        held = []
        if mailbox is not None:
            (found if group is None else members).append(mailbox)
        if group is not None and mark in (b";", b""):
            found.append(Group(group, tuple(members)))
            group, members = None, []
        if len(found) + len(members) >= MAX_ENTRIES:
            break
    return found if group is None else [*found, Group(group, tuple(members))]


def _mailbox(chunk: list[_Token]) -> Mailbox | None:
    marks = [token.text if token.kind == "mark" else b"" for token in chunk]
    if b"<" in marks:
        opening = marks.index(b"<")
        closing = marks.index(b">", opening) if b">" in marks[opening:] else len(chunk)
        name = _phrase(chunk[:opening]) or _phrase(chunk[closing + 1 :]) or _last_comment(chunk)
        return _addr_spec(name, _words(chunk[opening + 1 : closing]))
    words = _words(chunk)
    if not words:
        return None  # nothing, or a remark alone
    if not any(token.text == b"@" and token.kind == "mark" for token in words):
        if len(words) > 1 and any(token.gap for token in words[1:]):
            return Mailbox(_phrase(words), b"", MISSING_LOCAL, MISSING_DOMAIN)
        return _addr_spec(_last_comment(chunk), words)
    start = max(place for place, token in enumerate(words) if token.text == b"@" and token.kind == "mark") - 1
    while start > 0 and _continues(words[start - 1], words[start]):
        start -= 1
    return _addr_spec(_phrase(words[: max(start, 0)]) or _last_comment(chunk), words[max(start, 0) :])


def _continues(left: _Token, right: _Token) -> bool:
    """True when two words belong to one local part: side by side, or around a dot as the old syntax allows."""
    return not right.gap or left.text.endswith(b".") or right.text.startswith(b".")


def _addr_spec(name: bytes, words: Sequence[_Token]) -> Mailbox | None:
    route = b""
    if words and words[0].kind == "mark" and words[0].text == b"@":
        colons = [place for place, token in enumerate(words) if token.kind == "mark" and token.text == b":"]
        if colons:
            route = b"".join(token.text for token in words[: colons[-1]])
            words = words[colons[-1] + 1 :]
    ats = [place for place, token in enumerate(words) if token.kind == "mark" and token.text == b"@"]
    at = ats[-1] if ats else len(words)
    local = b"".join(token.text for token in words[:at])
    domain = b"".join(token.text for token in words[at + 1 :])
    if not local and not domain and not name:
        return None
    return Mailbox(name, route, local or MISSING_LOCAL, domain or MISSING_DOMAIN)


def _words(tokens: Sequence[_Token]) -> list[_Token]:
    return [token for token in tokens if token.kind != "comment"]


def _phrase(tokens: Sequence[_Token]) -> bytes:
    """Words as one line: a space where there was any white space."""
    words = _words(tokens)
    return b"".join(b" " + token.text if token.gap and place else token.text for place, token in enumerate(words))


def _last_comment(tokens: Sequence[_Token]) -> bytes:
    """The name as mail wrote it before display names: `ann@example.org (Ann)`."""
    return next((token.text for token in reversed(tokens) if token.kind == "comment"), b"")
