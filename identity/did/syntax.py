"""DIDs and DID URLs as values (W3C DID Core 1.0 §3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from identity.refusal import Reason, Refusal

MAX_LENGTH = 2048  # characters of a DID URL; a did:jwk with a P-256 key has about 230

_IDCHAR = r"(?:[A-Za-z0-9.\-_]|%[0-9A-Fa-f]{2})"
_DID = rf"did:(?P<method>[a-z0-9]{{1,32}}):(?P<id>(?:{_IDCHAR}*:)*{_IDCHAR}+)"
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    rf"(?P<did>{_DID})(?P<path>(?:/{_PCHAR}*)*)(?:\?(?P<query>(?:{_PCHAR}|[/?])*))?(?:#(?P<fragment>(?:{_PCHAR}|[/?])*))?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Did:
    """One DID.

    Attributes:
        method: "key", "web" and so on.
        id: the method-specific part, as it was written.
    """

    method: str
    id: str

    def __str__(self) -> str:
        return f"did:{self.method}:{self.id}"


@dataclass(frozen=True, slots=True)
class DidUrl:
    """A DID and what stands behind it; `query` and `fragment` are None where absent, which differs from empty."""

    did: Did
    path: str = ""
    query: str | None = None
    fragment: str | None = None

    def __str__(self) -> str:
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{self.did}{self.path}{query}{fragment}"


def parse_url(text: str) -> DidUrl | Refusal:
    """Read a DID URL (§3.2)."""
    if len(text) > MAX_LENGTH:
        return Refusal(Reason.TOO_LONG, f"the DID is longer than {MAX_LENGTH} characters")
    match = _URL.match(text)
    if match is None:
        return Refusal(
            Reason.MALFORMED, f"{text[:40]!r} is no DID: it looks like did:key:z6Mk... or did:web:example.org"
        )
    return DidUrl(Did(match["method"], match["id"]), match["path"], match["query"], match["fragment"])


def parse(text: str) -> Did | Refusal:
    """Read a DID, with nothing behind it (§3.1)."""
    url = parse_url(text)
    if isinstance(url, Refusal):
        return url
    if url != DidUrl(url.did):
        return Refusal(Reason.MALFORMED, "this is a DID URL; write the DID alone, without path, query or fragment")
    return url.did
