"""Dynamic client registration: what a client says of itself, held within bounds (RFC 7591)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity import strict_json
from identity.oauth import redirect
from identity.oauth.fault import Code, Fault

MAX_BODY = 8 * 1024  # octets
MAX_NAME = 64  # characters
MAX_REDIRECTS = 8
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_TYPES = ("authorization_code", "refresh_token", DEVICE_GRANT)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A client to be registered: a public one, which can keep no secret.

    Attributes:
        name: for people; the client chose it, and nobody has checked it.
        redirects: where codes may be sent; empty for clients of the device flow.
    """

    name: str
    redirects: tuple[str, ...]


def read(body: bytes) -> Wanted | Fault:
    """Read a registration request (RFC 7591 §3.1).

    1. JSON within bounds. 2. A public client. 3. Grants we know. 4. A name fit to be shown. 5. Redirect URIs.
    Everything else a client may say of itself (logos, contacts, keys) is passed over, and nothing of it is fetched.
    """
    try:
        said = strict_json.loads(body, MAX_BODY, depth=4)  # 1
    except ValueError as error:
        return _bad(f"the body has to be a JSON object: {error}")
    # 2: left out, the standard's default is a secret; the answer says what it became (RFC 7591 §3.2.1).
    if said.get("token_endpoint_auth_method", "none") != "none":
        return _bad("only public clients are registered: token_endpoint_auth_method has to be none")
    if (wrong := _check_types(said)) is not None:  # 3
        return wrong
    name = _name(said.get("client_name", ""))  # 4
    if name is None:
        return _bad(f"client_name has 1 to {MAX_NAME} printable characters")
    redirects = _redirects(said.get("redirect_uris", []))  # 5
    if isinstance(redirects, Fault):
        return redirects
    if not redirects and DEVICE_GRANT not in said.get("grant_types", []):
        return Fault(Code.INVALID_REDIRECT_URI, "redirect_uris is needed, but for clients of the device flow")
    return Wanted(name, redirects)


def describe(client_id: str, wanted: Wanted, issued: int) -> dict[str, Any]:
    """The answer (RFC 7591 §3.2.1); `issued` in unix seconds."""
    return {
        "client_id": client_id,
        "client_id_issued_at": issued,
        "client_name": wanted.name,
        "redirect_uris": list(wanted.redirects),
        "token_endpoint_auth_method": "none",
        "grant_types": list(GRANT_TYPES) if wanted.redirects else [DEVICE_GRANT, "refresh_token"],
        "response_types": ["code"] if wanted.redirects else [],
    }


def _bad(words: str) -> Fault:
    return Fault(Code.INVALID_CLIENT_METADATA, words.replace('"', "'").replace("\\", "/"))


def _check_types(said: Mapping[str, Any]) -> Fault | None:
    for name, known in (("grant_types", GRANT_TYPES), ("response_types", ("code",))):
        value = said.get(name, [])
        if not isinstance(value, list) or any(each not in known for each in value):
            return _bad(f"{name} may hold: {', '.join(known)}")
    return None


def _name(value: Any) -> str | None:
    """A name without what could hide or reorder what stands beside it on the consent page."""
    if not isinstance(value, str):
        return None
    name = " ".join(unicodedata.normalize("NFC", value[: 4 * MAX_NAME]).split())
    return name if 0 < len(name) <= MAX_NAME and name.isprintable() else None


def _redirects(value: Any) -> tuple[str, ...] | Fault:
    if not isinstance(value, list) or len(value) > MAX_REDIRECTS:
        return Fault(Code.INVALID_REDIRECT_URI, f"redirect_uris is a list of at most {MAX_REDIRECTS}")
    for uri in value:
        wrong = redirect.check(uri) if isinstance(uri, str) else "a redirect URI is text"
        if wrong:
            return Fault(Code.INVALID_REDIRECT_URI, wrong)
    return tuple(dict.fromkeys(value))
