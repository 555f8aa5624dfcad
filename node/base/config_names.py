"""Settings of names: ENS, and who may open a mailbox by themselves."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from node.base.config_places import Section

REGISTRY = "0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e"  # of Ethereum's main chain (EIP-137)


class Ens(Section):
    """ENS: mail for alice.eth@ our domains goes to whoever holds alice.eth (docs/identity.md)."""

    enabled: bool = Field(False, description="Look names up. `chains.rpc` must name a server of the chain.")
    chain: str = Field("eip155:1", pattern=r"^eip155:[1-9][0-9]{0,31}$", description="The chain the registry lives on.")
    registry: str = Field(REGISTRY, description="Address of the registry.")
    fresh_minutes: float = Field(10, ge=1, le=1440, description="So long a name counts without being looked up again.")
    stale_hours: float = Field(
        24, ge=0, le=720, description="So long a name counts that was found before, while the chain is away."
    )
    offchain: bool = Field(
        False, description="Ask gateways that names' contracts point to (CCIP-Read): HTTPS, public addresses only."
    )

    @field_validator("registry")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
            raise ValueError("a contract's address is 0x and 40 hex digits")
        return value


Local = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Signup(Section):
    """Opening a mailbox by oneself, with a wallet (docs/gates.md)."""

    enabled: bool = Field(False, description="Offer it. A gate (`gate set DOMAIN RULE --for signup`) decides who may.")
    open: bool = Field(False, description="At domains without such a gate: let everybody in, not invited people alone.")
    reserved: list[Local] = Field(
        [], max_length=1000, description="Local parts that nobody may take, beside admin and such."
    )
    per_day: int = Field(200, ge=1, le=100_000, description="Mailboxes that are opened in a day at most.")
