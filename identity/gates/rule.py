"""A gate's rule: a tree of `any`, `all` and `not` over tokens, credentials, DIDs and groups, in TOML or JSON.

{"all": [{"chain": "eip155:1", "standard": "erc721", "contract": "0x..."}, {"not": {"group": "guests"}}]}
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator
from pydantic_core import from_json

from identity.ethereum import checksum_address

MAX_TEXT = 16 << 10  # characters
MAX_DEPTH = 8
MAX_LEAVES = 32
MAX_DECIMALS = 77  # 10**78 is over 2**256: no balance could ever reach one whole token
_NODES = ("any", "all", "not", "chain", "credential", "did", "group")
_HIGHEST = 1 << 256

Name = Annotated[str, Field(min_length=1, max_length=200)]
Did = Annotated[str, Field(pattern=r"^did:[a-z0-9]+:[A-Za-z0-9._:%-]{1,1000}$")]


class RuleError(ValueError):
    """The rule cannot be used; the text names every fault and the place in the tree where it stands."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Token(_Part):
    """So much of a token is held, on one chain.

    Attributes:
        chain: CAIP-2 name; so far of the namespace eip155 alone.
        contract: address with its EIP-55 checksum; none for `native`, the chain's own coin.
        id: of the token: needed for erc1155; for erc721 it asks for this very one.
        min: at least so many. Of erc20 and native in whole coins, "1.5"; of the others a number of tokens.
        decimals: places of an erc20 coin. Left out, the contract is asked, and believed.
    """

    chain: str = Field(pattern=r"^eip155:(0|[1-9][0-9]{0,31})$")
    standard: Literal["erc20", "erc721", "erc1155", "native"]
    contract: str = ""
    id: Annotated[int, Field(ge=0, lt=_HIGHEST)] | None = None
    min: Annotated[Decimal, Field(gt=0, lt=_HIGHEST, max_digits=160, decimal_places=MAX_DECIMALS)] | None = None
    decimals: Annotated[int, Field(ge=0, le=MAX_DECIMALS, strict=True)] | None = None

    @field_validator("id", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        # JSON's numbers end at 2**53 in most programs; a token's id is often a hash.
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise ValueError('a token\'s id is a whole number; write it as text, "12", where it is long')  # noqa: TRY004 - pydantic's
        return value

    @field_validator("min", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        if isinstance(value, bool | float):
            raise ValueError('write a number with a decimal point as text, "1.5": it is compared exactly')  # noqa: TRY004 - pydantic's
        return value

    @field_validator("contract")
    @classmethod
    def _checksummed(cls, value: str) -> str:
        return checksum_address(value) if value else value

    @model_validator(mode="after")
    def _fits(self) -> Token:
        coin = self.standard in {"erc20", "native"}
        if bool(self.contract) == (self.standard == "native"):
            raise ValueError("a native coin has no contract" if self.contract else "contract must be set")
        if self.id is not None and coin:
            raise ValueError(f"{self.standard} has no token ids")
        if self.id is None and self.standard == "erc1155":
            raise ValueError("erc1155 needs the token's id")
        if self.decimals is not None and self.standard != "erc20":
            raise ValueError("decimals belong to erc20 alone")
        if self.min is None and coin:
            raise ValueError('min must be set, in whole coins: "0.5"')
        if self.standard == "erc721" and self.id is not None and self.min not in (None, 1):
            raise ValueError("there is only one token of each id in erc721: leave min out")
        if not coin and self.min is not None and self.min != self.min.to_integral_value():
            raise ValueError("min is a number of tokens, without a fraction")
        return self


class Wanted(_Part):
    """What a credential must be: who issued it, of which type, and one claim that it must make with this value."""

    issuer: Did
    type: Name
    claim: dict[Name, str | int | bool] = Field({}, max_length=8)


class Credential(_Part):
    """A verified credential is held."""

    credential: Wanted


class DidIs(_Part):
    """The person has proved this DID."""

    did: Did


class Group(_Part):
    """The person is in a group of this node."""

    group: Name


class Any_(_Part):
    """At least one holds."""

    any: list[Rule] = Field(min_length=1)


class All(_Part):
    """Each holds."""

    all: list[Rule] = Field(min_length=1)


class Not(_Part):
    """It does not hold. What cannot be told stays untold."""

    not_: Rule = Field(alias="not")


def _kind(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return _KINDS.get(type(value))
    found = [name for name in _NODES if name in value] if isinstance(value, dict) else []
    return found[0] if len(found) == 1 else None


Leaf = Token | Credential | DidIs | Group
Rule = Annotated[
    Annotated[Any_, Tag("any")]
    | Annotated[All, Tag("all")]
    | Annotated[Not, Tag("not")]
    | Annotated[Token, Tag("chain")]
    | Annotated[Credential, Tag("credential")]
    | Annotated[DidIs, Tag("did")]
    | Annotated[Group, Tag("group")],
    Discriminator(
        _kind,
        custom_error_type="rule",
        custom_error_message="write one of any, all, not, chain, credential, did, group, as a table",
    ),
]
_KINDS: dict[type[Any], str] = {
    Any_: "any", All: "all", Not: "not", Token: "chain", Credential: "credential", DidIs: "did", Group: "group",
}  # fmt: skip


class _Root(BaseModel):
    rule: Rule


for _model in (Any_, All, Not, _Root):
    _model.model_rebuild()


def parse_rule(text: str) -> Rule:
    """Read a rule written in JSON (it begins with a brace) or in TOML.

    Raises:
        RuleError: with every fault found, one a line.
    """
    if len(text) > MAX_TEXT:
        raise RuleError(f"the rule is longer than {MAX_TEXT} characters")
    try:
        raw = text.encode()  # lone surrogates end here
        value = from_json(raw) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RuleError(f"the rule is neither JSON nor TOML: {str(error)[:200]}") from None
    return read_rule(value)


def read_rule(value: object) -> Rule:
    """Read a rule from plain values.

    Raises:
        RuleError: as `parse_rule`.
    """
    _measure(value)
    try:
        return _Root.model_validate({"rule": value}).rule
    except ValidationError as error:
        faults = sorted({_fault(cast("dict[str, Any]", item)) for item in error.errors()})
        raise RuleError("the rule cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults)) from None


def _measure(value: object) -> None:
    """Refuse trees that are too deep or too wide, before anything recurses into them."""
    leaves, level = 0, [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            inner = [item[key] for key in ("any", "all", "not") if key in item] if isinstance(item, dict) else []
            leaves += not inner
            for part in inner:
                below += part if isinstance(part, list) else [part]
        if leaves > MAX_LEAVES or len(below) > MAX_LEAVES:
            raise RuleError(f"the rule asks for more than {MAX_LEAVES} things")
        if not below:
            return
        level = below
    raise RuleError(f"the rule is nested more than {MAX_DEPTH} levels deep")


def _fault(item: dict[str, Any]) -> str:
    where = ".".join(_path(item["loc"][1:])) or "rule"
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    if item["type"] == "missing":
        return f"{where}: must be set"
    return f"{where}: {item['msg'].removeprefix('Value error, ')}"


def _path(location: tuple[str | int, ...]) -> Iterator[str]:
    """The keys alone: pydantic puts the union's tag before them, all.all.0.not.not.group.group."""
    tag, at_node = "", True
    for part in location:
        if at_node and isinstance(part, str):
            tag, at_node = part, False
            continue
        yield str(part)
        at_node = isinstance(part, int) or (tag == "not" and part == "not")


def write_rule(rule: Rule) -> str:
    """A rule as JSON, in one spelling: what is kept and compared."""
    plain = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(_texts(plain), separators=(",", ":"), sort_keys=True)


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: str(item) if key == "id" else _texts(item) for key, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else value


def digest(rule: Rule) -> bytes:
    """32 bytes that name a rule."""
    return hashlib.sha256(write_rule(rule).encode()).digest()


def leaves(rule: Rule) -> Iterator[Leaf]:
    """The rule's leaves, from left to right, those that stand in it twice twice."""
    match rule:
        case Any_():
            branches = rule.any
        case All():
            branches = rule.all
        case Not():
            branches = [rule.not_]
        case _:
            yield rule
            return
    for branch in branches:
        yield from leaves(branch)
