"""Settings of logins with outside OpenID providers."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from identity.oauth import endpoint
from node.base.config_places import Section

MAX_PROVIDERS = 8


class OidcProvider(Section):
    """One provider: a table `[[oidc.providers]]`."""

    name: str = Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,38}[A-Za-z0-9])?$", description="As the button says.")
    issuer: str = Field(max_length=512, description="Its issuer, letter for letter: https://accounts.example.org.")
    client_id: str = Field(pattern=r"^[!-~]{1,255}$", description="What this node is called there.")
    client_secret_file: Path | None = Field(None, description="File with the secret. Empty: a public client.")
    allow_loopback: bool = Field(False, description="For tests: the issuer may be http:// on this machine.")

    @property
    def slug(self) -> str:
        """The name in addresses."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())

    @model_validator(mode="after")
    def _reachable(self) -> OidcProvider:
        if "?" in self.issuer or endpoint.place(self.issuer, near=self.allow_loopback) is None:
            raise ValueError("an issuer is https://host/path, without a query")
        return self


class Oidc(Section):
    """Logging in to the pages with an outside OpenID provider (docs/identity.md)."""

    providers: list[OidcProvider] = Field(
        [], max_length=MAX_PROVIDERS, description="Tables [[oidc.providers]]: name, issuer, client_id. None: off."
    )

    @field_validator("providers")
    @classmethod
    def _apart(cls, value: list[OidcProvider]) -> list[OidcProvider]:
        if len({one.slug for one in value}) != len(value) or len({one.issuer for one in value}) != len(value):
            raise ValueError("two providers have the same name or issuer")
        return value
