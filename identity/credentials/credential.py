"""What a verified credential says, whichever version of the data model wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from identity.did import syntax
from identity.did.syntax import Did
from identity.jose import Token, moment
from identity.refusal import Reason, Refusal

V1 = "https://www.w3.org/2018/credentials/v1"
V2 = "https://www.w3.org/ns/credentials/v2"
MAX_SUBJECTS = 16
MAX_STATUSES = 8
# XML Schema 1.1 dateTimeStamp: a time zone is mandatory (VCDM 2.0 §4.9); dates of VCDM 1.1 have one, too, in practice.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential. Only `verify` makes verified ones.

    Attributes:
        version: 1 or 2, of the data model.
        issuer: who says it.
        types: its types, "VerifiableCredential" among them.
        subjects: about whom it says what: each an object of claims, perhaps with an `id`.
        valid_from, valid_until: aware; None where the issuer set no bound.
        id: its URL, or "".
        statuses: entries that say where to look whether it still holds.
    """

    version: int
    issuer: Did
    types: tuple[str, ...]
    subjects: tuple[Mapping[str, Any], ...]
    valid_from: datetime | None
    valid_until: datetime | None
    id: str
    statuses: tuple[Mapping[str, Any], ...]

    def is_about(self, did: Did) -> bool:
        """True when every subject is this DID: a credential about somebody else proves nothing about who shows it."""
        return bool(self.subjects) and all(subject.get("id") == str(did) for subject in self.subjects)


def read(token: Token) -> Credential | Refusal:
    """Read the credential in a token, of which nothing is verified yet.

    VCDM 1.1 §6.3.1: the claim `vc`, and registered claims that replace its members. VCDM 2.0 with VC-JOSE-COSE §3.1:
    the payload is the credential itself. Where the same thing is said twice, both must say the same.
    """
    try:
        return _version_1(token.claims) if "vc" in token.claims else _version_2(token)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the credential cannot be read: {error}")


def read_plain(body: Mapping[str, Any]) -> Credential:
    """Read a credential of VCDM 1.1 that stands by itself, in no token.

    Raises:
        ValueError: it cannot be read.
    """
    return _version_1({"vc": body})


def _version_1(claims: Mapping[str, Any]) -> Credential:
    body = claims["vc"]
    if not isinstance(body, dict) or not begins_with(body, V1):
        raise ValueError("vc is no credential of VCDM 1.1")
    subjects = _objects(body, "credentialSubject", MAX_SUBJECTS)
    if "sub" in claims:
        if len(subjects) != 1 or subjects[0].get("id", claims["sub"]) != claims["sub"]:
            raise ValueError("sub and credentialSubject differ")
        subjects = ({**subjects[0], "id": claims["sub"]},)
    starts = (moment(claims, "nbf"), time_at(body, "issuanceDate"))
    ends = (moment(claims, "exp"), time_at(body, "expirationDate"))
    return Credential(
        version=1,
        issuer=party("issuer", claims.get("iss"), body.get("issuer")),
        types=types(body, "VerifiableCredential"),
        subjects=subjects,
        valid_from=max((each for each in starts if each), default=None),  # said twice: the stricter one counts
        valid_until=min((each for each in ends if each), default=None),
        id=_text(claims.get("jti", body.get("id", ""))),
        statuses=_objects(body, "credentialStatus", MAX_STATUSES),
    )


def _version_2(token: Token) -> Credential:
    body = token.claims
    if token.kind not in ("vc+jwt", "", "jwt") or not begins_with(body, V2) or "vp" in body:
        raise ValueError("the payload is no credential of VCDM 2.0")
    ends = (moment(body, "exp"), time_at(body, "validUntil"))
    starts = (moment(body, "nbf"), time_at(body, "validFrom"))
    return Credential(
        version=2,
        issuer=party("issuer", body.get("iss"), body.get("issuer")),
        types=types(body, "VerifiableCredential"),
        subjects=_objects(body, "credentialSubject", MAX_SUBJECTS),
        valid_from=max((each for each in starts if each), default=None),
        valid_until=min((each for each in ends if each), default=None),
        id=_text(body.get("id", "")),
        statuses=_objects(body, "credentialStatus", MAX_STATUSES),
    )


def begins_with(body: Mapping[str, Any], context: str) -> bool:
    """True when the first JSON-LD context is this one, which alone gives the names below their meaning."""
    contexts = body.get("@context")
    return contexts == context or (isinstance(contexts, list) and contexts[:1] == [context])


def types(body: Mapping[str, Any], needed: str) -> tuple[str, ...]:
    """The types of an object, of which one must be `needed`."""
    found = body.get("type")
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed) or needed not in listed:
        raise ValueError(f"its type is not {needed}")
    return tuple(listed)


def party(what: str, *said: object) -> Did:
    """The one DID that several members name as issuer or holder; each may be an object with an `id`."""
    names = {_name(each) for each in said if each is not None}
    if len(names) != 1:
        raise ValueError(f"{what}: none is named, or several that differ")
    did = syntax.parse(names.pop())
    if isinstance(did, Refusal):
        raise ValueError(f"{what} is no DID")  # noqa: TRY004 - what came in is wrong, not our call
    return did


def _name(value: object) -> str:
    return _text(value.get("id") if isinstance(value, dict) else value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name is no text")  # noqa: TRY004 - what came in is wrong, not our call
    return value


def _objects(body: Mapping[str, Any], name: str, most: int) -> tuple[Mapping[str, Any], ...]:
    value = body.get(name, [])
    listed = value if isinstance(value, list) else [value]
    if len(listed) > most or not all(isinstance(each, dict) for each in listed):
        raise ValueError(f"{name} is no object, nor a list of at most {most}")
    return tuple(listed)


def time_at(body: Mapping[str, Any], name: str) -> datetime | None:
    """A member that is a time with a time zone, or None when absent.

    Raises:
        ValueError: it is none.
    """
    value = body.get(name)
    if value is None:
        return None
    match = _TIME.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{name} is no time with a time zone")
    try:
        return datetime.fromisoformat(f"{match[1]}.{(match[2] or '0').ljust(6, '0')[:6]}{match[3]}").astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} is no time") from None
