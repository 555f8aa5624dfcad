"""Settings of decentralised identifiers."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from node.base.config_places import Section

# ERC-1056, as the ethr DID method lists its deployments.
REGISTRIES = {
    "eip155:1": "0xdca7ef03e98e0dc2b855be647c39abe984fcf21b",
    "eip155:11155111": "0x03d5003bf0e79C5F5223588F347ebA39AfbC3818",
}


class Dids(Section):
    """DIDs: logging in with them, and publishing them."""

    resolve_web: bool = Field(
        True, description="Fetch did:web documents and status lists: HTTPS, public addresses only. Off: others only."
    )
    publish: bool = Field(
        False, description="Answer for did:web and WebFinger: for the mail domains, and for people who want it."
    )
    registries: dict[str, str] = Field(
        REGISTRIES,
        max_length=32,
        description="Contract (ERC-1056) that knows a chain's did:ethr; `chains.rpc` must name a server of the chain.",
    )

    @field_validator("registries")
    @classmethod
    def _contracts(cls, value: dict[str, str]) -> dict[str, str]:
        for chain, address in value.items():
            if not re.fullmatch(r"eip155:[1-9][0-9]{0,18}", chain):
                raise ValueError(f'{chain[:60]!r} is no chain of this kind: write "eip155:1" for Ethereum')
            if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
                raise ValueError("a contract's address is 0x and 40 hex digits")
        return value
