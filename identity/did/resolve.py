"""What everybody who needs a DID's keys asks for: one interface, whoever fetches."""

from __future__ import annotations

from typing import Protocol

from identity.did import self_contained
from identity.did.document import Document
from identity.did.syntax import Did
from identity.refusal import Refusal


class Resolver(Protocol):
    """Finds the document of a DID. Implementations: `SelfContained` here, and the node's, which fetches did:web."""

    async def resolve(self, did: Did) -> Document | Refusal:
        """The document, or why there is none (unknown-method, malformed, unresolvable)."""
        ...


class SelfContained:
    """Resolves what needs no network; everything else is an unknown method."""

    async def resolve(self, did: Did) -> Document | Refusal:
        """See `Resolver`."""
        return self_contained.resolve(did)
