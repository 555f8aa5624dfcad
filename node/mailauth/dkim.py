"""Verifying DKIM signatures (RFC 6376 §6, RFC 8301, RFC 8463, RFC 8616); clock and DNS are handed in."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from node.mailauth.canonical import BodyForm, BodyHash, HeaderField
from node.mailauth.dkim_key import KeyProblem, KeyRecord, find_key
from node.mailauth.dkim_signature import OldAlgorithm, Signed, identity, required, signed, tags_of
from node.mailauth.dkim_tags import Tag, TagError, without_space
from node.mailauth.resolver import Resolver
from node.mailauth.result import MethodResult, Result

FIELD = b"dkim-signature"
MAX_READ = 50  # signature fields that are parsed
MAX_VERIFIED = 10  # signatures that are verified; the author's domain's own come first
AHEAD = 3600  # seconds a signer's clock may be ahead of ours

_AT = re.compile(rb"@([^\s<>@,;:()\"]+)")


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What one signature came to.

    Attributes:
        result: pass; fail (it does not verify, or has expired); policy (it may verify, but is not good enough for us);
            neutral (broken syntax); permerror (no usable key); temperror (the DNS did not answer).
        domain: `d=`, A-labels; "" when it cannot be read.
        selector: `s=`.
        identity: `i=`, "@" and the domain when it says nothing; may hold hostile text.
        algorithm: "rsa-sha256", "ed25519-sha256", ...
        reason: why it is no pass, in words; "" for a pass.
        bits: the key's length, 0 when there was none.
        label: the first characters of `b=`, to tell signatures apart (RFC 6008).
        partial: `l=` left a part of the body unsigned.
        testing: the domain is trying DKIM out (`t=y`).
    """

    result: Result
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    reason: str = ""
    bits: int = 0
    label: str = ""
    partial: bool = False
    testing: bool = False

    def shown(self) -> MethodResult:
        """As `Authentication-Results` shows it (RFC 8601 §2.7.1, RFC 6008)."""
        properties = (
            ("header.d", self.domain),
            ("header.i", self.identity if self.identity != f"@{self.domain}" else ""),
            ("header.s", self.selector),
            ("header.a", self.algorithm),
            ("header.b", self.label),
        )
        comment = f"{self.bits}-bit key" if self.bits and self.result is Result.PASS else ""
        if self.testing:
            comment = ", ".join(filter(None, (comment, "testing")))
        return MethodResult(
            "dkim", self.result, tuple((name, value) for name, value in properties if value), comment, self.reason
        )


@dataclass(frozen=True, slots=True)
class _Claim:
    """A signature that is worth verifying, and what will be said of it."""

    signed: Signed
    said: DkimResult


class DkimCheck:
    """The signatures of one message.

    Verifying takes three steps, so that one pass over the body serves DKIM and ARC alike: make this of the header,
    compute the hashes that `forms` asks for (`canonical.body_hashes`), ask for the `results`.

    Args:
        fields: the message's header.
        now: unix seconds.
    """

    def __init__(self, fields: Sequence[HeaderField], now: int) -> None:
        self._fields = fields
        found = [_read(one, fields, now) for one in _signatures(fields)]
        authors = _author_domains(fields)
        found.sort(key=lambda one: not _is_related(_said(one).domain, authors))  # stable: else from the top down
        self._found = found[:MAX_VERIFIED]

    @property
    def forms(self) -> tuple[BodyForm, ...]:
        """The hashes of the body that the signatures ask for."""
        return tuple(dict.fromkeys(one.signed.body for one in self._found if isinstance(one, _Claim)))

    async def results(self, hashes: Mapping[BodyForm, BodyHash], resolver: Resolver) -> tuple[DkimResult, ...]:
        """What each signature came to, those of the author's domain first; empty when there is none."""
        keys: dict[tuple[str, str], KeyRecord | KeyProblem] = {}
        return tuple(
            [await self._verify(one, hashes, resolver, keys) if isinstance(one, _Claim) else one for one in self._found]
        )

    async def _verify(
        self,
        claim: _Claim,
        hashes: Mapping[BodyForm, BodyHash],
        resolver: Resolver,
        keys: dict[tuple[str, str], KeyRecord | KeyProblem],
    ) -> DkimResult:
        """In turn: the body, for that costs least; the key; the signature; how much of the body it covers."""
        one, said = claim.signed, claim.said
        body = hashes[one.body]
        if not hmac.compare_digest(body.digest, one.body_hash):
            return replace(said, result=Result.FAIL, reason="the body was changed")
        where = (one.domain, one.selector)
        if where not in keys:
            try:
                keys[where] = await find_key(resolver, *where)
            except KeyProblem as problem:
                keys[where] = problem
        key = keys[where]
        if isinstance(key, KeyProblem):
            return replace(said, result=key.result, reason=str(key))
        said = replace(said, bits=key.bits, testing=key.testing)
        if reason := unfit(key, one.kind) or _outside(key, said):
            return replace(said, result=Result.PERMERROR, reason=reason)
        if not key.verify(one.signature, one.data(self._fields)):
            return replace(said, result=Result.FAIL, reason="the signature does not verify")
        return _covers(said, one.body.length, body.total)


def unfit(key: KeyRecord, kind: str) -> str:
    """Why a key must not be used for a signature that asks for a `kind` of key (RFC 6376 §6.1.2), or ""."""
    if key.kind != kind:
        return "the key is of another kind than the signature"
    if key.hashes and "sha256" not in key.hashes:
        return "the key is not for SHA-256"
    if not key.for_email:
        return "the key is not for mail"
    return ""


def _outside(key: KeyRecord, said: DkimResult) -> str:
    strict = key.strict and said.identity.rpartition("@")[2] != said.domain
    return "the key allows no subdomain in i=" if strict else ""


def _covers(said: DkimResult, length: int | None, total: int) -> DkimResult:
    """A pass, unless anybody may have added text to the body, or the signer counted what is not there."""
    if length is None or length == total:
        return replace(said, result=Result.PASS)
    if length > total:
        return replace(said, result=Result.FAIL, reason="l= counts more than there is")
    reason = f"only {length} of the body's {total} octets are signed"
    return replace(said, result=Result.POLICY, reason=reason, partial=True)


def _signatures(fields: Iterable[HeaderField]) -> list[HeaderField]:
    return [one for one in fields if one.name == FIELD][:MAX_READ]


def _read(one: HeaderField, fields: Sequence[HeaderField], now: int) -> _Claim | DkimResult:
    """A signature field, or the result it comes to without being verified."""
    try:
        tags = tags_of(one)
    except TagError as error:
        return DkimResult(Result.NEUTRAL, reason=f"the signature is broken: {error}")
    said = _first_words(tags)
    try:
        claim = _claim(one, tags, said)
    except OldAlgorithm as error:
        return replace(said, result=Result.POLICY, reason=str(error))
    except TagError as error:
        return replace(said, result=Result.NEUTRAL, reason=f"the signature is broken: {error}")
    if objection := _objection(claim.signed, fields, now):
        result, reason = objection
        return replace(claim.said, result=result, reason=reason)
    return claim


def _first_words(tags: dict[str, Tag]) -> DkimResult:
    """What can be said of a signature however broken it is."""
    text = {name: without_space(tags[name].value).decode("utf-8", "replace") for name in ("a", "b") if name in tags}
    return DkimResult(Result.NEUTRAL, algorithm=text.get("a", "")[:32], label=text.get("b", "")[:8])


def _claim(one: HeaderField, tags: dict[str, Tag], said: DkimResult) -> _Claim:
    if required(tags, "v") != b"1":
        raise TagError("v= is an unknown version")
    if "q" in tags and b"dns/txt" not in without_space(tags["q"].value).split(b":"):
        raise TagError("q= is an unknown way to the key")
    read = signed(one, tags)
    whose = identity(tags, read.domain)
    return _Claim(read, replace(said, domain=read.domain, selector=read.selector, identity=whose))


def _objection(one: Signed, fields: Sequence[HeaderField], now: int) -> tuple[Result, str] | None:
    """What speaks against a signature before anything is computed."""
    authors = sum(field.name == b"from" for field in fields)
    if b"from" not in one.names:
        return Result.PERMERROR, "From is not signed"  # RFC 6376 §5.4
    if authors > one.names.count(b"from"):
        return Result.POLICY, "there are more From fields than were signed"  # RFC 6376 §8.15
    if one.expires is not None and one.time is not None and one.expires <= one.time:
        return Result.NEUTRAL, "the signature is broken: it expires before it was made"
    if one.expires is not None and one.expires < now:
        return Result.FAIL, "the signature has expired"
    if one.time is not None and one.time > now + AHEAD:
        return Result.POLICY, "the signature is of the future"
    return None


def _said(one: _Claim | DkimResult) -> DkimResult:
    return one.said if isinstance(one, _Claim) else one


def _author_domains(fields: Iterable[HeaderField]) -> frozenset[str]:
    """Domains that From names, for the order of signatures alone."""
    found: list[bytes] = []
    for one in fields:
        if one.name == b"from":
            found += _AT.findall(one.value[:4096])[:MAX_READ]
    return frozenset(domain.decode("utf-8", "replace").lower() for domain in found)


def _is_related(domain: str, authors: Iterable[str]) -> bool:
    return bool(domain) and any(
        domain == author or domain.endswith(f".{author}") or author.endswith(f".{domain}") for author in authors
    )
