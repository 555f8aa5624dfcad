"""Settings of decentralised identifiers."""

from __future__ import annotations

from pydantic import Field

from node.base.config_places import Section


class Dids(Section):
    """DIDs: logging in with them, and publishing them."""

    resolve_web: bool = Field(
        True, description="Fetch did:web documents and status lists: HTTPS, public addresses only. Off: others only."
    )
    publish: bool = Field(
        False, description="Answer for did:web and WebFinger: for the mail domains, and for people who want it."
    )
