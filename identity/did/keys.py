"""Public keys as DIDs carry them: as multikeys and as JWKs, of four kinds, each a point that really is on its curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_core_ed25519_is_valid_point

from identity.did import multibase

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ZERO_X25519 = (bytes(32), b"\x01" + bytes(31))


class Kind(Enum):
    """The curves there are, by their names in a JWK (RFC 7518 §6.2.1.1, RFC 8037 §2, RFC 8812 §3.1)."""

    ED25519 = "Ed25519"
    X25519 = "X25519"
    SECP256K1 = "secp256k1"
    P256 = "P-256"

    @property
    def codec(self) -> int:
        """Its number in the table of multicodec."""
        return _CODECS[self]

    @property
    def curve(self) -> ec.EllipticCurve | None:
        """The curve of a key in compressed SEC 1 form; None for the two kinds of RFC 7748 and RFC 8032."""
        return _CURVES.get(self)


_CODECS = {Kind.SECP256K1: 0xE7, Kind.X25519: 0xEC, Kind.ED25519: 0xED, Kind.P256: 0x1200}
_KINDS = {code: kind for kind, code in _CODECS.items()}
_CURVES: dict[Kind, ec.EllipticCurve] = {Kind.SECP256K1: ec.SECP256K1(), Kind.P256: ec.SECP256R1()}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked public key.

    Attributes:
        kind: the curve.
        raw: 32 octets, or 33 in compressed SEC 1 form for secp256k1 and P-256.
    """

    kind: Kind
    raw: bytes

    @property
    def multikey(self) -> str:
        """`z` and base58btc of codec and key: what follows `did:key:`."""
        return "z" + multibase.encode_base58(multibase.write_varint(self.kind.codec) + self.raw)

    @property
    def jwk(self) -> dict[str, str]:
        """As a JWK with its required members only, in the order of their names (RFC 7638 §3)."""
        if self.kind.curve is None:
            return {"crv": self.kind.value, "kty": "OKP", "x": multibase.encode_base64url(self.raw)}
        point = _point(self.kind.curve, self.raw).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        x, y = multibase.encode_base64url(point[1:33]), multibase.encode_base64url(point[33:])
        return {"crv": self.kind.value, "kty": "EC", "x": x, "y": y}


def from_raw(kind: Kind, raw: bytes) -> PublicKey:
    """Check a key.

    Raises:
        ValueError: its size is wrong, it is no point of the curve, or one of the few points for which anybody can
            make "signatures" or knows the shared secret (small order).
    """
    if kind.curve is not None:
        if len(raw) != 33 or raw[0] not in (2, 3):
            raise ValueError(f"a {kind.value} key has 33 octets in compressed form")
        _point(kind.curve, raw)
    elif len(raw) != 32:
        raise ValueError(f"a key of {kind.value} has 32 octets")
    elif kind is Kind.ED25519 and not crypto_core_ed25519_is_valid_point(raw):
        raise ValueError("this is no point of Ed25519's main group")
    elif kind is Kind.X25519 and raw in _ZERO_X25519:
        raise ValueError("this X25519 key is known to everybody")
    return PublicKey(kind, raw)


def from_multikey(text: str) -> PublicKey:
    """Read a multikey.

    Raises:
        ValueError: no multibase, a codec that is not among ours, or no key.
    """
    codec, raw = multibase.read_varint(multibase.decode(text))
    if codec not in _KINDS:
        raise ValueError(f"multicodec {codec:#x} is no kind of key that is understood here")
    return from_raw(_KINDS[codec], raw)


def from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Read a JWK.

    Raises:
        ValueError: another kind of key, no point of its curve, or it holds a private part: whoever published that
            has lost the key.
    """
    if _PRIVATE & jwk.keys():
        raise ValueError("this JWK holds a private key")
    try:
        kind = Kind(jwk.get("crv"))
    except ValueError:
        raise ValueError("the JWK's curve is none that is understood here") from None
    if jwk.get("kty") != ("OKP" if kind.curve is None else "EC"):
        raise ValueError("the JWK's kty does not fit its curve")
    x = _coordinate(jwk, "x")
    if kind.curve is None:
        return from_raw(kind, x)
    y = _coordinate(jwk, "y")
    point = ec.EllipticCurvePublicKey.from_encoded_point(kind.curve, b"\x04" + x + y)
    return PublicKey(kind, point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def _coordinate(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or len(value) != 43:  # 32 octets, RFC 7518 §6.2.1.2
        raise ValueError(f"the JWK's {name} does not have 32 octets")
    return multibase.decode_base64url(value)


def _point(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
