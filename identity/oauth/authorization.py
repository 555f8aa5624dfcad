"""The authorization request: what a client asks a browser to bring (OAuth 2.1 §4.1.1, OpenID Connect Core §3.1.2.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from identity.oauth import pkce, scope
from identity.oauth.fault import Code, Fault

MAX_VALUE = 1024  # characters of one parameter
MAX_QUERY = 2800  # characters of them all: the whole must fit a cookie while a person logs in
FRESH_SECONDS = 300  # a login so long ago still counts for prompt=login

_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_PRINTABLE = re.compile(r"[\x20-\x7e]*\Z")  # RFC 6749 appendix A: VSCHAR
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})

Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Who asks and where the answer goes; until both are known to be right, nothing is sent anywhere."""

    client_id: str
    redirect_uri: str
    state: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that can be put before a person.

    Attributes:
        scopes: of `scope.SCOPES`.
        challenge: PKCE, S256.
        nonce: for the id_token, "" when none was sent.
        max_age: seconds since the person logged in, at most; None for any.
        silent: an answer is wanted without asking anybody (prompt=none).
    """

    target: Target
    scopes: frozenset[str]
    challenge: str
    nonce: str
    max_age: int | None
    silent: bool

    @property
    def digest(self) -> str:
        """Names this very request: consent to it is consent to nothing else."""
        parts = (
            *(self.target.client_id, self.target.redirect_uri, self.target.state),
            *(scope.write(self.scopes), self.challenge, self.nonce),
        )
        mac = hashlib.sha256()
        for part in parts:  # each with its length, so that no two splits of the same text meet
            octets = part.encode()
            mac.update(len(octets).to_bytes(4, "big") + octets)
        return mac.hexdigest()


def single(sent: Parameters, limit: int = MAX_VALUE) -> dict[str, str] | Fault:
    """Each parameter once and short (RFC 6749 §3.1): of two values, two readers might each believe another."""
    for name, values in sent.items():
        if len(values) > 1:
            return Fault(Code.INVALID_REQUEST, f"{name[:40]!a} is given twice".replace('"', "").replace("\\", "/"))
        if len(values[0]) > limit or not _PRINTABLE.match(values[0]):
            return Fault(Code.INVALID_REQUEST, f"a parameter has at most {limit} printable characters of ASCII")
    # A parameter without a value is as one that was not sent (RFC 6749 §3.1).
    return {name: values[0] for name, values in sent.items() if values and values[0]}


def read_target(values: Mapping[str, str]) -> Target | Fault:
    """The part that has to be right before an error may be sent back through the browser."""
    client_id, uri = values.get("client_id", ""), values.get("redirect_uri", "")
    if not client_id or not uri:
        return Fault(Code.INVALID_REQUEST, "client_id and redirect_uri are needed")
    return Target(client_id, uri, values.get("state", ""))


def read(values: Mapping[str, str], target: Target) -> Ask | Fault:
    """The rest of the request.

    1. A code, in the query: nothing else is given out. 2. PKCE with S256. 3. Scopes that exist. 4. OpenID Connect's
    wishes that bear on who is asked; request objects are refused, others are passed over.
    """
    if values.get("response_type") != "code":  # 1
        return Fault(Code.UNSUPPORTED_RESPONSE_TYPE, "response_type has to be code")
    if values.get("response_mode", "query") != "query":
        return Fault(Code.INVALID_REQUEST, "response_mode has to be query")
    for name, code in (
        ("request", Code.REQUEST_NOT_SUPPORTED),
        ("request_uri", Code.REQUEST_URI_NOT_SUPPORTED),
    ):
        if name in values:
            return Fault(code, f"{name} is not taken: send the parameters themselves")
    challenge = values.get("code_challenge", "")
    if (wrong := pkce.check(challenge, values.get("code_challenge_method", ""))) is not None:  # 2
        return wrong
    scopes = scope.read(values.get("scope", ""))  # 3
    if isinstance(scopes, Fault):
        return scopes
    return _wishes(values, target, scopes, challenge)  # 4


def _wishes(values: Mapping[str, str], target: Target, scopes: frozenset[str], challenge: str) -> Ask | Fault:
    prompts = frozenset(values.get("prompt", "").split())
    if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
        return Fault(Code.INVALID_REQUEST, "prompt is none, login, consent or select_account")
    age = values.get("max_age")
    if age is not None and not _NUMBER.match(age):
        return Fault(Code.INVALID_REQUEST, "max_age is a number of seconds")
    oldest = None if age is None else int(age)
    if "login" in prompts:
        oldest = FRESH_SECONDS if oldest is None else min(oldest, FRESH_SECONDS)
    return Ask(target, scopes, challenge, values.get("nonce", ""), oldest, "none" in prompts)
