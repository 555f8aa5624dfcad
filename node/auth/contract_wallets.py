"""Asking a chain whether a contract wallet signed: one question, bounded, and anything but a clear yes is a no."""

from __future__ import annotations

from collections.abc import Mapping

import trio

import identity.refusal
from identity import contract_wallet
from identity.contract_wallet import CALLER, GAS, Signature
from node.auth.refusal import Reason, Refusal
from node.base import metrics
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.net.chain.interface import Reverted
from node.net.chain.jsonrpc import JsonRpcChain

log = get_log(__name__)

QUESTIONS = 4  # at a time: whoever begins a login makes us ask, and the answers may cost the operator money

_BUSY = Refusal(Reason.BUSY, True, "too many wallets are looked up at once; try again shortly", 5)
_AWAY = Refusal(
    Reason.CHAIN_AWAY, True, "the chain on which your wallet lives cannot be asked now; try again in a minute", 60
)
_FAILED = Refusal(identity.refusal.Reason.WRONG_SIGNER, False, "your wallet's contract could not check the signature")


class ContractWallets:
    """The chains that are asked about contract wallets.

    Args:
        servers: JSON-RPC server by CAIP-2 name; those of `eip155` are used.
        deadline: seconds for the whole question; a later answer counts as none.
    """

    def __init__(self, servers: Mapping[str, str], deadline: float = 5.0) -> None:
        names = ((name.partition(":"), url) for name, url in servers.items())
        self._servers = {int(number): url for (kind, _, number), url in names if kind == "eip155" and number.isdigit()}
        self._deadline = deadline
        self._turns = trio.Semaphore(QUESTIONS, max_value=QUESTIONS)

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """The EIP-155 chains that can be asked."""
        return tuple(self._servers)

    async def refusal(self, chain_id: int, wallet: bytes, digest: bytes, signature: Signature) -> Refusal | None:
        """Why a signature is not taken for the wallet's; None only when its contract said that it signed.

        Args:
            chain_id: one of `chain_ids`.
            wallet: 20 octets.
            digest: 32 octets that were signed.
        """
        code = contract_wallet.question(wallet, digest, signature)
        with trio.move_on_after(self._deadline):
            try:
                self._turns.acquire_nowait()
            except trio.WouldBlock:
                return _counted(_BUSY)
            try:
                return _counted(await self._ask(chain_id, code))
            finally:
                self._turns.release()
        log.warning("wallet.chain_away", chain=f"eip155:{chain_id}", error="no answer in time")
        return _counted(_AWAY)

    async def _ask(self, chain_id: int, code: bytes) -> Refusal | None:
        try:
            # Opened for each question: it asks again which chain this is, and a server of another one, where somebody
            # else may own the same address, lets nobody in.
            async with JsonRpcChain.open(self._servers[chain_id], None, chain_id) as chain:
                answer = await chain.create(code, CALLER, GAS)
        except Reverted:  # out of gas, or a chain without the instructions we need
            return _FAILED
        except (Temporary, Permanent) as error:
            log.warning("wallet.chain_away", chain=f"eip155:{chain_id}", error=type(error).__name__)
            return _AWAY
        refused = contract_wallet.read_answer(answer)
        return None if refused is None else Refusal(refused.reason, False, refused.words)


def _counted(result: Refusal | None) -> Refusal | None:
    metrics.wallet_questions.labels("valid" if result is None else result.reason.value).inc()
    return result
