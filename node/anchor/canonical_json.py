"""Canonical JSON (RFC 8785, JCS): one spelling for one value, so that a hash of it means something."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_LARGEST = (1 << 53) - 1  # RFC 7493 §2.2: beyond it two readers may see two numbers

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class CanonicalError(ValueError):
    """The value has no canonical form, or the text is not in it."""


def write(value: Json) -> bytes:
    """The canonical spelling of a value.

    Raises:
        CanonicalError: it holds what JSON cannot say exactly, or is nested more than `MAX_DEPTH` deep.
    """
    try:
        return _written(value, 0).encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("a string holds half a character (a lone surrogate)") from None  # RFC 8785 §3.2.2.2


def read(text: bytes) -> Json:
    """The value of a canonical text; anything else than the one canonical spelling is refused.

    Raises:
        CanonicalError: it is too long, no JSON, or spelt in another way.
    """
    if len(text) > MAX_BYTES:
        raise CanonicalError(f"a document has at most {MAX_BYTES} octets")
    try:
        value: Json = json.loads(text.decode("utf-8"), parse_int=_int)
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"this is no JSON: {str(error)[:200]}") from None
    # A name given twice, a space, another order, 1.0 for 1: none survives being written again.
    if write(value) != text:
        raise CanonicalError("this JSON is not in its canonical form (RFC 8785)")
    return value


def _int(digits: str) -> int:
    if len(digits) > 17:
        raise ValueError("a number is too large to be exact")
    return int(digits)


def _written(value: Json, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise CanonicalError(f"a document is nested at most {MAX_DEPTH} deep")
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)  # its escapes are those of RFC 8785 §3.2.2.2
        case int():
            if abs(value) > _LARGEST:
                raise CanonicalError(f"{value} is too large to be exact in JSON")
            return str(value)
        case float():
            return _number(value)
        case Mapping():
            if not all(isinstance(name, str) for name in value):
                raise CanonicalError("names are strings")
            # §3.2.3: sorted by UTF-16 code units, which differs from code points beyond U+FFFF.
            names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
            each = (f"{json.dumps(name, ensure_ascii=False)}:{_written(value[name], depth + 1)}" for name in names)
            return "{" + ",".join(each) + "}"
        case Sequence() if not isinstance(value, bytes | bytearray):
            return "[" + ",".join(_written(each, depth + 1) for each in value) + "]"
    raise CanonicalError(f"JSON has no {type(value).__name__}")


def _number(value: float) -> str:
    """As ECMAScript writes it (ECMA-262, Number::toString), RFC 8785 §3.2.2.3.

    Python's repr finds the same shortest digits; only where it puts the point and the exponent differs.
    """
    if not math.isfinite(value):
        raise CanonicalError("JSON has no infinity and no NaN")
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # its place among the digits
    digits = digits.rstrip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{sign}{digits[0]}{'.' if count > 1 else ''}{digits[1:]}e{power}"
