"""Settings of anchoring: the log's own pace, and each chain that its heads are written to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from node.base.config_chains import check_server
from node.base.config_places import Section

MAX_CHAINS = 8
MAX_SERVERS = 8
GWEI = 10**9

_CHAIN = re.compile(r"eip155:[1-9][0-9]{0,17}\Z", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z", re.ASCII)


class AnchorChain(Section):
    """A chain behind JSON-RPC that the log's heads are written to (docs/proof.md)."""

    rpc: list[str] = Field(
        min_length=1, max_length=MAX_SERVERS, description="JSON-RPC servers; the first that answers is asked."
    )
    contract: str = Field("deploy", description='TreeHeads there, 0x...; "deploy": this node makes its own.')
    every_minutes: float = Field(60, gt=0, le=43_200, description="Anchor at the latest this long after a message.")
    every_messages: int = Field(10_000, ge=1, description="Or at once when so many wait.")
    publish: bool = Field(True, description="Also publish the log's key and the policies there; costs gas once each.")
    max_fee_gwei: float = Field(
        100, gt=0, le=100_000, description="The most that is paid for one gas, replacements included; dearer: wait."
    )
    max_tip_gwei: float = Field(3, ge=0, le=100_000, description="The most of it that is a tip at first.")
    confirmations: Literal["finalized"] | int = Field(
        "finalized", description="Blocks until an anchor counts as there to stay, or what the chain calls final."
    )
    stuck_seconds: float = Field(
        120, ge=1, le=86_400, description="A transaction that is in no block after so long is replaced by a dearer one."
    )
    alert_hours: float = Field(24, gt=0, le=8760, description="A message that waits longer is an error in the log.")
    key_file: Path | None = Field(None, description="File with the key, 0600. Empty: keys/keeper.key.")
    key_variable: str = Field("", description="Or: environment variable that holds the key, 64 hexadecimal digits.")
    signer: list[str] = Field(
        [], max_length=64, description="Or: command that signs, JSON in, raw transaction out; `account` names it."
    )
    account: str = Field("", description="The signer command's account, 0x...")

    @field_validator("contract", "account")
    @classmethod
    def _address(cls, value: str) -> str:
        if value not in {"", "deploy"} and not _ADDRESS.match(value):
            raise ValueError(f"{value[:60]!r} is no address: 0x and 40 hexadecimal digits")
        return value

    @field_validator("confirmations")
    @classmethod
    def _some(cls, value: Literal["finalized"] | int) -> Literal["finalized"] | int:
        if isinstance(value, int) and not 1 <= value <= 100_000:
            raise ValueError('write "finalized", or a number from 1 to 100000')
        return value

    @field_validator("key_variable")
    @classmethod
    def _variable(cls, value: str) -> str:
        if value and not _VARIABLE.match(value):  # never repeated: it may be the key itself
            raise ValueError("this is no name of an environment variable; the key itself does not belong here")
        return value

    @model_validator(mode="after")
    def _fits(self) -> AnchorChain:
        if sum(map(bool, (self.key_file, self.key_variable, self.signer))) > 1:
            raise ValueError("name one of key_file, key_variable and signer")
        if bool(self.signer) != bool(self.account) or self.account == "deploy":
            raise ValueError("signer and account go together: the command, and whose transactions it signs")
        if self.alert_hours * 60 <= self.every_minutes:
            raise ValueError("alert_hours is no longer than every_minutes: each anchor would be late")
        if self.contract == "":
            raise ValueError('contract is an address, or "deploy"')
        return self

    @property
    def needed(self) -> int | None:
        """Confirmations as a number; None: what the chain calls final."""
        return None if isinstance(self.confirmations, str) else self.confirmations


class Anchor(Section):
    """The transparency log's way onto chains."""

    enabled: bool = Field(True, description="Off: the log grows and is signed, but not anchored.")
    every_seconds: float = Field(60, ge=1, description="Sign the log's head at the latest this long after a message.")
    every_messages: int = Field(1000, ge=1, description="Sign it at once when so many wait.")
    chain: Literal["embedded", "none"] = Field(
        "embedded",
        description="The private chain in the data directory, which takes each signed head: no independent evidence "
        '(docs/proof.md). "none": only the chains below.',
    )
    chains: dict[str, AnchorChain] = Field(
        {}, max_length=MAX_CHAINS, description='Other chains, by CAIP-2 name: tables [anchor.chains."eip155:1"].'
    )

    @field_validator("chains")
    @classmethod
    def _named(cls, value: dict[str, AnchorChain]) -> dict[str, AnchorChain]:
        for name, chain in value.items():
            if not _CHAIN.match(name):
                raise ValueError(f'{name[:60]!r} is no CAIP-2 name of an EVM chain: write "eip155:1" for Ethereum')
            for url in chain.rpc:
                check_server(name, url)
        return value
