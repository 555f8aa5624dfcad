"""One command line to one event or one refusal (RFC 5321 §4.1.1, RFC 1870, RFC 6152, RFC 6531, RFC 3030).

Looks at the line alone; whether the command may come now is the engine's table's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from node.base.address import MAX_PATH, Address, AddressError, parse_address
from node.base.reply import Reply
from node.wire.smtp import replies
from node.wire.smtp.events import Data, Hello, Help, Mail, Noop, Quit, Rcpt, Refused, Reset, StartTls, Vrfy
from node.wire.smtp.framing import fatal

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PATH = re.compile(r'<((?:[^"<>\\]|"(?:[^"\\]|\\.)*")*)>(?: +(.*))?\Z', re.DOTALL)
_SOURCE_ROUTE = re.compile(r"@[^:\"<>]+:")  # RFC 5321 appendix C: accepted and ignored
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\u0080-\U0010ffff]+))?\Z")
_DIGITS = re.compile(r"[0-9]{1,20}\Z")
_MAX_HELLO = 255

# Browsers and bots that reach this port, by accident or by cross-protocol forgery.
_FOREIGN = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "HOST:", "CONTENT-TYPE:", "USER-AGENT:"})
_KNOWN_BUT_ABSENT = frozenset({"EXPN", "TURN", "ETRN", "ATRN", "SEND", "SOML", "SAML", "BURL"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: so many octets of content follow the line at once (RFC 3030 §2)."""

    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class AuthStart:
    """AUTH: the mechanism in upper case, and the initial response as sent, undecoded."""

    mechanism: str
    initial: str | None


Command = Hello | Mail | Rcpt | Data | Chunk | AuthStart | Reset | Noop | Quit | Help | Vrfy | StartTls | Refused


@dataclass(frozen=True, slots=True)
class Offer:
    """What this server offers, as far as parsing depends on it.

    Attributes:
        hostname: the server's own name, completes `<Postmaster>`.
        extended: the client said EHLO, so parameters are allowed.
        max_size: octets of content.
        auth: the AUTH= parameter of MAIL is known (RFC 4954 §5).
    """

    hostname: str
    extended: bool
    max_size: int
    auth: bool


class _No(Exception):
    """Ends the parsing of one command with a refusal."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def parse_command(line: bytes, offer: Offer) -> Command:
    """Parse a line without its CRLF. Never raises but for peers that speak another protocol, or lose the framing.

    Raises:
        RemoteProtocolError: HTTP verbs, or BDAT without a size.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Refused(replies.NOT_TEXT)
    verb, _, rest = text.partition(" ")
    verb = verb.upper()
    if verb in _FOREIGN:
        raise fatal(f"foreign protocol: {verb}", replies.FATAL_FOREIGN)
    if _CONTROL.search(text):
        return Refused(replies.NOT_TEXT)
    parser = _PARSERS.get(verb)
    if parser is None:
        return Refused(replies.NOT_IMPLEMENTED if verb in _KNOWN_BUT_ABSENT else replies.UNKNOWN)
    try:
        return parser(rest.strip(" "), offer)
    except _No as no:
        return Refused(no.reply)


def _hello(extended: bool) -> Callable[[str, Offer], Command]:
    def parse(rest: str, _offer: Offer) -> Command:
        if not rest or " " in rest or len(rest) > _MAX_HELLO:
            raise _No(replies.HELLO_NEEDS_NAME)
        return Hello(rest, extended)

    return parse


def _bare(event: Command) -> Callable[[str, Offer], Command]:
    def parse(rest: str, _offer: Offer) -> Command:
        if rest:
            raise _No(replies.NO_ARGUMENTS)
        return event

    return parse


def _mail(rest: str, offer: Offer) -> Command:
    path, parameters = _path(rest, "FROM:", offer)
    size: int | None = None
    body = "7BIT"
    smtputf8 = False
    for name, value in parameters.items():
        if name == "SIZE":
            size = _size(value, offer)
        elif name == "BODY":
            body = _body(value)
        elif name == "SMTPUTF8" and value is None:
            smtputf8 = True
        elif name != "AUTH" or not offer.auth:  # RFC 4954 §5: whom the client vouches for; we trust our own AUTH only
            raise _No(replies.UNKNOWN_PARAMETER)
    sender = _address(path) if path else None
    if not smtputf8 and not rest.isascii():
        raise _No(replies.NEEDS_SMTPUTF8)  # RFC 6531 §3.5
    return Mail(sender, size, body, smtputf8)


def _rcpt(rest: str, offer: Offer) -> Command:
    path, parameters = _path(rest, "TO:", offer)
    if parameters:
        raise _No(replies.UNKNOWN_PARAMETER)
    if path.lower() == "postmaster":
        return Rcpt(Address(path, offer.hostname))
    if not path:
        raise _No(Reply(501, "5.1.3", "A recipient is needed"))
    return Rcpt(_address(path))


def _path(rest: str, keyword: str, offer: Offer) -> tuple[str, dict[str, str | None]]:
    if rest[: len(keyword)].upper() != keyword:
        raise _No(Reply(501, "5.5.4", f"Syntax: {keyword}<address>"))
    # A space after the colon is wrong (RFC 5321 §3.3) and common.
    found = _PATH.match(rest[len(keyword) :].lstrip(" "))
    if not found:
        raise _No(Reply(501, "5.5.4", f"Syntax: {keyword}<address>"))
    path = found[1]
    if path.startswith("@"):
        path = _SOURCE_ROUTE.sub("", path, count=1)
    return path, _parameters(found[2], offer)


def _parameters(text: str | None, offer: Offer) -> dict[str, str | None]:
    if not text:
        return {}
    if not offer.extended:
        raise _No(replies.UNKNOWN_PARAMETER)
    result: dict[str, str | None] = {}
    for word in text.split():
        found = _PARAMETER.match(word)
        if not found or found[1].upper() in result:
            raise _No(replies.BAD_PARAMETER)
        result[found[1].upper()] = found[2]
    return result


def _address(path: str) -> Address:
    if len(path.encode()) > MAX_PATH:
        raise _No(Reply(553, "5.1.3", f"Address is longer than {MAX_PATH} octets"))
    try:
        return parse_address(path)
    except AddressError as error:
        raise _No(Reply(553, "5.1.3", str(error))) from None


def _size(value: str | None, offer: Offer) -> int:
    if value is None or not _DIGITS.match(value):
        raise _No(replies.BAD_PARAMETER)
    size = int(value)
    if size > offer.max_size:
        raise _No(replies.TOO_BIG)  # RFC 1870 §6.1
    return size


def _body(value: str | None) -> str:
    body = (value or "").upper()
    if body not in {"7BIT", "8BITMIME"}:
        raise _No(replies.BAD_PARAMETER)
    return body


def _bdat(rest: str, _offer: Offer) -> Command:
    size, _, last = rest.partition(" ")
    if not _DIGITS.match(size) or last.strip().upper() not in {"", "LAST"}:
        raise fatal("BDAT without a size", replies.FATAL_CHUNK)
    return Chunk(int(size), bool(last))


def _auth(rest: str, _offer: Offer) -> Command:
    words = rest.split()
    if len(words) not in {1, 2}:
        raise _No(replies.BAD_ARGUMENTS)
    return AuthStart(words[0].upper(), words[1] if len(words) == 2 else None)


def _vrfy(rest: str, _offer: Offer) -> Command:
    if not rest:
        raise _No(replies.BAD_ARGUMENTS)
    return Vrfy(rest)


_PARSERS: Mapping[str, Callable[[str, Offer], Command]] = {
    "EHLO": _hello(extended=True),
    "HELO": _hello(extended=False),
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _bare(Data()),
    "BDAT": _bdat,
    "RSET": _bare(Reset()),
    "QUIT": _bare(Quit()),
    "NOOP": lambda _rest, _offer: Noop(),
    "HELP": lambda _rest, _offer: Help(),
    "VRFY": _vrfy,
    "STARTTLS": _bare(StartTls()),
    "AUTH": _auth,
}
