"""The embedded chain itself: py-evm over SQLite, synchronous. Only `worker` imports this (`embedded` says why).

A private chain with one account that matters: a block is made for each transaction, nobody mines, and the account
is given what gas costs. It runs the same bytecode as a public chain, and proves nothing to anybody who does not
trust the machine it runs on (docs/proof.md).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from eth.chains.base import MiningChain
from eth.consensus.pos import PosConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import CanonicalHeadNotFound, HeaderNotFound, TransactionNotFound
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.shanghai.withdrawals import Withdrawal
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from node.base.errors import Permanent
from node.net.chain.deployer import DEPLOYER, MAKER, MAKER_GWEI, TRANSACTION
from node.net.chain.embedded import CHAIN_ID
from node.net.chain.interface import Block, Event, NoState, Reverted, TxResult
from node.net.chain.keyvalue import KeyValue
from node.net.chain.transaction import Transaction, address_of, checksummed, contract_address, raw_address

GAS_LIMIT = 30_000_000
TRANSACTION_GAS = 2_000_000
TIP, MAX_FEE = 1, 10**12  # wei; the base fee sinks to 7 on a chain without traffic
ALLOWANCE = 10**10  # Gwei, given whenever less than one transaction's highest price is left
NOBODY = bytes(20)

PrivateChain = MiningChain.configure(
    __name__="PrivateChain",
    vm_configuration=((0, CancunVM.configure(consensus_class=PosConsensus)),),
    chain_id=CHAIN_ID,
)

GENESIS: dict[str, Any] = {"difficulty": 0, "gas_limit": GAS_LIMIT, "timestamp": 1_700_000_000, "base_fee_per_gas": 7}


class Evm:
    """One open chain, for one thread.

    Args:
        path: the SQLite file.
        key: the private key that `send` signs with; None opens read-only.

    Raises:
        Temporary: the file cannot be opened.
        Permanent: there is no chain in it yet, and it may only be read.
    """

    def __init__(self, path: Path, key: bytes | None) -> None:
        self._key = key
        self._pairs = KeyValue(path, readonly=key is None)
        self._database = AtomicDB(self._pairs)
        try:
            self._begin()
        except BaseException:
            self._pairs.close()
            raise

    def _begin(self) -> None:
        with self._pairs.transaction(write=self._key is not None):
            try:
                self._chain().get_canonical_head()
            except CanonicalHeadNotFound:
                if self._key is None:
                    raise Permanent("there is no embedded chain here yet: start the node once") from None
                PrivateChain.from_genesis(self._database, GENESIS)
            if self._key is not None:
                _have_deployer(self._chain())

    def _chain(self) -> Any:
        # Made anew each time (a third of a millisecond): what a failed transaction left in py-evm's objects cannot
        # reach the next one, and what another process wrote is seen.
        return PrivateChain(self._database)

    def close(self) -> None:
        """Close the file."""
        self._pairs.close()

    def head(self) -> Block:
        """The newest block."""
        with self._pairs.transaction():
            header = self._chain().get_canonical_head()
            return Block(header.block_number, header.hash, header.timestamp)

    def block(self, number: int) -> Block:
        """The block of that number; see `interface.Chain.block`."""
        with self._pairs.transaction():
            header = _header(self._chain(), number)
            return Block(header.block_number, header.hash, header.timestamp)

    def call(self, to: str, data: bytes, block: int | None) -> bytes:
        """Run a view; see `interface.Chain.call`."""
        with self._pairs.transaction():
            chain = self._chain()
            header = chain.get_canonical_head() if block is None else _header(chain, block)
            unsigned = chain.create_unsigned_transaction(
                nonce=0, gas_price=header.base_fee_per_gas, gas=TRANSACTION_GAS, to=raw_address(to), value=0, data=data
            )
            vm = chain.get_vm(header)
            with vm.in_costless_state() as state:
                computation = state.costless_execute_transaction(SpoofTransaction(unsigned, from_=NOBODY))
            _raise_if_reverted(computation)
            return bytes(computation.output)

    def code(self, address: str) -> bytes:
        """The contract's bytecode; see `interface.Chain.code`."""
        with self._pairs.transaction():
            chain = self._chain()
            return bytes(chain.get_vm(chain.get_canonical_head()).state.get_code(raw_address(address)))

    def events(self, address: str, block: int) -> list[Event]:
        """What the contract logged in a block; see `interface.Chain.events`."""
        wanted = raw_address(address)
        with self._pairs.transaction():
            chain = self._chain()
            _header(chain, block)
            found = chain.get_canonical_block_by_number(block)
            pairs = zip(found.transactions, found.get_receipts(chain.chaindb), strict=True)
            return [
                Event(tuple(topic.to_bytes(32, "big") for topic in entry.topics), entry.data, block, transaction.hash)
                for transaction, receipt in pairs
                for entry in receipt.logs
                if entry.address == wanted
            ]

    def send(self, to: str | None, data: bytes) -> TxResult:
        """Put a transaction in a block of its own, on disk; see `interface.Chain.send`."""
        if self._key is None:
            raise Permanent("this chain was opened for reading only")
        with self._pairs.transaction(write=True):
            chain = self._chain()
            sender = raw_address(address_of(self._key))
            state = chain.get_vm(chain.get_canonical_head()).state
            if state.get_balance(sender) < MAX_FEE * TRANSACTION_GAS:
                _mine(chain, [], [Withdrawal(0, 0, Address(sender), ALLOWANCE)])
            nonce = state.get_nonce(sender)
            raw = Transaction(CHAIN_ID, nonce, TIP, MAX_FEE, TRANSACTION_GAS, to, data).sign(self._key)
            transaction = chain.get_vm().get_transaction_builder().decode(raw)
            try:
                imported, receipt, computation = _mine(chain, [transaction], None)
            except ValidationError as error:
                raise Permanent(f"the embedded chain takes no such transaction: {error}") from error
            _raise_if_reverted(computation)
            contract = checksummed(computation.msg.storage_address) if to is None else None
            return _result(transaction.hash, imported.header, contract, receipt.gas_used)

    def result(self, hash: bytes) -> TxResult | None:
        """What became of a transaction; see `interface.Chain.result`."""
        with self._pairs.transaction():
            chain = self._chain()
            try:
                number, index = chain.chaindb.get_transaction_index(hash)
            except TransactionNotFound:
                return None
            block = chain.get_canonical_block_by_number(number)
            transaction = block.transactions[index]
            spent = [0, *(receipt.gas_used for receipt in block.get_receipts(chain.chaindb))]  # each with those before
            made = None if transaction.to else contract_address(checksummed(transaction.sender), transaction.nonce)
            return _result(hash, block.header, made, spent[index + 1] - spent[index])


def _result(hash: bytes, header: Any, contract: str | None, gas: int) -> TxResult:
    return TxResult(hash, header.block_number, contract, gas, gas * (header.base_fee_per_gas + TIP), header.hash)


def _mine(chain: Any, transactions: list[Any], withdrawals: list[Withdrawal] | None) -> tuple[Any, Any, Any]:
    """Make one block; return it with the first transaction's receipt and computation."""
    parent = chain.get_canonical_head()
    chain.set_header_timestamp(max(int(time.time()), parent.timestamp + 1))  # the clock may jump back, a chain may not
    result, receipts, computations = chain.mine_all(transactions, withdrawals=withdrawals)
    return result.imported_block, *(receipts[:1] or [None]), *(computations[:1] or [None])


def _have_deployer(chain: Any) -> None:
    """Put the deterministic deployment proxy on the chain, if it is not there: two blocks, once."""
    if chain.get_vm(chain.get_canonical_head()).state.get_code(Address(raw_address(DEPLOYER))):
        return
    _mine(chain, [], [Withdrawal(0, 0, Address(raw_address(MAKER)), MAKER_GWEI)])
    _mine(chain, [chain.get_vm().get_transaction_builder().decode(TRANSACTION)], None)


def _header(chain: Any, number: int) -> Any:
    try:
        return chain.get_canonical_block_header_by_number(number)
    except HeaderNotFound:
        raise NoState(f"the embedded chain has no block {number}") from None


def _raise_if_reverted(computation: Any) -> None:
    if computation.is_error:
        raise Reverted(f"the contract refused: {computation.error!r}", bytes(computation.output))
