"""SASL with an access token: OAUTHBEARER (RFC 7628), and XOAUTH2, Google's mechanism before it. The server's side.

OAUTHBEARER   n,a=ann@example.org,^Ahost=mail.example.org^Aport=993^Aauth=Bearer TOKEN^A^A
XOAUTH2       user=ann@example.org^Aauth=Bearer TOKEN^A^A
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

OAUTHBEARER = "OAUTHBEARER"
XOAUTH2 = "XOAUTH2"
MECHANISMS = (OAUTHBEARER, XOAUTH2)
MAX_MESSAGE = 8192  # octets

_NAME = r"(?:[^\x00,=]|=2C|=3D)*"  # saslname: comma and equals sign are written as =2C and =3D
# RFC 7628 §3.1: gs2-header, then key=value pairs, each with ^A before it, and one more ^A at the end.
_BEARER = re.compile(
    rf"(?P<flag>n|y|p=[^,]*),(?:a=(?P<name>{_NAME}))?,\x01(?P<pairs>(?:[A-Za-z]+=[^\x00\x01]*\x01)*)\x01\Z"
)
_XOAUTH2 = re.compile(r"(?P<pairs>(?:[A-Za-z]+=[^\x00\x01]*\x01)+)\x01\Z")
_TOKEN = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)\Z", re.IGNORECASE)  # RFC 6750 §2.1


class SaslError(ValueError):
    """The message is none of the mechanism's."""


@dataclass(frozen=True, slots=True)
class BearerLogin:
    """What the client sent.

    Attributes:
        username: the mailbox it wants, "" when it leaves that to the token.
    """

    username: str
    token: str = field(repr=False)


def read(mechanism: str, message: bytes) -> BearerLogin:
    """Take the client's message apart.

    Raises:
        SaslError: with what is wrong with it.
    """
    if len(message) > MAX_MESSAGE:
        raise SaslError("the message is too long")
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("the message is not UTF-8") from None
    found = (_BEARER if mechanism == OAUTHBEARER else _XOAUTH2).match(text)
    if found is None:
        raise SaslError(f"this is no message of {mechanism}")
    pairs = [pair.partition("=")[::2] for pair in found["pairs"].split("\x01")[:-1]]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise SaslError("a key is given twice")
    token = _TOKEN.match(values.get("auth", ""))
    if token is None:
        raise SaslError("auth has to be: Bearer, a space, and the access token")
    if mechanism == XOAUTH2:
        return BearerLogin(values.get("user", ""), token[1])
    if found["flag"].startswith("p="):  # channel binding belongs to another mechanism (RFC 5801 §5)
        raise SaslError("OAUTHBEARER binds no channel")
    return BearerLogin((found["name"] or "").replace("=2C", ",").replace("=3D", "="), token[1])


def challenge(status: str, scopes: str, configuration: str) -> bytes:
    """Why the token was not taken, for the client (RFC 7628 §3.2.2).

    Args:
        status: "invalid_token" or "insufficient_scope" (RFC 6750 §3.1).
        scopes: what a token would need here.
        configuration: address of the OpenID configuration.
    """
    content = {"status": status, "schemes": "bearer", "scope": scopes, "openid-configuration": configuration}
    return json.dumps(content, separators=(",", ":")).encode("ascii")
