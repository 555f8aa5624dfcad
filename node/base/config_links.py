"""Settings of what the block store gives over HTTP: the trustless gateway, and links instead of attachments."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, field_validator

from node.base.address import AddressError, normalize_domain
from node.base.config_places import Section

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Gateway(Section):
    """The trustless gateway at /ipfs (docs/ipfs.md): sealed blocks for peers."""

    enabled: bool = Field(False, description="Answer /ipfs/<CID>. Nobody but the peers below unless public is set.")
    public: bool = Field(False, description="Give blocks to everybody. They are sealed; their sizes and number show.")
    peers: list[str] = Field([], max_length=256, description='Addresses or networks of peers: "2001:db8::/48".')
    tokens_sha256: list[Digest] = Field(
        [], max_length=256, description="SHA-256 in hex of the bearer tokens of peers; the tokens stand nowhere here."
    )

    @field_validator("peers")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"{text!r} is neither an address nor a network: {error}") from None
        return value


class Links(Section):
    """Links instead of large attachments in mail to the outside (docs/ipfs.md)."""

    enabled: bool = Field(False, description="Accounts may send large attachments as links.")
    domains: list[str] = Field(
        [],
        max_length=1000,
        description="Domains of senders who send links unless they chose otherwise.",
    )
    threshold_mib: float = Field(10, ge=0.001, le=1024, description="Decoded size from which attachments become links.")
    days: int = Field(30, ge=1, le=365, description="How long a link works.")
    downloads: int = Field(10, ge=1, le=1000, description="Downloads of a link for each outside recipient.")

    @field_validator("domains")
    @classmethod
    def _normal(cls, value: list[str]) -> list[str]:
        try:
            return [normalize_domain(text) for text in value]
        except AddressError as error:
            raise ValueError(str(error)) from None
