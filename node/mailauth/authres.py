"""`Authentication-Results`: what this node found out about a message, told to whoever reads it (RFC 8601).

Values in these fields are hostile text: a sender chooses its own address, selector and HELO name. What is written here
cannot end a value, a clause or the field, not even for a reader that cuts at every semicolon; and a field that comes
from outside under our own name is taken away before anybody believes it (§5).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from node.base.address import AddressError, normalize_domain
from node.mail.compose import fold
from node.mail.headers import FIELD
from node.mailauth.result import MethodResult, Result

FIELD_NAME = "Authentication-Results"
MAX_FIELD = 1 << 14  # octets of a field that are read
MAX_RESULTS = 100  # results that are read of one field, or written to it
MAX_PROPERTIES = 20  # likewise of one result
MAX_VALUE = 320  # octets of a value: an address fits (RFC 5321 §4.5.3.1), a line of 998 is never reached
MAX_REMARK = 200  # octets of a comment or reason

# RFC 2045 §5.1 token; beyond ASCII by RFC 8601 §5 and RFC 6532 §3.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~\u00a1-\U0010ffff-]+\Z")
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u00a1-\U0010ffff-]+\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9.\u00a1-\U0010ffff-]+\Z")
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")
_SPOILS = re.compile(r'["\\;]')  # in a quoted string they are lawful; what cuts at them would be fooled
_SPOILS_COMMENT = re.compile(r'["\\;()=]')

_SPACE = re.compile(r"[ \t\r\n]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s;()"])+', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z', re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_NEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[(;]', re.DOTALL)
_OURS = re.compile(rb"^authentication-results[ \t]*:", re.IGNORECASE | re.MULTILINE)
_RESULTS = {str(result): result for result in Result}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AuthResults:
    """One field's content.

    Attributes:
        authserv_id: who says so, as written, unquoted.
        results: in order; none for a field that says `none` (RFC 8601 §2.2, no-result).
    """

    authserv_id: str
    results: tuple[MethodResult, ...] = ()


def field(authserv_id: str, results: Iterable[MethodResult], *, utf8: bool = False) -> bytes:
    """The whole header field, folded, with its line end.

    Args:
        authserv_id: our own name.
        results: what was found, in order; the first 100 are told.
        utf8: the message is an internationalized one (RFC 6532), so that values may stand in UTF-8.
    """
    return fold(FIELD_NAME, words(authserv_id, results, utf8=utf8))


def words(authserv_id: str, results: Iterable[MethodResult], *, utf8: bool = False) -> list[str]:
    """The same cut into words for `node.mail.compose.fold`, for fields that begin otherwise (RFC 8617 §4.1.1)."""
    clauses = [_clause(result, utf8) for result in _first(results, MAX_RESULTS)] or [["none"]]
    made = [f"{_value(authserv_id, utf8)};"]
    for place, clause in enumerate(clauses, start=1):
        if place < len(clauses):
            clause[-1] += ";"
        made += clause
    return made


def parse(value: bytes) -> AuthResults | None:
    """Read a field's raw or unfolded value; None when it does not even name who says so.

    Never raises. Clauses that make no sense, methods of another version and results of no known kind are left out
    (RFC 8601 §2.7.7); what stands behind a slip in a clause is passed over to the next semicolon.
    """
    scanner = _Scanner(value[:MAX_FIELD].decode("utf-8", "replace"))
    scanner.gap()
    ident = scanner.value()
    if not ident:
        return None
    if not scanner.version():
        return None
    found: list[MethodResult] = []
    while scanner.next_clause() and len(found) < MAX_RESULTS:
        result = scanner.result()
        if result is not None:
            found.append(result)
    return AuthResults(ident, tuple(found))


def names(value: bytes, own: Collection[str]) -> bool:
    """True when a field's value claims to come from one of `own` names, however it is spelt.

    A field that cannot be read counts as ours when it holds the name at all: another reader may be less strict.
    """
    text = value[:MAX_FIELD].decode("utf-8", "replace")
    scanner = _Scanner("".join(mark for mark in text if mark.isprintable() or mark in " \t\r\n"))
    pieces = scanner.head()
    if not pieces:
        return any(name.casefold() in text.casefold() for name in own)
    # Cut by folds ("mx.house" " .example"), with a version or without.
    spelt = {_normal(ident) for ident in (pieces[0], "".join(pieces), "".join(pieces[:-1]))}
    return not spelt.isdisjoint(_normal(name) for name in own)


def without_forged(header: bytes, own: Collection[str]) -> bytes:
    """A header block without the Authentication-Results that claim to be ours (RFC 8601 §5).

    Args:
        header: whole header fields; the empty line may follow.
        own: our authserv-ids, past ones included.
    """
    if not _OURS.search(header):
        return header
    kept, at = [], 0
    for match in FIELD.finditer(header):
        if match[1].lower() == b"authentication-results" and names(match[2], own):
            kept.append(header[at : match.start()])
            at = match.end()
    return b"".join([*kept, header[at:]])


def _normal(name: str) -> str:
    """Names that mean the same host compare equal: case, last dot, U-labels."""
    try:
        return normalize_domain(name.strip())
    except AddressError:
        return name.strip().casefold().rstrip(".")


def _first(items: Iterable[_T], limit: int) -> list[_T]:
    return [item for item, _ in zip(items, range(limit), strict=False)]


def _clause(found: MethodResult, utf8: bool) -> list[str]:
    made = [f"{_keyword(found.method)}={found.result}"]
    if found.comment:
        made += f"({_plain(found.comment, MAX_REMARK, _SPOILS_COMMENT, utf8)})".split(" ")
    if found.reason:
        made.append(f'reason="{_plain(found.reason, MAX_REMARK, _SPOILS, utf8)}"')
    for name, value in _first(found.properties, MAX_PROPERTIES):
        kind, _, rest = name.partition(".")
        made.append(f"{_keyword(kind)}.{_keyword(rest)}={_value(value, utf8)}")
    return [word for word in made if word]


def _keyword(text: str) -> str:
    if not _KEYWORD.match(text):
        raise ValueError(f"{text[:40]!r} is no keyword of RFC 8601 §2.2")
    return text


def _value(text: str, utf8: bool) -> str:
    """A value, quoted where it must be: a token, an address or a domain stands as it is."""
    text = _cut(text, MAX_VALUE)
    local, at, domain = text.rpartition("@")
    if at and _DOMAIN.match(domain):
        quoted = _QUOTED.match(local)
        local = _plain(_PAIR.sub(r"\1", quoted[1]) if quoted else local, MAX_VALUE, _SPOILS, utf8)
        shown = local if not local or _DOT_ATOM.match(local) else f'"{local}"'
        return f"{shown}@{_host(domain, utf8)}"
    shown = _plain(_host(text, utf8), MAX_VALUE, _SPOILS, utf8)
    return shown if _TOKEN.match(shown) else f'"{shown}"'


def _host(text: str, utf8: bool) -> str:
    """A domain with U-labels as A-labels where the message is not internationalized (RFC 8601 §5)."""
    if text.isascii() or utf8:
        return text
    try:
        return normalize_domain(text)
    except AddressError:
        return _plain(text, MAX_VALUE, _SPOILS, utf8)


def _plain(text: str, limit: int, spoils: re.Pattern[str], utf8: bool) -> str:
    """Text from which everything is gone that could end its place: line ends, control characters, quotes."""
    shown = spoils.sub("?", _cut(text, limit))
    return "".join(mark if mark.isprintable() and (utf8 or mark.isascii()) else "?" for mark in shown)


def _cut(text: str, limit: int) -> str:
    """At most `limit` octets; lone surrogates (octets that were no UTF-8) become question marks."""
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


class _Scanner:
    """Reads along a value; every method moves on or says that it cannot. Lone quotes make it slow, hence MAX_FIELD."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def gap(self) -> str:
        """Pass white space and comments (CFWS); gives the first comment's text."""
        first = ""
        while self._at < len(self._text):
            space = _SPACE.match(self._text, self._at)
            if space:
                self._at = space.end()
            elif self._text[self._at] == "(":
                first = self._comment() or first
            else:
                break
        return first

    def _comment(self) -> str:
        """Pass one comment, nested ones inside; one that is never closed takes the rest."""
        depth, start = 0, self._at
        for match in _COMMENT_MARK.finditer(self._text, start):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if not depth:
                self._at = match.end()
                return _SPACE.sub(" ", _PAIR.sub(r"\1", self._text[start + 1 : match.start()])).strip()
        self._at = len(self._text)
        return _SPACE.sub(" ", self._text[start + 1 :]).strip()

    def value(self) -> str:
        """A token, quoted string or address; "" when none stands here."""
        match = _VALUE.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        quoted = _QUOTED.match(match[0])
        text = _SPACE.sub(" ", match[0].replace("\r\n", "").replace("\n", ""))
        return _PAIR.sub(r"\1", _QUOTED.sub(r"\1", text)) if quoted else text

    def head(self) -> list[str]:
        """Every value before the first semicolon."""
        found: list[str] = []
        self.gap()
        while value := self.value():
            found.append(value)
            self.gap()
        return found

    def version(self) -> bool:
        """Pass the version behind the name; False when it is not 1 (RFC 8601 §2.2)."""
        self.gap()
        number = _NAME.match(self._text, self._at)
        if number is None:
            return True
        self._at = number.end()
        return number[0].strip("0") == "1" if number[0].isdigit() else False

    def next_clause(self) -> bool:
        """Stand behind the next semicolon that is neither quoted nor in a comment; False at the end."""
        while match := _NEXT.search(self._text, self._at):
            self._at = match.start()
            if match[0] == "(":
                self._comment()
                continue
            self._at = match.end()
            if match[0] == ";":
                return True
        return False

    def result(self) -> MethodResult | None:
        """`method=result (comment) reason=value ptype.property=value ...`"""
        self.gap()
        method = self._name()
        self.gap()
        if self._mark("/"):
            self.gap()
            version = self._name()
            self.gap()
            if version != "1":  # a version this reader does not know (RFC 8601 §2.7.7)
                return None
        if not method or not self._mark("="):
            return None
        self.gap()
        result = _RESULTS.get(self._name().lower())
        if result is None:
            return None
        comment = self.gap()
        reason = ""
        properties: list[tuple[str, str]] = []
        while len(properties) < MAX_PROPERTIES and (found := self._property()):
            name, value = found
            if name == "reason":
                reason = value
            elif "." in name:
                properties.append((name, value))
            comment = self.gap() or comment
        return MethodResult(method.lower(), result, tuple(properties), comment, reason)

    def _property(self) -> tuple[str, str] | None:
        name = self._name().lower()
        self.gap()
        if name and self._mark("."):
            self.gap()
            name = f"{name}.{self._name().lower()}"
            self.gap()
        if not name or name.endswith(".") or not self._mark("="):
            return None
        self.gap()
        return name, self.value()

    def _name(self) -> str:
        match = _NAME.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _mark(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        return True
