"""Where an answer may be sent: redirect URIs compared as text, but for the port of a loopback address.

Everything lenient here has been an attack: prefixes, wildcards, user information, other ways to write a host
(RFC 9700 §4.1). So a URI is taken apart by one strict expression, and what does not fit is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlencode

MAX_LENGTH = 512  # characters

_REST = r"(?P<path>/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?(?P<query>\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*)?\Z"
# RFC 8252 §7.3. "localhost" is taken as well: §8.3 advises against it, and clients in wide use have it.
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[0-9]{1,5}))?" + _REST)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HTTPS = re.compile(rf"https://(?P<host>(?:{_LABEL}\.)+(?![0-9]){_LABEL})(?::(?P<port>[0-9]{{1,5}}))?" + _REST)
# RFC 8252 §7.1: a private-use scheme is a reversed domain name, so it has a dot: no javascript:, data: or file:.
_PRIVATE = re.compile(r"(?P<scheme>[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+):(?=/)(?://[a-z0-9.-]+)?" + _REST)


def check(uri: str) -> str:
    """What is wrong with a redirect URI that a client wants to register; "" when nothing is."""
    if len(uri) > MAX_LENGTH:
        return f"a redirect URI may have {MAX_LENGTH} characters"
    if not (_match(_LOOPBACK, uri) or _match(_HTTPS, uri) or _PRIVATE.match(uri)):
        return (
            "a redirect URI is https://host/path, http://127.0.0.1/path (any port), or reversed.domain.name:/path; "
            "no fragment, no user name"
        )
    return ""


def is_allowed(asked: str, registered: Iterable[str]) -> bool:
    """True when the answer may go there: the very text that was registered, on loopback with any port."""
    if len(asked) > MAX_LENGTH:
        return False
    mine = _without_port(asked)
    return any(asked == uri or (mine is not None and mine == _without_port(uri)) for uri in registered)


def is_loopback(uri: str) -> bool:
    """True for a program on the person's own computer."""
    return _match(_LOOPBACK, uri) is not None


def place(uri: str) -> str:
    """Whom people are told about: a host, or a private scheme; "" for their own computer."""
    if is_loopback(uri):
        return ""
    found = _match(_HTTPS, uri)
    return found["host"] if found else uri.partition(":")[0]


def form_target(uri: str) -> str:
    """The source expression that lets a form's answer lead there, for `form-action` (CSP Level 3 §2.3.1)."""
    if found := _match(_LOOPBACK, uri):
        if found["host"] == "[::1]":  # the grammar has no IPv6 addresses
            return "http:"
        return f"http://{found['host']}" + (f":{found['port']}" if found["port"] else "")
    if found := _match(_HTTPS, uri):
        return f"https://{found['host']}" + (f":{found['port']}" if found["port"] else "")
    return uri.partition(":")[0] + ":"


def answer(uri: str, parameters: dict[str, str]) -> str:
    """The URI with an answer in its query (RFC 6749 §4.1.2); empty values are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    return uri + ("&" if "?" in uri else "?") + query


def _match(pattern: re.Pattern[str], uri: str) -> re.Match[str] | None:
    found = pattern.match(uri)
    if found is None or (found["port"] and int(found["port"]) > 65535):
        return None
    return found


def _without_port(uri: str) -> tuple[str, str, str] | None:
    """Host, path and query of a loopback address; an empty path is "/" (RFC 3986 §6.2.3)."""
    found = _match(_LOOPBACK, uri)
    return (found["host"], found["path"] or "/", found["query"] or "") if found else None
