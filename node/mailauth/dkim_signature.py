"""One signature field read: what it claims, which fields it covers, what was signed (RFC 6376 §3.5, §3.7).

DKIM-Signature and ARC-Message-Signature have almost the same tags (RFC 8617 §4.1.2); what is common stands here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from node.base.address import AddressError, normalize_domain
from node.mailauth.canonical import CRLF, BodyForm, Canonicalisation, HeaderField, canonical_field
from node.mailauth.dkim_tags import (
    Tag,
    TagError,
    base64_value,
    number_value,
    parse_tags,
    quoted_printable,
    without_space,
)

MAX_SIGNED = 500  # names in h=

ALGORITHMS = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}  # RFC 8301 §3.1, RFC 8463 §3
OLD_ALGORITHMS = frozenset({b"rsa-sha1"})

_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)
_FIELD_NAME = re.compile(rb"[!-9<-~]+\Z")  # RFC 5322 ftext without the semicolon


class OldAlgorithm(TagError):
    """An algorithm that nobody may accept any more (RFC 8301 §3.1)."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What DKIM's and ARC's signatures of messages have in common.

    Attributes:
        field: as it stands in the message.
        unsigned: `field` with the value of `b=` gone: the last thing that is signed.
        kind: "rsa" or "ed25519"; the hash is SHA-256.
        domain: `d=`, A-labels, lower case.
        selector: `s=`, likewise.
        signature: `b=`.
        header: how header fields are canonicalised.
        names: `h=` in order, lower case; a name may come more often than the field does.
        body: which hash of the body is wanted.
        body_hash: `bh=`.
        time: `t=`, unix seconds, None when it is not there.
        expires: `x=`, likewise.
    """

    field: HeaderField
    unsigned: HeaderField
    kind: str
    domain: str
    selector: str
    signature: bytes
    header: Canonicalisation
    names: tuple[bytes, ...]
    body: BodyForm
    body_hash: bytes
    time: int | None
    expires: int | None

    def data(self, fields: Sequence[HeaderField]) -> bytes:
        """The octets that were signed: the fields of `h=`, several of a name from the bottom up, then this (§3.7)."""
        waiting: dict[bytes, list[HeaderField]] = {}
        for one in fields:
            if one is not self.field:  # a signature never covers itself
                waiting.setdefault(one.name, []).append(one)
        parts = [canonical_field(waiting[name].pop(), self.header) for name in self.names if waiting.get(name)]
        parts.append(canonical_field(self.unsigned, self.header).removesuffix(CRLF))
        return b"".join(parts)


def tags_of(one: HeaderField) -> dict[str, Tag]:
    """A signature field's tags.

    Raises:
        TagError: it is no list of tags.
    """
    return parse_tags(one.value)


def required(tags: dict[str, Tag], name: str) -> bytes:
    """A tag's value.

    Raises:
        TagError: it is missing or empty.
    """
    if name not in tags or not tags[name].value:
        raise TagError(f"{name}= is missing or empty")
    return tags[name].value


def signed(one: HeaderField, tags: dict[str, Tag]) -> Signed:
    """Read what is common to both kinds of signature.

    Raises:
        TagError: a tag is missing or says what it must not.
    """
    header, body = _canonicalisation(tags)
    length = number_value("l", tags["l"].value, 76) if "l" in tags else None
    return Signed(
        field=one,
        unsigned=without_signature(one, tags),
        kind=algorithm(tags),
        domain=domain_name("d", required(tags, "d")),
        selector=domain_name("s", required(tags, "s")),
        signature=base64_value("b", required(tags, "b")),
        header=header,
        names=_names(tags),
        body=BodyForm(body, length),
        body_hash=base64_value("bh", required(tags, "bh")),
        time=_time(tags, "t"),
        expires=_time(tags, "x"),
    )


def without_signature(one: HeaderField, tags: dict[str, Tag]) -> HeaderField:
    """The field as it was when it was signed: `b=` there, its value and all white space around that gone (§3.5).

    Raises:
        TagError: there is no b=.
    """
    if "b" not in tags:
        raise TagError("b= is missing or empty")
    name, _, value = one.raw.removesuffix(CRLF).partition(b":")
    tag = tags["b"]
    return HeaderField(one.name, name + b":" + value[: tag.start] + value[tag.end :] + CRLF)


def algorithm(tags: dict[str, Tag]) -> str:
    """The kind of key that `a=` asks for.

    Raises:
        OldAlgorithm: rsa-sha1.
        TagError: it is missing or unknown.
    """
    value = required(tags, "a")
    if value in OLD_ALGORITHMS:
        raise OldAlgorithm(f"{value.decode()} is not accepted any more (RFC 8301)")
    if value not in ALGORITHMS:
        raise TagError("a= is an unknown algorithm")
    return ALGORITHMS[value]


def domain_name(tag: str, value: bytes) -> str:
    """A domain or selector as A-labels; U-labels are fine in internationalised mail (RFC 8616 §4).

    Raises:
        TagError: it is no domain name.
    """
    try:
        text = value.decode().lower()
        text = text if text.isascii() else normalize_domain(text)
    except (UnicodeDecodeError, AddressError):
        raise TagError(f"{tag}= is no domain name") from None
    if not _NAME.match(text):
        raise TagError(f"{tag}= is no domain name")
    return text


def identity(tags: dict[str, Tag], domain: str) -> str:
    """`i=`, the user or agent the signature speaks for: in the signing domain or below it (§3.5).

    Raises:
        TagError: it is no address, or elsewhere.
    """
    if "i" not in tags:
        return f"@{domain}"
    local, at, host = quoted_printable(tags["i"].value).rpartition(b"@")
    if not at:
        raise TagError("i= is no address")
    name = domain_name("i", host)
    if name != domain and not name.endswith(f".{domain}"):
        raise TagError("i= is outside d=")
    return f"{local.decode('utf-8', 'replace')}@{name}"


def _canonicalisation(tags: dict[str, Tag]) -> tuple[Canonicalisation, Canonicalisation]:
    """Of header and body; "simple" where nothing is said (§3.5 c=)."""
    if "c" not in tags:
        return Canonicalisation.SIMPLE, Canonicalisation.SIMPLE
    header, _, body = tags["c"].value.decode("ascii", "replace").partition("/")
    try:
        return Canonicalisation(header), Canonicalisation(body or "simple")
    except ValueError:
        raise TagError("c= is an unknown canonicalisation") from None


def _names(tags: dict[str, Tag]) -> tuple[bytes, ...]:
    if "h" not in tags:
        raise TagError("h= is missing")
    names = without_space(tags["h"].value).lower().split(b":")
    if len(names) > MAX_SIGNED:
        raise TagError(f"h= names more than {MAX_SIGNED} fields")
    names = [name for name in names if name]
    if not all(_FIELD_NAME.match(name) for name in names):
        raise TagError("h= names what is no field")
    return tuple(names)


def _time(tags: dict[str, Tag], name: str) -> int | None:
    return number_value(name, tags[name].value, 12) if name in tags else None
