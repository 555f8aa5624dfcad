"""A message and a signature in, the identities they prove out: keys of Ethereum and Solana, and contract wallets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import identity.refusal
from identity import caip122, contract_wallet, eip4361, ethereum, solana
from identity.caip122 import SOLANA, Expectation
from identity.contract_wallet import Signature
from node.auth.challenges import NONCE_SECONDS
from node.auth.contract_wallets import ContractWallets
from node.auth.refusal import Refusal

Claim = eip4361.Message | caip122.Message

_NO_CHAIN = Refusal(
    identity.refusal.Reason.BAD_SIGNATURE,
    False,
    "the signature does not have 65 octets, and this node does not read the chain on which a contract could check it",
)


@dataclass(frozen=True, slots=True)
class WalletSettings:
    """What a login must be bound to.

    Attributes:
        domain: authority people see in the address bar, "mail.example.org" or "localhost:8080".
        uri: the login page's address.
        chain_ids: EIP-155 chains a message may name.
        solana_chains: chains a Solana wallet's message may name; empty: no Solana wallet logs in.
    """

    domain: str
    uri: str
    chain_ids: frozenset[int]
    solana_chains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proved:
    """Somebody signed for us, now. Whether they may do what they want is another question.

    Attributes:
        subjects: the names this proves, any of which may be bound to an account; never empty.
    """

    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """The message is right, and no key signed it for its address: only the chain knows whether a contract did.

    Attributes:
        message: the message, and `digest` what its signer signed.
        refusal: why no key did; the answer when the chain knows no better.
    """

    message: eip4361.Message
    digest: bytes
    signature: Signature
    refusal: Refusal


class WalletProofs:
    """Judges signed messages.

    Args:
        settings: what a message must say.
        contracts: the chains to ask about contract wallets.
        clock: unix seconds.
    """

    def __init__(
        self, settings: WalletSettings, contracts: ContractWallets, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._contracts = contracts
        self._clock = clock

    def check(
        self, claim: Claim | Refusal, text: str, signature: str, *, uri: str, statement: str
    ) -> Proved | Open | Refusal:
        """Judge all that can be judged here: the message, and a key's signature over it.

        1. The text followed its grammar. 2. It was written for us, for this, for now. 3. A key signed these octets,
        or a contract wallet may have.

        Args:
            claim: what `read` made of `text`. Whether its nonce is good, the caller asks the store.
            uri: ours.
            statement: what the message must say: a signature for one deed is none for another.
        """
        if isinstance(claim, Refusal):  # 1
            return claim
        chains = self.settings.chain_ids if isinstance(claim, eip4361.Message) else self.settings.solana_chains
        lifetime = timedelta(seconds=NONCE_SECONDS)
        expected = Expectation(self.settings.domain, uri, chains, claim.nonce, lifetime=lifetime, statement=statement)
        refused = caip122.judge(claim, expected, datetime.fromtimestamp(self._clock(), UTC))  # 2
        if refused is not None:
            return _as_ours(refused)
        if isinstance(claim, eip4361.Message):  # 3
            return self._of_ethereum(claim, text, signature)
        return _of_solana(claim, text, signature)

    def _of_ethereum(self, claim: eip4361.Message, text: str, signature: str) -> Proved | Open | Refusal:
        octets = ethereum.parse_signature(signature)
        if isinstance(octets, identity.refusal.Refusal):
            return _as_ours(octets)
        bare = contract_wallet.unwrap(octets)
        if isinstance(bare, identity.refusal.Refusal):
            return _as_ours(bare)
        refused = eip4361.check_signer(text, bare.inner, claim.address)
        if refused is None:
            # The key is the same on every chain: it is also the account that somebody bound with its chain.
            return Proved((ethereum.subject(claim.address), _on_chain(claim)))
        if claim.chain_id not in self._contracts.chain_ids:
            return _as_ours(refused) if len(bare.inner) == ethereum.SIGNATURE_SIZE else _NO_CHAIN
        return Open(claim, ethereum.personal_hash(text.encode("utf-8")), bare, _as_ours(refused))

    async def settle(self, proof: Proved | Open | Refusal) -> Proved | Refusal:
        """Ask the chain where only the chain can tell. Costs the operator a question: spend the nonce before."""
        if not isinstance(proof, Open):
            return proof
        message = proof.message
        refusal = await self._contracts.refusal(message.chain_id, message.address, proof.digest, proof.signature)
        if refusal is None:
            # With its chain: the same address on another one may be somebody else's contract.
            return Proved((_on_chain(message),))
        by_key = len(proof.signature.inner) == ethereum.SIGNATURE_SIZE and not refusal.temporary
        return proof.refusal if by_key else refusal


def read(text: str) -> Claim | Refusal:
    """A sign-in message of whatever kind of wallet."""
    claim = caip122.parse(text) if caip122.is_of(text, SOLANA) else eip4361.parse(text)
    return _as_ours(claim) if isinstance(claim, identity.refusal.Refusal) else claim


def _of_solana(claim: caip122.Message, text: str, signature: str) -> Proved | Refusal:
    octets, key = solana.parse_signature(signature), solana.parse_address(claim.address)
    if isinstance(octets, identity.refusal.Refusal):
        return _as_ours(octets)
    if isinstance(key, identity.refusal.Refusal):
        return _as_ours(key)
    refused = solana.verify(text.encode("utf-8"), octets, key)
    return Proved((solana.subject(key),)) if refused is None else _as_ours(refused)


def _on_chain(message: eip4361.Message) -> str:
    return f"eip155:{message.chain_id}:0x{message.address.hex()}"


def _as_ours(refusal: identity.refusal.Refusal) -> Refusal:
    return Refusal(refusal.reason, False, refusal.words)
