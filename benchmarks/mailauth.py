"""What DKIM costs a message, signing and verifying, beside dkimpy: CPU time of one process, medians.

    python benchmarks/mailauth.py --rounds 200

Prints a line each: what, CPU ms of this node's code, of dkimpy's, and how many times that is. No DNS: keys are at hand.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.mailauth.arc import ArcCheck, ArcResult
from node.mailauth.arc_seal import seal
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim import DkimCheck
from node.mailauth.dkim_sign import BODY, SigningKey, sign
from node.mailauth.result import Result

NOW = 1_700_000_000
HEADER = (
    b"From: Ann <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: Minutes of the meeting\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
)
LINE = b"The quick  brown fox jumps over the lazy dog, and so do all his friends. \r\n"


class Keys:
    """The key at hand instead of the DNS."""

    def __init__(self, key: SigningKey) -> None:
        self.record = key.record.encode()

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return (self.record,)

    async def a(self, name: str) -> tuple[str, ...]:
        raise NotImplementedError

    aaaa = ptr = a

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        raise NotImplementedError


def at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits, without a loop."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def signed(key: SigningKey, message: bytes) -> bytes:
    """What submission does."""
    end = message.index(b"\r\n\r\n") + 4
    digest = body_hashes(message, [BODY], start=end)[BODY]
    return sign(header_fields(message[:end]), digest, [key], NOW)


def verified(keys: Keys, message: bytes) -> None:
    """What reception does."""

    async def run() -> None:
        end = message.index(b"\r\n\r\n") + 4
        check = DkimCheck(header_fields(message[:end]), NOW)
        (result,) = await check.results(body_hashes(message, check.forms, start=end), keys)
        assert result.result is Result.PASS, result

    at_once(run())


def chained(keys: Keys, message: bytes) -> None:
    """Verify an ARC chain of one hand."""

    async def run() -> None:
        end = message.index(b"\r\n\r\n") + 4
        check = ArcCheck(header_fields(message[:end]))
        result = await check.result(body_hashes(message, check.forms, start=end), keys)
        assert result.result is Result.PASS, result

    at_once(run())


def cost(work: Callable[[], object], rounds: int) -> float:
    """Median CPU ms of a call."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000


def dkimpy_signs(key: SigningKey, message: bytes) -> bytes:
    """dkimpy with the same key."""
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    made: bytes = dkim.sign(message, b"s", b"example.org", pem, canonicalize=(b"relaxed", b"relaxed"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="at 10 KB; a fiftieth of it at 10 MB")
    rounds = parser.parse_args().rounds
    rsa = SigningKey("example.org", "s", generate_private_key(65537, 2048))
    ed = SigningKey("example.org", "s", Ed25519PrivateKey.generate())
    for size, times in (("10 KB", rounds), ("10 MB", max(3, rounds // 50))):
        message = HEADER + b"\r\n" + LINE * ((10_000 if size == "10 KB" else 10_000_000) // len(LINE))
        for name, key in (("RSA-2048", rsa), ("Ed25519", ed)):
            beside(f"{name}, {size}", key, message, times)
        end = message.index(b"\r\n\r\n") + 4
        digest = body_hashes(message, [BODY], start=end)[BODY]
        sealed = seal(header_fields(message[:end]), digest, ArcResult(Result.NONE), "x; none", rsa, now=NOW) + message
        show(f"verify ARC, one set, {size}", cost(lambda sealed=sealed: chained(Keys(rsa), sealed), times), None)


def beside(name: str, key: SigningKey, message: bytes, times: int) -> None:
    """Sign and verify with one key, here and at dkimpy."""
    record, whole, keys = key.record.encode(), signed(key, message) + message, Keys(key)
    is_rsa = key.algorithm == "rsa-sha256"
    theirs = cost(lambda: dkimpy_signs(key, message), times) if is_rsa else None
    show(f"sign, {name}", cost(lambda: signed(key, message), times), theirs)
    theirs = cost(lambda: _dkimpy_verifies(whole, record), times)
    show(f"verify, {name}", cost(lambda: verified(keys, whole), times), theirs)


def _dkimpy_verifies(message: bytes, record: bytes) -> None:
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


def show(what: str, ours: float, theirs: float | None) -> None:
    """One line."""
    beside = f"\t{theirs:.2f} ms\t{theirs / ours:.1f} times" if theirs else ""
    print(f"{what}\t{ours:.2f} ms{beside}")


if __name__ == "__main__":
    main()
