"""Settings of a directory in LDAP."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from node.base.config_places import Section, is_near


class Ldap(Section):
    """People, aliases and groups from an LDAP server, beside the node's own (docs/directory.md)."""

    enabled: bool = Field(False, description="Ask the server whose an address is. Needs the extra [ldap].")
    url: str = Field("ldap://127.0.0.1", description="ldaps://host, or ldap://host near by or with starttls.")
    starttls: bool = Field(False, description="Begin TLS on ldap:// before anything else is said.")
    ca: Path | None = Field(None, description="PEM file of the CA that signed the server. Empty: the system's.")
    bind_dn: str = Field("", description="Who reads. Empty: anonymous.")
    password_file: Path | None = Field(None, description="File with the password of bind_dn.")
    base: str = Field("", description="Where people and groups are, such as dc=example,dc=org.")
    people_filter: str = Field(
        "(&(objectClass=inetOrgPerson)(|(mail={address})(mailLocalAddress={address})))",
        description="Finds the person of an {address}.",
    )
    group_filter: str = Field(
        "(&(objectClass=groupOfNames)(mail={address}))", description="Finds the group of an {address}."
    )
    address_attributes: list[str] = Field(
        ["mail", "mailLocalAddress"], min_length=1, max_length=8, description="Hold the addresses; the first its main."
    )
    name_attribute: str = Field("cn", description="Holds what somebody is called.")
    member_attribute: str = Field("member", description="Holds a group's members: DNs or addresses.")
    deadline_seconds: float = Field(5, gt=0, le=30, description="A slower answer counts as none: mail gets 4xx.")
    fresh_seconds: float = Field(60, ge=0, le=3600, description="So long an answer counts without asking again.")

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname or parts.username or parts.password:
            raise ValueError("an LDAP server is ldaps://host or ldap://host, without a name or password")
        return value

    @field_validator("people_filter", "group_filter")
    @classmethod
    def _asks_for_an_address(cls, value: str) -> str:
        if "{address}" not in value:
            raise ValueError("the filter needs {address} where the address belongs")
        return value

    @model_validator(mode="after")
    def _private(self) -> Ldap:
        parts = urlsplit(self.url)
        if parts.scheme == "ldap" and not self.starttls and not is_near(parts.hostname or ""):
            raise ValueError("the LDAP server is in another network: reach it over ldaps://, or with starttls = true")
        return self
