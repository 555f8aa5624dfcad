"""Settings of the chains that the node reads: who answers for each, and how gates use the answers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from node.base.config_places import Section, is_near

_CAIP2 = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}\Z", re.ASCII)


class Chains(Section):
    """Chains that are read, for wallets and token gates: JSON-RPC servers by CAIP-2 name."""

    rpc: dict[str, str] = Field(
        {},
        max_length=32,
        description='JSON-RPC server of each chain: { "eip155:1" = "https://..." }. An unnamed chain is unknown.',
    )
    deadline_seconds: float = Field(5.0, gt=0, le=60, description="A slower answer counts as none.")
    oldest_block_minutes: float = Field(
        120, gt=0, description="A server whose newest final block is older hangs behind, and counts as away."
    )

    @field_validator("rpc")
    @classmethod
    def _named_and_private(cls, value: dict[str, str]) -> dict[str, str]:
        for chain, url in value.items():
            if not _CAIP2.match(chain):
                raise ValueError(f'{chain[:60]!r} is no CAIP-2 name of a chain: write "eip155:1" for Ethereum')
            check_server(chain, url)
        return value


class Gates(Section):
    """Token gates: mailboxes that only holders of something get into (docs/gates.md)."""

    ends_within_seconds: float = Field(
        60, ge=3, le=86_400, description="Open sessions end so soon after a token or an app password is gone."
    )
    grace_minutes: float = Field(
        60, ge=0, le=43_200, description="So long a last good answer lets people in while a chain cannot be asked."
    )

    @property
    def fresh_seconds(self) -> float:
        """How long a chain's newest block is taken for its newest: a third of the time is spent between two looks."""
        return self.ends_within_seconds / 6


def check_server(chain: str, url: str) -> None:
    """Raises ValueError for what is no URL of a JSON-RPC server, or one that would show our questions to a network."""
    check_address(f"the server of {chain}", url)


def check_address(what: str, url: str) -> None:
    """Raises ValueError, about `what`, for what is no web address, or one in another network without https."""
    # The URL itself is never repeated: it often carries the operator's API key.
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.fragment:
        raise ValueError(f"{what} is https://host/path, without a name, password or #")
    if parts.scheme == "http" and not is_near(host):
        raise ValueError(f"{what} is in another network: reach it over https:// only")
