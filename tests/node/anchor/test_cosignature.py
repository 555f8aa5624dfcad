"""Cosignatures: those of public witnesses hold, ours are alike, and nothing else passes for one."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import checkpoint, cosignature, note
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import Cosignature, CosignatureKey, CosignatureSigner, cosignatures
from node.anchor.note import NoteError, NoteSigner

# A checkpoint of a public Certificate Transparency log of 2026 (staging), cosigned by four public witnesses.
ARCHE = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""  # noqa: E501 - one line is one signature
PUBLIC = [
    CosignatureKey.parse(text)
    for text in (
        "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
        "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    )
]
TIME = 0x6A122120

LOG = NoteSigner("waxseal.test/log", b"\x07" * 32)
TEXT = Checkpoint("waxseal.test/log", 5, bytes(range(32))).text
SIGNED = checkpoint.sign(Checkpoint("waxseal.test/log", 5, bytes(range(32))), LOG)
ONE, TWO = CosignatureSigner("one.test/witness", b"\x01" * 32), CosignatureSigner("two.test/witness", b"\x02" * 32)


def test_what_public_witnesses_signed_holds() -> None:
    assert cosignatures(ARCHE, PUBLIC) == tuple(Cosignature(key.name, TIME) for key in PUBLIC)
    assert [str(CosignatureKey.parse(str(key))) for key in PUBLIC] == [str(key) for key in PUBLIC]


@pytest.mark.parametrize(("old", "new"), [("1432088532", "1432088533"), ("U7WM", "U7WN"), ("PlfF", "PlfG")])
def test_another_checkpoint_under_the_same_cosignature_does_not_hold(old: str, new: str) -> None:
    with pytest.raises(NoteError, match=r"remora\.n621\.de does not hold"):
        cosignatures(ARCHE.replace(old, new, 1), PUBLIC[2:3])


def test_a_cosignature_holds_for_its_own_time_alone() -> None:
    data = bytearray(base64.b64decode(ONE.cosign(TEXT, 1000).split(" ")[2]))
    data[11] += 1
    with pytest.raises(NoteError, match="does not hold"):
        cosignatures(SIGNED + f"— {ONE.name} {base64.b64encode(data).decode()}\n", [ONE.key])


def test_each_witness_counts_once_with_its_newest_time() -> None:
    signed = cosignature.with_lines(SIGNED, [ONE.cosign(TEXT, 10), ONE.cosign(TEXT, 30), ONE.cosign(TEXT, 20)])
    assert cosignatures(signed, [ONE.key, TWO.key, ONE.key]) == (Cosignature(ONE.name, 30),)


def test_one_key_under_two_names_is_one_witness() -> None:
    twin = CosignatureSigner("twin.test/witness", ONE.seed)
    signed = cosignature.with_lines(SIGNED, [twin.cosign(TEXT, 10), ONE.cosign(TEXT, 30)])
    assert cosignatures(signed, [ONE.key, twin.key]) == (Cosignature(ONE.name, 30),)


def test_the_log_s_signature_still_holds_beside_cosignatures() -> None:
    signed = cosignature.with_lines(SIGNED, [ONE.cosign(TEXT, 10), TWO.cosign(TEXT, 11)])
    assert checkpoint.verify(signed, LOG.key).size == 5
    assert cosignature.with_lines(signed, [TWO.cosign(TEXT, 11)]) == signed


def test_a_log_s_key_is_no_witness_and_a_cosignature_no_log_s_signature() -> None:
    with pytest.raises(NoteError, match="no witness's Ed25519 key"):
        CosignatureKey.parse(str(LOG.key))
    same = CosignatureSigner(LOG.name, LOG.seed)  # one seed for both would not mix them up either
    with pytest.raises(NoteError, match="not signed by"):
        checkpoint.verify(f"{TEXT}\n{same.cosign(TEXT, 1)}", LOG.key)
    assert cosignatures(SIGNED, [same.key]) == ()


def test_a_cosignature_from_the_future_is_refused_where_the_time_is_known() -> None:
    signed = cosignature.with_lines(SIGNED, [ONE.cosign(TEXT, 5000)])
    assert cosignatures(signed, [ONE.key], now=4900) == (Cosignature(ONE.name, 5000),)
    with pytest.raises(NoteError, match="in the future"):
        cosignatures(signed, [ONE.key], now=4000)


@pytest.mark.parametrize("length", [4 + 8 + 63, 4 + 8 + 65, 5, 4 + 64])
def test_a_cosignature_of_another_length_is_refused(length: int) -> None:
    data = (ONE.key.id + bytes(100))[:length]
    with pytest.raises(NoteError, match="octets instead of 76"):
        cosignatures(SIGNED + f"— {ONE.name} {base64.b64encode(data).decode()}\n", [ONE.key])


def test_a_time_of_64_bits_is_refused() -> None:
    data = ONE.key.id + b"\x80" + bytes(7 + 64)
    with pytest.raises(NoteError, match="impossible time"):
        cosignatures(SIGNED + f"— {ONE.name} {base64.b64encode(data).decode()}\n", [ONE.key])
    with pytest.raises(ValueError, match="2\\^63"):
        ONE.cosign(TEXT, 1 << 63)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "looks like"),
        ("remora.n621.de+da77ade8+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2", "does not fit"),
        ("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw=", "base64|32 bytes"),
        ("mldsa.example+00000000+" + base64.b64encode(bytes([6]) + bytes(1312)).decode(), "no witness's Ed25519 key"),
        ("n" * 256 + "+00000000+" + base64.b64encode(bytes([4]) + bytes(32)).decode(), "no name"),
    ],
)
def test_what_is_no_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(NoteError, match=why):
        CosignatureKey.parse(text)


def test_of_a_witness_s_answer_only_its_own_lines_are_taken() -> None:
    answer = TWO.cosign(TEXT, 7) + ONE.cosign(TEXT, 8) + ONE.cosign(TEXT, 9)
    assert cosignature.own_lines(TEXT, answer, [ONE.key]) == (ONE.cosign(TEXT, 9),)
    assert cosignature.own_lines(TEXT, TWO.cosign(TEXT, 7), [ONE.key]) == ()


def test_a_replayed_cosignature_is_refused() -> None:
    earlier = Checkpoint("waxseal.test/log", 4, bytes(32)).text
    with pytest.raises(NoteError, match="does not hold"):
        cosignature.own_lines(TEXT, ONE.cosign(earlier, 7), [ONE.key])


@pytest.mark.parametrize("answer", ["", "OK\n", f"hello\n\n{ONE.cosign(TEXT, 7)}", ONE.cosign(TEXT, 7)[:-1]])
def test_an_answer_that_is_no_signature_lines_is_refused(answer: str) -> None:
    with pytest.raises(NoteError):
        cosignature.own_lines(TEXT, answer, [ONE.key])


@given(st.text(max_size=300))
def test_whatever_a_witness_answers_it_is_read_or_refused(answer: str) -> None:
    with contextlib.suppress(NoteError):
        assert cosignature.own_lines(TEXT, answer, [ONE.key]) == ()


@given(st.binary(min_size=72, max_size=72))
def test_no_other_bytes_pass_for_a_cosignature(data: bytes) -> None:
    line = f"— {ONE.name} {base64.b64encode(ONE.key.id + data).decode()}\n"
    with pytest.raises(NoteError):
        cosignatures(SIGNED + line, [ONE.key])


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(NoteError, match="more than"):
        cosignatures(SIGNED + ONE.cosign(TEXT, 1) * note.MAX_SIGNATURES, [ONE.key])
