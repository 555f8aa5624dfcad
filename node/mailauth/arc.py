"""Verifying ARC chains (RFC 8617 §5.2): what did those say who forwarded this message, and did they really?"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node.mailauth.canonical import CRLF, BodyForm, BodyHash, Canonicalisation, HeaderField, canonical_field
from node.mailauth.dkim import unfit
from node.mailauth.dkim_key import KeyProblem, KeyRecord, find_key
from node.mailauth.dkim_signature import (
    Signed,
    algorithm,
    domain_name,
    required,
    signed,
    tags_of,
    without_signature,
)
from node.mailauth.dkim_tags import Tag, TagError, base64_value, number_value
from node.mailauth.resolver import Resolver
from node.mailauth.result import MethodResult, Result

AAR, AMS, AS = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
NAMES = frozenset({AAR, AMS, AS})
MAX_SETS = 50  # RFC 8617 §4.2.1

_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;")


@dataclass(frozen=True, slots=True)
class ArcResult:
    """What the chain came to.

    Attributes:
        result: none, pass, fail, or temperror when the DNS did not answer.
        length: sets in the chain, as far as it can be counted.
        sealers: `d=` of each seal, the first hand first; only of a chain that passes.
        reported: the newest ARC-Authentication-Results without its instance: what the last hand found; only of a
            chain that passes. Hostile text unless that hand is trusted.
        reason: why it is no pass.
    """

    result: Result
    length: int = 0
    sealers: tuple[str, ...] = ()
    reported: bytes = b""
    reason: str = ""

    def shown(self) -> MethodResult:
        """As `Authentication-Results` shows it (RFC 8617 §7.1)."""
        comment = f"i={self.length}" if self.length else ""
        if self.sealers:
            comment += f", sealed by {', '.join(self.sealers[-3:])}"
        return MethodResult("arc", self.result, comment=comment, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal (RFC 8617 §4.1.3)."""

    field: HeaderField
    unsigned: HeaderField
    kind: str
    domain: str
    selector: str
    signature: bytes
    status: str  # cv=


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One hand's three fields."""

    results: HeaderField
    message: HeaderField
    seal: HeaderField

    @property
    def fields(self) -> tuple[HeaderField, ...]:
        """In the order in which seals sign them (RFC 8617 §5.1.1)."""
        return self.results, self.message, self.seal


class ArcError(ValueError):
    """The chain is broken; the message says where."""


class ArcCheck:
    """The chain of one message; used in three steps like `dkim.DkimCheck`.

    Args:
        fields: the message's header.
    """

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self._fields = fields
        self._sets: tuple[ArcSet, ...] = ()
        self._seals: list[Seal] = []
        self._newest: Signed | None = None
        self._error = ""
        try:
            self._sets = arc_sets(fields)
            if self._sets:
                self._read()
        except (ArcError, TagError) as error:
            self._error = str(error)

    def _read(self) -> None:
        """Structure first, then the newest signature of the message (§5.2 steps 2 to 4).

        Raises:
            ArcError, TagError: the chain fails.
        """
        self._seals = [_seal(one.seal) for one in self._sets]
        if self._seals[-1].status == "fail":
            raise ArcError("the last hand found the chain broken")
        for number, seal in enumerate(self._seals):
            if seal.status != ("pass" if number else "none"):
                raise ArcError(f"cv={seal.status} in seal {number + 1}")
        newest = self._sets[-1].message
        self._newest = signed(newest, _message_tags(tags_of(newest)))
        if AS in self._newest.names:
            raise ArcError("the message signature covers seals")  # §4.1.2

    @property
    def forms(self) -> tuple[BodyForm, ...]:
        """The hashes of the body that the chain asks for."""
        return (self._newest.body,) if self._newest and not self._error else ()

    async def result(self, hashes: Mapping[BodyForm, BodyHash], resolver: Resolver) -> ArcResult:
        """What the chain came to."""
        length = len(self._sets) or min(
            MAX_SETS, max(Counter(one.name for one in self._fields if one.name in NAMES).values(), default=0)
        )
        if not self._error and not self._sets:
            return ArcResult(Result.NONE)
        try:
            if self._error or self._newest is None:
                raise ArcError(self._error)
            await self._verify_message(self._newest, hashes, resolver)
            await self._verify_seals(resolver)
        except ArcError as error:
            return ArcResult(Result.FAIL, length, reason=str(error))
        except KeyProblem as problem:
            result = Result.TEMPERROR if problem.result is Result.TEMPERROR else Result.FAIL
            return ArcResult(result, length, reason=str(problem))
        reported = self._sets[-1].results.value.partition(b";")[2]
        return ArcResult(Result.PASS, length, tuple(seal.domain for seal in self._seals), reported)

    async def _verify_message(self, one: Signed, hashes: Mapping[BodyForm, BodyHash], resolver: Resolver) -> None:
        body = hashes[one.body]
        if not hmac.compare_digest(body.digest, one.body_hash):
            raise ArcError("the body was changed after the last hand")
        if one.body.length not in {None, body.total}:
            raise ArcError("the last hand did not sign the whole body")
        key = await find_key(resolver, one.domain, one.selector)
        if reason := unfit(key, one.kind):
            raise ArcError(reason)
        if not key.verify(one.signature, one.data(self._fields)):
            raise ArcError("the newest message signature does not verify")

    async def _verify_seals(self, resolver: Resolver) -> None:
        """Each seal signs all sets up to its own, from the first on (§5.1.1)."""
        parts: list[bytes] = []
        keys: dict[tuple[str, str], KeyRecord] = {}
        for one, seal in zip(self._sets, self._seals, strict=True):
            data = b"".join([*parts, *map(relaxed, (one.results, one.message)), relaxed(seal.unsigned)])
            where = (seal.domain, seal.selector)
            keys[where] = key = keys.get(where) or await find_key(resolver, *where)
            if unfit(key, seal.kind) or not key.verify(seal.signature, data.removesuffix(CRLF)):
                raise ArcError(f"the seal of {seal.domain} does not verify")
            parts += map(relaxed, one.fields)


def relaxed(one: HeaderField) -> bytes:
    """A field as seals sign it: always relaxed (RFC 8617 §5.1.1)."""
    return canonical_field(one, Canonicalisation.RELAXED)


def arc_sets(fields: Sequence[HeaderField]) -> tuple[ArcSet, ...]:
    """The sets of the chain, the first hand's first; empty when there is none.

    Raises:
        ArcError: one is incomplete or comes twice, or there are too many.
    """
    found: dict[bytes, dict[int, HeaderField]] = {AAR: {}, AMS: {}, AS: {}}
    for one in fields:
        if one.name in found:
            number = _instance(one)
            if number in found[one.name]:
                raise ArcError(f"{one.name.decode()} {number} comes twice")
            found[one.name][number] = one
    length = max(map(len, found.values()))
    if any(set(numbered) != set(range(1, length + 1)) for numbered in found.values()):
        raise ArcError("a set of the chain is incomplete")
    return tuple(ArcSet(found[AAR][n], found[AMS][n], found[AS][n]) for n in range(1, length + 1))


def _instance(one: HeaderField) -> int:
    """`i=`, from 1 to 50; in ARC-Authentication-Results it stands first (§4.1.1)."""
    if one.name == AAR:
        match = _INSTANCE.match(one.value)
        text = match[1] if match else b""
    else:
        try:
            text = required(tags_of(one), "i")
        except TagError as error:
            raise ArcError(f"{one.name.decode()}: {error}") from None
    if not text.isdigit() or len(text) > 2 or not 1 <= int(text) <= MAX_SETS:
        raise ArcError(f"{one.name.decode()} has no i= from 1 to {MAX_SETS}")
    return int(text)


def _message_tags(tags: dict[str, Tag]) -> dict[str, Tag]:
    """With what holds where a message signature says nothing: relaxed, as the suite of vectors has it for ARC."""
    return {"c": Tag(b"relaxed/relaxed", 0, 0), **tags}


def _seal(one: HeaderField) -> Seal:
    tags = tags_of(one)
    if "h" in tags:
        raise ArcError("a seal has h=")  # §4.1.3
    if "t" in tags:
        number_value("t", tags["t"].value, 12)
    status = required(tags, "cv").decode("ascii", "replace")
    if status not in {"none", "pass", "fail"}:
        raise ArcError("a seal's cv= is unknown")
    return Seal(
        field=one,
        unsigned=without_signature(one, tags),
        kind=algorithm(tags),
        domain=domain_name("d", required(tags, "d")),
        selector=domain_name("s", required(tags, "s")),
        signature=base64_value("b", required(tags, "b")),
        status=status,
    )
