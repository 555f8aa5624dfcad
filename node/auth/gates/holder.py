"""Who asks to be let through a gate, and what is known of them beside the chains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from identity.gates.rule import Wanted
from identity.gates.verdict import Finding
from node.store import accounts
from node.store.transaction import Reading

MAX_WALLETS = 16  # of one account that a gate asks about
_WALLET = re.compile(r"(?P<chain>eip155(?::[0-9]{1,32})?):0x(?P<address>[0-9a-f]{40})\Z")


@dataclass(frozen=True, slots=True)
class Holder:
    """One account, or a newcomer without one.

    Attributes:
        account_id: None for a newcomer.
        subjects: the identities it has proved, as the store spells them.
        credentials: of somebody without an account: the DID that shows them, and compact tokens.
    """

    account_id: int | None
    subjects: tuple[str, ...]
    credentials: tuple[tuple[str, str], ...] = ()

    def wallets(self, chain: str) -> list[bytes]:
        """The addresses that are this person's on a chain (CAIP-2); a contract wallet's belong to its own chain."""
        found = [_WALLET.match(subject) for subject in self.subjects]
        own = [match["address"] for match in found if match and match["chain"] in ("eip155", chain)]
        return [bytes.fromhex(address) for address in dict.fromkeys(own)][:MAX_WALLETS]

    def is_known_as(self, did: str) -> bool:
        """True for a DID that is bound to the account, and for did:pkh of a wallet that is."""
        if did in self.subjects:
            return True
        chain, _, address = did.removeprefix("did:pkh:").rpartition(":")
        if not did.startswith("did:pkh:eip155:"):
            return did.startswith("did:pkh:solana:") and f"solana:{address}" in self.subjects
        return any(address.lower() == f"0x{wallet.hex()}" for wallet in self.wallets(chain))


class Evidence(Protocol):
    """What is known of people beside chains. Implementations answer in bounded time and never raise."""

    async def credential(self, holder: Holder, wanted: Wanted) -> Finding:
        """Whether the person has shown such a credential, and it still holds."""
        ...

    async def group(self, holder: Holder, name: str) -> Finding:
        """Whether the person is in that group."""
        ...


def holder_of(tx: Reading, account_id: int) -> Holder:
    """An account as gates see it."""
    return Holder(account_id, tuple(accounts.identities(tx, account_id)))
