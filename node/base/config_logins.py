"""Settings of logging in: who is slowed down, and who is shut out."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from node.base.config_places import Section


class Logins(Section):
    """Networks that attack accounts are shut out for a growing time (docs/identity.md)."""

    block: bool = Field(True, description="Off: who keeps failing is slowed down, and never shut out.")
    failures: int = Field(
        10, ge=3, le=1000, description="Failed logins from a network within an hour that shut it out."
    )
    names: int = Field(5, ge=1, le=16, description="Over at least so many names: one forgetful person is no attack.")
    first_minutes: int = Field(15, ge=1, le=1440, description="The first block of a week; each further one doubles.")
    longest_hours: int = Field(24, ge=1, le=720, description="No block lasts longer.")
    never_block: list[str] = Field(
        ["127.0.0.0/8", "::1/128"],
        max_length=100,
        description="Networks that are never shut out, such as a proxy that all clients come through.",
    )

    @field_validator("never_block")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(f"{text!r} is no network: write 192.0.2.0/24 or 2001:db8::/32") from None
        return value
