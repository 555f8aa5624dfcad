"""Typed data: structures that a wallet shows field by field and signs as one digest (EIP-712).

Everything comes from outside, so everything is bounded: types, members, nesting, octets. What another implementation
might read differently (unknown or missing members, numbers out of range, text where octets belong) is refused, for
the person must have been shown exactly what is hashed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.ethereum import keccak
from identity.refusal import Reason, Refusal

MAX_TYPES = 64
MAX_MEMBERS = 64  # of one type
MAX_DEPTH = 16  # structures and lists within each other
MAX_VALUES = 4096  # hashed altogether
MAX_OCTETS = 65536  # of all texts and octet strings together

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}\Z", re.ASCII)
_LIST = re.compile(r"(?P<of>.+)\[(?P<length>[1-9][0-9]{0,3})?\]\Z", re.ASCII)
_INTEGER = re.compile(r"(?P<signed>u?)int(?P<bits>8|16|24|32|40|48|56|64|72|80|88|96|104|112|120|128|136|144|152|160|"
                      r"168|176|184|192|200|208|216|224|232|240|248|256)\Z", re.ASCII)  # fmt: skip
_OCTETS = re.compile(r"bytes(?P<size>[1-9]|[12][0-9]|3[0-2])\Z", re.ASCII)
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z", re.ASCII)
_NUMBER = re.compile(r"(?:0|-?[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})\Z", re.ASCII)
DOMAIN = "EIP712Domain"
_DOMAIN_MEMBERS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}


class _Wrong(ValueError):
    """The data is not what its types say; caught at the door of this module."""


Types = Mapping[str, Sequence[tuple[str, str]]]
"""Members of each structure: (name, type), in order."""


@dataclass(frozen=True, slots=True)
class TypedData:
    """One structure to sign, and the domain that keeps its signature from being good elsewhere."""

    types: Types
    primary_type: str
    domain: Mapping[str, Any]
    message: Mapping[str, Any]


def parse(data: Mapping[str, Any]) -> TypedData | Refusal:
    """Read what `eth_signTypedData_v4` takes, after its JSON was read; the values are looked at by `digest`."""
    try:
        return _parse(data)
    except _Wrong as error:
        return Refusal(Reason.MALFORMED, f"the typed data cannot be read: {error}")


def _parse(data: Mapping[str, Any]) -> TypedData:
    if set(data) != {"types", "primaryType", "domain", "message"}:
        raise _Wrong("it has types, primaryType, domain and message, and nothing else")
    types, primary = data["types"], data["primaryType"]
    if not isinstance(types, Mapping) or not isinstance(data["domain"], Mapping):
        raise _Wrong("types and domain are objects")
    if not isinstance(data["message"], Mapping) or not isinstance(primary, str):
        raise _Wrong("message is an object, primaryType a name")
    if len(types) > MAX_TYPES:
        raise _Wrong(f"there are more than {MAX_TYPES} types")
    read = {name: _members(name, members) for name, members in types.items()}
    return TypedData(read, primary, data["domain"], data["message"])


def _members(name: Any, members: Any) -> list[tuple[str, str]]:
    if not isinstance(name, str) or not isinstance(members, list) or len(members) > MAX_MEMBERS:
        raise _Wrong(f"a type has a name and a list of at most {MAX_MEMBERS} members")
    for member in members:
        if not isinstance(member, dict) or set(member) != {"name", "type"}:
            raise _Wrong("a member has a name and a type, and nothing else")
        if not isinstance(member["name"], str) or not isinstance(member["type"], str) or len(member["type"]) > 128:
            raise _Wrong("a member's name and type are short texts")
    return [(member["name"], member["type"]) for member in members]


def digest(data: TypedData) -> bytes | Refusal:
    """The 32 octets that are signed: keccak of 0x19 0x01, the domain's hash and the message's."""
    try:
        hasher = _Hasher(_checked(data))
        separator = hasher.structure(DOMAIN, data.domain, 0)
        # Both hashes make sure of their types: a list or an elementary type cannot be signed by itself.
        return keccak(b"\x19\x01" + separator + hasher.structure(data.primary_type, data.message, 0))
    except _Wrong as error:
        return Refusal(Reason.MALFORMED, f"the typed data cannot be hashed: {error}")


def _checked(data: TypedData) -> Types:
    for name, members in data.types.items():
        if not _NAME.match(name) or _is_elementary(name):
            raise _Wrong(f"{name[:40]!r} is no name for a structure")
        names = [member for member, _ in members]
        if len(set(names)) != len(names) or not all(_NAME.match(member) for member in names):
            raise _Wrong(f"{name} has members without proper names of their own")
        for _, kind in members:
            _look_up(data.types, kind)
    domain = data.types.get(DOMAIN, ())
    if not domain or any(_DOMAIN_MEMBERS.get(member) != kind for member, kind in domain):
        raise _Wrong(f"{DOMAIN} has at least one of its standard members, and no others")
    if data.primary_type not in data.types or data.primary_type == DOMAIN:
        raise _Wrong("primaryType names no structure of its own")
    return data.types


def _is_elementary(kind: str) -> bool:
    return bool(kind in {"bool", "address", "string", "bytes"} or _INTEGER.match(kind) or _OCTETS.match(kind))


def _look_up(types: Types, kind: str) -> str:
    """The structure or elementary type at the bottom of a type."""
    for _ in range(MAX_DEPTH):
        found = _LIST.match(kind)
        if found is None:
            if kind not in types and not _is_elementary(kind):
                raise _Wrong(f"{kind[:40]!r} is no type")
            return kind
        kind = found["of"]
    raise _Wrong("lists lie too deep in each other")


class _Hasher:
    """Hashes values; counts what it has hashed, and stops when it is too much."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._type_hashes: dict[str, bytes] = {}
        self._values = 0
        self._octets = 0

    def structure(self, name: str, value: Any, depth: int) -> bytes:
        """`hashStruct`: keccak of the type's hash and the members' encodings."""
        members = self._types[name]
        if not isinstance(value, Mapping) or set(value) != {member for member, _ in members}:
            raise _Wrong(f"a value of {name} has all its members and no others")
        parts = [self._encode(kind, value[member], depth + 1) for member, kind in members]
        return keccak(self._type_hash(name) + b"".join(parts))

    def _type_hash(self, name: str) -> bytes:
        if name not in self._type_hashes:
            self._type_hashes[name] = keccak(encode_type(self._types, name).encode("ascii"))
        return self._type_hashes[name]

    def _encode(self, kind: str, value: Any, depth: int) -> bytes:
        self._values += 1
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise _Wrong("there is too much of it")
        if found := _LIST.match(kind):
            if not isinstance(value, list | tuple) or (found["length"] and len(value) != int(found["length"])):
                raise _Wrong(f"a value of {kind} is a list of as many")
            return keccak(b"".join(self._encode(found["of"], each, depth + 1) for each in value))
        if kind in self._types:
            return self.structure(kind, value, depth)
        if kind in {"string", "bytes"}:
            octets = _text(value) if kind == "string" else _octets(value)
            self._octets += len(octets)
            if self._octets > MAX_OCTETS:
                raise _Wrong("there is too much of it")
            return keccak(octets)
        return _word(kind, value)


def encode_type(types: Types, name: str) -> str:
    """`encodeType`: the structure's members, then those of all structures it refers to, by name."""
    found, waiting = {name}, [name]
    while waiting:
        for _, kind in types[waiting.pop()]:
            bottom = _look_up(types, kind)
            if bottom in types and bottom not in found:
                found.add(bottom)
                waiting.append(bottom)
    order = [name, *sorted(found - {name})]
    return "".join(f"{each}({','.join(f'{kind} {member}' for member, kind in types[each])})" for each in order)


def _word(kind: str, value: Any) -> bytes:
    """An elementary value as 32 octets."""
    if kind == "bool":
        if not isinstance(value, bool):
            raise _Wrong("a bool is true or false")
        return int(value).to_bytes(32, "big")
    if kind == "address":
        octets = _octets(value)
        if len(octets) != 20:
            raise _Wrong("an address has 20 octets")
        return octets.rjust(32, b"\0")
    if found := _OCTETS.match(kind):
        octets = _octets(value)
        if len(octets) != int(found["size"]):  # shorter ones are filled up on either side, by whom one asks
            raise _Wrong(f"{kind} has exactly so many octets")
        return octets.ljust(32, b"\0")
    return _integer(kind, value)


def _integer(kind: str, value: Any) -> bytes:
    found = _INTEGER.match(kind)
    assert found
    bits, signed = int(found["bits"]), not found["signed"]
    if isinstance(value, str) and _NUMBER.match(value):
        value = int(value, 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong(f"a value of {kind} is a whole number")
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise _Wrong(f"a value of {kind} is out of range")
    return value.to_bytes(32, "big", signed=signed)


def _text(value: Any) -> bytes:
    if not isinstance(value, str) or len(value) > MAX_OCTETS:
        raise _Wrong("a string is a text of bounded length")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise _Wrong("a string is made of characters, not of halves of them") from None


def _octets(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or len(value) > 2 * MAX_OCTETS + 2 or not _HEX.match(value):
        raise _Wrong("octets are written as 0x and an even number of hex digits")
    return bytes.fromhex(value[2:])
