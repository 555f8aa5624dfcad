"""What our people send is signed for their domain; whatever is wrong with the keys, it is sent."""

from __future__ import annotations

import time

import dkim
import pytest

from node.auth.gate import Gate
from node.base import metrics
from node.flow.signing import LOOK_AGAIN, Signing
from node.flow.submit import Submit
from node.store import dkim_keys

pytestmark = pytest.mark.anyio


def _counted(result: str) -> float:
    return metrics.dkim_signed.labels(result)._value.get()


async def _sent(house, signing: Signing, content: bytes) -> bytes:
    submit = Submit(house.premises, Gate(house.premises.database), lambda: None, signing=signing)
    session = house.session()
    session.account = house.ann
    transaction = house.transaction("bob@house.example", sender="ann@house.example")
    incoming = await house.incoming(content)
    assert (await submit.finish(session, transaction, incoming)).code == 250
    await incoming.aclose()
    return (await house.contents(house.bob))[-1]


def _message(size: int = 20) -> bytes:
    return b"From: ann@house.example\r\nTo: bob@house.example\r\nSubject: hi\r\n\r\n" + b"Hello you.\r\n" * size


@pytest.mark.parametrize("size", [1, 100_000])
async def test_submissions_are_signed_with_both_keys(house, tmp_path, size: int) -> None:
    keys = dkim_keys.make(tmp_path / "dkim", "house.example", int(time.time()))
    records = {f"{one.key.selector}._domainkey.house.example.": one.key.record.encode() for one in keys}
    before = _counted("signed")
    kept = await _sent(house, Signing(tmp_path / "dkim"), _message(size))
    assert _counted("signed") == before + 1
    assert kept.count(b"\r\nDKIM-Signature:") == 2
    seal = dkim.DKIM(kept)
    assert all(seal.verify(idx=number, dnsfunc=lambda name, timeout=5: records[name.decode()]) for number in (0, 1))
    assert b":date:" in kept.lower()  # what we added is signed, too
    assert kept.index(b"DKIM-Signature:") < kept.index(b"\r\nDate:")


async def test_a_domain_without_keys_sends_unsigned_until_it_has_some(house, tmp_path) -> None:
    now = [1_700_000_000.0]
    signing, before = Signing(tmp_path / "dkim", lambda: now[0]), _counted("no_key")
    assert b"DKIM-Signature" not in await _sent(house, signing, _message())
    assert _counted("no_key") == before + 1
    dkim_keys.make(tmp_path / "dkim", "house.example", 1_700_000_000)
    now[0] += LOOK_AGAIN
    assert b"DKIM-Signature" in await _sent(house, signing, _message())


async def test_a_key_that_cannot_be_used_costs_no_mail(house, tmp_path) -> None:
    dkim_keys.make(tmp_path / "dkim", "house.example", 0)
    for path in (tmp_path / "dkim" / "house.example").iterdir():
        path.chmod(0o644)
    before = _counted("failed")
    assert b"DKIM-Signature" not in await _sent(house, Signing(tmp_path / "dkim"), _message())
    assert _counted("failed") == before + 1


async def test_nothing_that_breaks_costs_mail(house, tmp_path) -> None:
    def broken() -> float:
        raise RuntimeError("no clock")

    before = _counted("failed")
    assert b"DKIM-Signature" not in await _sent(house, Signing(tmp_path / "dkim", broken), _message())
    assert _counted("failed") == before + 1
