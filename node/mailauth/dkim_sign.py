"""Signing with DKIM (RFC 6376 §5): relaxed/relaxed, the whole body, and fields signed once more than they are there,
so that nobody can add a second From, Subject or Content-Type (§8.15). One field for each key: RSA and Ed25519."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from node.mailauth.canonical import CRLF, BodyForm, BodyHash, Canonicalisation, HeaderField, canonical_field

BODY = BodyForm(Canonicalisation.RELAXED)  # the hash that signing asks for
WIDTH = 72  # octets of a line, without its end
NAME = b"DKIM-Signature"

# Signed as often as they are there and once more: readers see or obey them.
OVERSIGNED = (
    b"from",
    b"reply-to",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
)
# Signed where they are there: on the way, others may rightly be added.
SIGNED = (
    b"sender",
    b"in-reply-to",
    b"references",
    b"auto-submitted",
    b"list-id",
    b"list-post",
    b"list-help",
    b"list-subscribe",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A domain's private key and where its public half is.

    Attributes:
        domain: A-labels.
        selector: the public half is at `selector._domainkey.domain`.
        private: RSA (1,024 bits at least, 2,048 made here) or Ed25519.
    """

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As `a=` has it."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """Sign canonical header fields."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), SHA256())
        return self.private.sign(hashlib.sha256(data).digest())  # RFC 8463 §3

    @property
    def record(self) -> str:
        """The TXT record's text (RFC 6376 §3.6.1, RFC 8463 §4.2)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={b64encode(octets).decode()}"


def sign(fields: Sequence[HeaderField], body: BodyHash, keys: Sequence[SigningKey], now: int) -> bytes:
    """The signature fields to put before a message, one for each key.

    Args:
        fields: the message's header.
        body: of the form `BODY`.
        now: unix seconds, for `t=`.
    """
    names = names_to_sign(fields)
    chosen = choose(fields, names)
    return b"".join(_signature(key, names, chosen, body, now) for key in keys)


def names_to_sign(fields: Sequence[HeaderField]) -> list[bytes]:
    """What `h=` says."""
    there = Counter(one.name for one in fields)
    names = [name for name in OVERSIGNED for _ in range(there[name] + 1)]
    return names + [name for name in SIGNED for _ in range(there[name])]


def choose(fields: Sequence[HeaderField], names: Sequence[bytes]) -> bytes:
    """The named fields in relaxed form, several of a name from the bottom up (RFC 6376 §5.4.2)."""
    waiting: dict[bytes, list[HeaderField]] = {}
    for one in fields:
        waiting.setdefault(one.name, []).append(one)
    return b"".join(
        canonical_field(waiting[name].pop(), Canonicalisation.RELAXED) for name in names if waiting.get(name)
    )


def _signature(key: SigningKey, names: Sequence[bytes], chosen: bytes, body: BodyHash, now: int) -> bytes:
    tags = [
        ("v", "1"),
        ("a", key.algorithm),
        ("c", "relaxed/relaxed"),
        ("d", key.domain),
        ("s", key.selector),
        ("t", str(now)),
        ("h", b":".join(names).decode("ascii")),
        ("bh", b64encode(body.digest).decode()),
        ("b", ""),
    ]
    return sealed_field(NAME, tags, key, chosen)


def sealed_field(name: bytes, tags: Sequence[tuple[str, str]], key: SigningKey, before: bytes) -> bytes:
    """A field whose tag `b` signs what stands `before` it and the field itself.

    Args:
        tags: in order; the value of `b` is empty.
    """
    bare = folded(name, tags)
    data = before + canonical_field(HeaderField(name.lower(), bare), Canonicalisation.RELAXED).removesuffix(CRLF)
    signature = b64encode(key.sign(data)).decode()
    return folded(name, [(tag, signature if tag == "b" else value) for tag, value in tags])


def folded(name: bytes, tags: Sequence[tuple[str, str]]) -> bytes:
    """A field of tags with its line end. Lines break between tags, and within h= and b=, where space means nothing.

    Breaks within h= are the same with and without a signature, for they are signed.
    """
    lines = [name + b":"]
    for number, (tag, value) in enumerate(tags):
        word = f"{tag}={value}".encode() + (b";" if number < len(tags) - 1 else b"")
        is_full = len(lines[-1]) + 1 + len(word) > WIDTH
        if (is_full and len(lines[-1]) > len(name) + 1) or tag == "b":
            lines.append(b"")
        lines[-1] += b" " + word
        if tag in {"h", "b"}:
            lines[-1:] = _broken(lines[-1], after=b":" if tag == "h" else b"")
    return CRLF.join(lines) + CRLF


def _broken(line: bytes, after: bytes) -> list[bytes]:
    """A long line in several; each breaks behind the last `after` that fits, or anywhere."""
    lines = []
    while len(line) > WIDTH:
        cut = line.rfind(after, 0, WIDTH) + 1 if after else WIDTH
        if cut == 0:
            break
        lines.append(line[:cut])
        line = b" " + line[cut:]
    return [*lines, line]
