"""Who signs a chain's transactions: a key in this process, or the operator's own program.

The program (a hardware module's, a key service's) gets one JSON object on its standard input and answers with the
signed transaction, 0x and hexadecimal digits, on its standard output. Its answer is believed no further than it can be
checked: the same fields, signed by the account of the settings.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from node.base.errors import Temporary
from node.net.chain.rpc import hexed
from node.net.chain.transaction import NoTransaction, Transaction, address_of, parse_signed

ANSWER_SECONDS = 30.0  # a hardware key may want to be touched
MAX_ANSWER = 1 << 18  # octets; a transaction of ours has some thousand


class Signer(Protocol):
    """Signs in one account's name."""

    @property
    def address(self) -> str:
        """The account, EIP-55."""

    async def sign(self, transaction: Transaction) -> bytes:
        """The signed transaction as it is sent.

        Raises:
            Temporary: it cannot sign now, or what it signed is something else.
        """


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A private key (32 bytes) in this process."""

    key: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """See `Signer`."""
        return address_of(self.key)

    async def sign(self, transaction: Transaction) -> bytes:
        """See `Signer`."""
        return transaction.sign(self.key)


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """The operator's own program.

    Args:
        command: program and arguments; no shell looks at them.
        address: the account it signs for, EIP-55.
        seconds: a later answer counts as none.
    """

    command: Sequence[str]
    address: str
    seconds: float = ANSWER_SECONDS

    async def sign(self, transaction: Transaction) -> bytes:
        """See `Signer`."""
        question = json.dumps(_as_json(transaction, self.address)).encode() + b"\n"
        try:
            with trio.fail_after(self.seconds):
                raw = _octets(await self._run(question))
            signed, sender = parse_signed(raw)
        except trio.TooSlowError:
            raise Temporary(f"the signer command gave no answer within {self.seconds:g} s") from None
        except OSError as error:
            raise Temporary(f"the signer command {self.command[0]} cannot be run: {error.strerror}") from None
        except NoTransaction as error:
            raise Temporary(f"the signer command's answer cannot be used: {error}") from None
        if signed != transaction:
            raise Temporary("the signer command signed another transaction than it was asked to")
        if sender != self.address:
            raise Temporary(f"the signer command signs as {sender}, the settings name {self.address}")
        return raw

    async def _run(self, question: bytes) -> bytes:
        """What the program writes; it is killed when it writes too much, hangs, or nobody waits any more."""
        process = await trio.lowlevel.open_process(
            list(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        answer = bytearray()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_feed, process.stdin, question)
                while chunk := await process.stdout.receive_some():
                    answer += chunk
                    if len(answer) > MAX_ANSWER:
                        raise Temporary(f"the signer command answers more than {MAX_ANSWER} octets")
            if await process.wait():
                raise Temporary(f"the signer command failed with exit code {process.returncode}")
        except* Temporary as group:
            raise group.exceptions[0] from None
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await process.stdin.aclose()
                await process.stdout.aclose()
        return bytes(answer)


async def _feed(stdin: trio.abc.SendStream, question: bytes) -> None:
    """Hand the question over; a program that does not read it to its end may still know the answer."""
    try:
        await stdin.send_all(question)
        await stdin.aclose()
    except trio.BrokenResourceError:
        pass


def _octets(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        raise NoTransaction("it is not 0x and hexadecimal digits") from None


def _as_json(transaction: Transaction, sender: str) -> dict[str, str | None]:
    """The fields as `eth_signTransaction` names them."""
    return {
        "type": "0x2",
        "chainId": hex(transaction.chain_id),
        "from": sender,
        "to": transaction.to,
        "nonce": hex(transaction.nonce),
        "maxPriorityFeePerGas": hex(transaction.tip),
        "maxFeePerGas": hex(transaction.max_fee),
        "gas": hex(transaction.gas),
        "value": "0x0",
        "data": hexed(transaction.data),
    }
