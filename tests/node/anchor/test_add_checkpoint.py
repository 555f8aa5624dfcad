"""Requests and answers of the witness protocol: the specification's own example, and everything that is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import add_checkpoint
from node.anchor.note import NoteError

# From https://c2sp.org/tlog-witness.
REQUEST = (
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— example.com/behind-the-sofa "
    "opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"
)
HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
SIGNED = REQUEST.partition("\n\n")[2]


def test_the_specification_s_example_is_read_and_written() -> None:
    request = add_checkpoint.read(REQUEST.encode())
    assert (request.old, len(request.proof), request.head.size) == (20852014, 4, 20852163)
    assert request.head.origin == "example.com/behind-the-sofa"
    assert request.text == SIGNED.partition("\n\n")[0] + "\n"
    assert add_checkpoint.write(request.old, request.proof, request.signed) == REQUEST.encode()


def test_a_first_request_has_no_proof() -> None:
    body = add_checkpoint.write(0, (), SIGNED)
    assert body.startswith(b"old 0\n\nexample.com")
    assert add_checkpoint.read(body).proof == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        SIGNED,
        f"old 01\n\n{SIGNED}",
        f"old -1\n\n{SIGNED}",
        f"old 9223372036854775808\n\n{SIGNED}",
        f"old  1\n\n{SIGNED}",
        f"OLD 1\n\n{SIGNED}",
        f"old 1\r\n\r\n{SIGNED}",
        f"old 1\nAAAA\n\n{SIGNED}",
        f"old 1\n{HASH[:-3]}x=\n\n{SIGNED}",
        f"old 1\n{HASH * 64}\n{SIGNED}",
        f"old 1\n{SIGNED}",
        "old 1\n\nexample.com/log\n1\n",
        f"old 1\n\n{SIGNED[:-1]}",
        f"old 1\n\n{SIGNED}" + "— a AAAAAAA=\n" * 6000,
    ],
)
def test_a_malformed_request_is_refused(body: str) -> None:
    with pytest.raises(NoteError):
        add_checkpoint.read(body.encode())


def test_sixty_three_hashes_are_taken() -> None:
    assert len(add_checkpoint.read(f"old 1\n{HASH * 63}\n{SIGNED}".encode()).proof) == 63


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(NoteError):
        add_checkpoint.read(body)


def test_the_size_in_a_conflict_is_read() -> None:
    assert add_checkpoint.read_size(b"20852163\n") == 20852163


@pytest.mark.parametrize("body", [b"", b"5", b"05\n", b"5\n\n", b"-5\n", b"\xd9\xa5\n", b"9" * 30 + b"\n"])
def test_what_is_no_size_is_refused(body: bytes) -> None:
    with pytest.raises(NoteError):
        add_checkpoint.read_size(body)
