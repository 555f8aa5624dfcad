"""Settings of the OAuth provider."""

from __future__ import annotations

from pydantic import Field, field_validator

from identity.oauth import redirect
from node.base.config_places import Section


class OAuth(Section):
    """Logging mail clients in with OAuth 2.1 and OpenID Connect, without an app password (docs/identity.md)."""

    enabled: bool = Field(True, description="Off: no tokens are given out, and none is taken.")
    clients: dict[str, list[str]] = Field(
        {"thunderbird": ["http://localhost", "http://127.0.0.1", "http://[::1]"]},
        max_length=100,
        description="Mail clients that need not register: id and redirect URIs. Loopback addresses go to any port.",
    )
    registration: bool = Field(True, description="Other clients may register themselves: names are not checked.")
    max_clients: int = Field(1000, ge=1, description="So many may be registered at a time.")
    access_minutes: int = Field(60, ge=1, le=1440, description="Life of an access token; clients refresh it.")
    refresh_days: int = Field(90, ge=1, le=3650, description="A client that does not refresh for so long is forgotten.")

    @field_validator("clients")
    @classmethod
    def _usable(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, uris in value.items():
            if not name.isascii() or not name.isprintable() or not 0 < len(name) <= 64 or " " in name:
                raise ValueError("a client's id has 1 to 64 characters of ASCII, without spaces")
            for uri in uris:
                if wrong := redirect.check(uri):
                    raise ValueError(f"{name}: {wrong}")
        return value
