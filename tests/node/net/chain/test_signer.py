"""Outside signers: programs that sign well, badly, for somebody else, too much, too late, or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from node.base.errors import Temporary
from node.net.chain.signer import CommandSigner, KeySigner
from node.net.chain.transaction import Transaction, address_of, parse_signed

pytestmark = pytest.mark.anyio

KEY = b"\x11" * 32
ROOT = Path(__file__).parents[4]
ASKED = Transaction(31337, 7, 2, 9, 30_000, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", b"data")
CREATES = Transaction(31337, 0, 2, 9, 30_000, None, b"code")

GOOD = """
import json, sys
sys.path.insert(0, {root!r})
from dataclasses import replace
from node.net.chain.transaction import Transaction, checksummed, raw_address
asked = json.load(sys.stdin)
number = lambda name: int(asked[name], 16)
assert asked["type"] == "0x2" and asked["value"] == "0x0" and asked["from"] == {sender!r}
transaction = Transaction(
    number("chainId"), number("nonce"), number("maxPriorityFeePerGas"), number("maxFeePerGas"), number("gas"),
    asked["to"], bytes.fromhex(asked["data"][2:]),
)
{change}
print("0x" + transaction.sign({key!r}).hex())
"""


def signing(change: str = "", key: bytes = KEY) -> CommandSigner:
    program = GOOD.format(root=str(ROOT), sender=address_of(KEY), key=key, change=change)
    return CommandSigner([sys.executable, "-c", program], address_of(KEY))


def answering(program: str, seconds: float = 30) -> CommandSigner:
    return CommandSigner([sys.executable, "-c", program], address_of(KEY), seconds)


@pytest.mark.parametrize("transaction", [ASKED, CREATES])
async def test_a_program_signs_as_the_key_does(transaction: Transaction) -> None:
    assert await signing().sign(transaction) == await KeySigner(KEY).sign(transaction)


@pytest.mark.parametrize(
    "change",
    [
        "transaction = replace(transaction, nonce=8)",
        "transaction = replace(transaction, max_fee=10**12)",
        "transaction = replace(transaction, to=checksummed(raw_address('0x' + '99' * 20)))",
        "transaction = replace(transaction, data=b'other')",
        "transaction = replace(transaction, chain_id=1)",
    ],
)
async def test_another_transaction_than_was_asked_for_is_refused(change: str) -> None:
    with pytest.raises(Temporary, match="another transaction"):
        await signing(change).sign(ASKED)


async def test_another_accounts_signature_is_refused() -> None:
    with pytest.raises(Temporary, match="signs as"):
        await signing(key=b"\x22" * 32).sign(ASKED)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('no')", "hexadecimal"),
        ("", "cannot be used"),
        ("print('0x02')", "cannot be used"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("print('0x' + '0' * (1 << 20))", "more than"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)))", "hexadecimal"),
    ],
)
async def test_a_bad_answer_is_refused(program: str, words: str) -> None:
    with pytest.raises(Temporary, match=words):
        await answering(program).sign(ASKED)


async def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(Temporary, match="within 1 s"):
        await answering(program, 1).sign(ASKED)
    if note.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Temporary, match="cannot be run"):
        await CommandSigner(["/nowhere/signer"], address_of(KEY)).sign(ASKED)


async def test_a_program_that_reads_nothing_may_still_answer() -> None:
    raw = ASKED.sign(KEY)
    assert await answering(f"print({raw.hex()!r})").sign(ASKED) == raw
    assert parse_signed(raw)[1] == address_of(KEY)


def test_a_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(KeySigner(KEY))
    assert repr(KEY) not in repr(KeySigner(KEY))
