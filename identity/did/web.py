"""did:web: from a DID to the address of its document, and back (W3C CCG, did:web method specification)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from identity.did.syntax import Did
from identity.refusal import Reason, Refusal

MAX_PATH = 512  # characters
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?P<host>{_LABEL}(?:\.{_LABEL})+)(?:%3[Aa](?P<port>[1-9][0-9]{{0,4}}))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document lies: `https://host:port/path`; the path starts with a slash and is percent-encoded."""

    host: str
    port: int
    path: str


def place(did: Did) -> Place | Refusal:
    """Where the document of a did:web lies. Addresses instead of names are refused, and paths that climb."""
    head, *segments = did.id.split(":")
    match = _HOST.match(head)
    if match is None or len(match["host"]) > 253 or _is_address(match["host"]):
        return Refusal(Reason.MALFORMED, "a did:web names a host in lower case, with a dot in it, and no IP address")
    port = int(match["port"] or 443)
    if port > 65535:
        return Refusal(Reason.MALFORMED, "there is no such port")
    for segment in segments:
        plain = unquote(segment)
        if plain in ("", ".", "..") or not plain.isprintable() or "/" in plain or "\\" in plain:
            return Refusal(Reason.MALFORMED, "the path of this did:web leads elsewhere")
    path = "/".join(["", *segments, "did.json"]) if segments else "/.well-known/did.json"
    if len(path) > MAX_PATH:
        return Refusal(Reason.TOO_LONG, f"the path of this did:web has more than {MAX_PATH} characters")
    return Place(match["host"], port, path)


def _is_address(host: str) -> bool:
    """True for what some resolvers take for an IPv4 address, odd spellings included: 127.1, 0x7f.1."""
    last = host.rpartition(".")[2]
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def write(host: str, *segments: str) -> Did:
    """The did:web of a host (A-labels, no port) and a path."""
    quoted = (quote(segment, safe="").replace("~", "%7E") for segment in segments)  # a DID has no "~"
    return Did("web", ":".join([host, *quoted]))
