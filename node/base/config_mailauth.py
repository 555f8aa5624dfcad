"""Settings of message authentication: who a message is from, by SPF, DKIM, ARC, DMARC and the address's name."""

from __future__ import annotations

from ipaddress import ip_address

from pydantic import Field, field_validator

from node.base.config_places import Endpoint, Endpoints, Section, at


class MailAuth(Section):
    """Whether mail from outside really comes from whom it says (docs/mailauth.md). It refuses nothing by itself."""

    enabled: bool = Field(True, description="Off: no Authentication-Results, and nothing is asked of the DNS for mail.")
    name_servers: Endpoints = Field(
        at(), max_length=8, description="Resolvers to ask, such as 127.0.0.1:53. Empty: the system's."
    )
    deadline_seconds: float = Field(20.0, gt=0, le=120, description="What is not known by then is a temperror.")

    @field_validator("name_servers")
    @classmethod
    def _addresses(cls, value: list[Endpoint]) -> list[Endpoint]:
        for each in value:
            try:
                ip_address(each.host)
            except ValueError:
                raise ValueError(f"{each.host!r} is no IP address: a name server cannot be looked up by name") from None
        return value
