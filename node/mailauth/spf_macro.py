"""SPF macros (RFC 7208 §7): a macro-string read once, expanded for each message. No I/O.

Whatever the text, `parse_macros` gives pieces or raises `SpfSyntaxError`, in time that grows with its length alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias
from urllib.parse import quote

MAX_NAME = 253  # octets of a name in text (RFC 7208 §7.3)
MAX_PARTS = 128  # right-hand parts that are told apart; no name has more labels
LETTERS, LETTERS_OF_TEXT = "slodiphv", "crt"

_MACRO = re.compile(r"%\{([a-zA-Z])([0-9]*)([rR]?)([.\-+,/_=]*)\}")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_LITERAL_OF_TEXT = re.compile(r"[\x20-\x24\x26-\x7e]+")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}  # RFC 7208 §7.2
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")


class SpfSyntaxError(ValueError):
    """The record breaks the grammar; the message quotes what is wrong with it."""


class Unspeakable(Exception):
    """A local part beyond ASCII was to become part of a name: the term matches nothing (RFC 8616 §4)."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{...}`.

    Attributes:
        letter: lower case.
        parts: right-hand parts to keep, 0 for all.
        reverse: reverse the parts first.
        delimiters: where the value is split.
        escape: URL-escape the outcome (the letter was upper case).
    """

    letter: str
    parts: int = 0
    reverse: bool = False
    delimiters: str = "."
    escape: bool = False


MacroString: TypeAlias = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """What the letters stand for (RFC 7208 §7.2).

    Attributes:
        ip: of the client; an IPv4 address mapped into IPv6 has been unmapped.
        sender: local part and domain; never without a local part.
        domain: the one whose record is being evaluated.
        helo: the client's own name; hostile text.
        validated: the client's validated name, or "unknown" (letter p).
        receiver: this host.
        time: unix seconds.
    """

    ip: IPv4Address | IPv6Address
    sender: tuple[str, str]
    domain: str
    helo: str
    validated: str = "unknown"
    receiver: str = "unknown"
    time: int = 0

    def of(self, letter: str) -> str:
        """The value of one lower-case letter."""
        local, domain = self.sender
        return {
            "s": f"{local}@{domain}",
            "l": local,
            "o": domain,
            "d": self.domain,
            "i": _dotted(self.ip),
            "p": self.validated,
            "v": "in-addr" if self.ip.version == 4 else "ip6",
            "h": self.helo,
            "c": str(self.ip),
            "r": self.receiver,
            "t": str(self.time),
        }[letter]


def _dotted(ip: IPv4Address | IPv6Address) -> str:
    """An address as the macro i has it: dots between the octets, or between the nibbles of IPv6."""
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032X}")


def parse_macros(text: str, *, letters: str = LETTERS, spaces: bool = False) -> MacroString:
    """Read a macro-string (RFC 7208 §7.1), or with `spaces` an explain-string.

    Raises:
        SpfSyntaxError: a "%" that starts no macro, a letter out of place, or a character that is not visible ASCII.
    """
    literal = _LITERAL_OF_TEXT if spaces else _LITERAL
    pieces: list[str | Macro] = []
    at = 0
    while at < len(text):
        if found := literal.match(text, at):
            pieces.append(found[0])
            at = found.end()
        elif (escape := text[at : at + 2]) in _ESCAPES:
            pieces.append(_ESCAPES[escape])
            at += 2
        elif found := _MACRO.match(text, at):
            pieces.append(_macro(found, letters))
            at = found.end()
        else:
            raise SpfSyntaxError(f"no macro: {text[at : at + 20]!r}")
    return tuple(pieces)


def _macro(found: re.Match[str], letters: str) -> Macro:
    letter, digits, reverse, delimiters = found.groups()
    if letter.lower() not in letters:
        raise SpfSyntaxError(f"the macro {found[0][:20]!r} is not allowed here")
    significant = digits.lstrip("0")
    if digits and not significant:
        raise SpfSyntaxError(f"zero parts in {found[0][:20]!r}")  # RFC 7208 §7.3: "MUST be nonzero"
    parts = min(MAX_PARTS, int(significant[:4] or "0"))
    return Macro(letter.lower(), parts, bool(reverse), delimiters or ".", letter.isupper())


def parse_domain_spec(text: str) -> MacroString:
    """Read a domain-spec: a macro-string that ends in a macro, or in a dot and a top label (RFC 7208 §7.1).

    Raises:
        SpfSyntaxError: for anything else.
    """
    pieces = parse_macros(text)
    if not pieces:
        raise SpfSyntaxError("an empty domain")
    last = pieces[-1]
    if isinstance(last, Macro) or last in _ESCAPES.values():
        return pieces
    _, dot, top = last.removesuffix(".").rpartition(".")
    if not dot or not _LABEL.match(top) or top.isdigit():
        hint = "; an address needs ip4: or ip6:" if top.isdigit() else ""
        raise SpfSyntaxError(f"{text[-60:]!r} ends in no top-level domain{hint}")
    return pieces


def uses(pieces: MacroString, letter: str) -> bool:
    """Whether a macro of this letter occurs."""
    return any(isinstance(piece, Macro) and piece.letter == letter for piece in pieces)


def expand(pieces: MacroString, values: Values) -> str:
    """The text with its macros replaced.

    Raises:
        Unspeakable: a letter s or l stands for a local part beyond ASCII.
    """
    return "".join(piece if isinstance(piece, str) else _expanded(piece, values) for piece in pieces)


def _expanded(macro: Macro, values: Values) -> str:
    if macro.letter in "sl" and not values.sender[0].isascii():
        raise Unspeakable(f"the local part of %{{{macro.letter}}} is not ASCII")
    value = values.of(macro.letter)
    parts = re.split(f"[{re.escape(macro.delimiters)}]", value)
    if macro.reverse:
        parts.reverse()
    text = ".".join(parts[-macro.parts :] if macro.parts else parts)
    return quote(text, safe="") if macro.escape else text  # quote() leaves RFC 3986's unreserved set


def expand_name(pieces: MacroString, values: Values) -> str:
    """The target-name: expanded, without its last dot, cut from the left by whole labels to 253 octets (§7.3).

    Raises:
        Unspeakable: as `expand`.
    """
    name = expand(pieces, values).removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name
