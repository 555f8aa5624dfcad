"""Solana's addresses, signatures and sign-in text: PyNaCl as the wallet, the namespace's own example."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from identity import eip4361, solana
from identity.caip122 import SOLANA, Expectation, Message, build, is_of, parse, verify
from identity.refusal import Reason, Refusal

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ALICE = SigningKey(b"\x01" * 32)
MALLORY = SigningKey(b"\x03" * 32)
ADDRESS = solana.format_address(bytes(ALICE.verify_key))
ORDER = 2**252 + 27742317777372353535851937790883648493  # of ed25519's base point, RFC 8032 §5.1
EXPECTED = Expectation("mail.example.org", "https://mail.example.org/login", {"mainnet"}, "k3Jx8qP2sV9bLm4T")
MESSAGE = Message(
    domain="mail.example.org",
    address=ADDRESS,
    statement="Sign in to Waxseal. This costs nothing and moves nothing.",
    uri="https://mail.example.org/login",
    chain_id="mainnet",
    nonce="k3Jx8qP2sV9bLm4T",
    issued_at=NOW,
    expires=NOW + timedelta(minutes=5),
)
TEXT = f"""\
mail.example.org wants you to sign in with your Solana account:
{ADDRESS}

Sign in to Waxseal. This costs nothing and moves nothing.

URI: https://mail.example.org/login
Version: 1
Chain ID: mainnet
Nonce: k3Jx8qP2sV9bLm4T
Issued At: 2026-11-21T12:00:00Z
Expiration Time: 2026-11-21T12:05:00Z"""


def sign(text: str, key: SigningKey = ALICE) -> bytes:
    return key.sign(text.encode()).signature


def reason(text: str, signature: bytes | None = None) -> Reason | None:
    """Why a text, rightly signed by Alice, is refused; None when it is accepted."""
    got = verify(text, sign(text) if signature is None else signature, EXPECTED, NOW)
    return got.reason if isinstance(got, Refusal) else None


def test_the_text_is_what_the_standard_shows() -> None:
    assert build(MESSAGE) == TEXT
    assert parse(TEXT) == MESSAGE
    assert is_of(TEXT, SOLANA)
    assert not is_of(TEXT, eip4361.ETHEREUM)


def test_a_signed_message_logs_its_address_in() -> None:
    assert verify(TEXT, sign(TEXT), EXPECTED, NOW) == MESSAGE


def test_the_example_of_the_namespace_is_read_once_it_has_an_end() -> None:
    # Solana's profile of CAIP-122; what is signed there never expires, which is refused here.
    example = base64.urlsafe_b64decode(
        "c2VydmljZS5vcmcgd2FudHMgeW91IHRvIHNpZ24gaW4gd2l0aCB5b3VyIFNvbGFuYSBhY2NvdW50OgpHd0FGNDV6amZ5R3pVYmQzaTNoWHh6"
        "R2V1Y2h6RVpYd3BSWUhaTTU5MTJGMQoKSSBhY2NlcHQgdGhlIFNlcnZpY2VPcmcgVGVybXMgb2YgU2VydmljZTogaHR0cHM6Ly9zZXJ2aWNl"
        "Lm9yZy90b3MKClVSSTogaHR0cHM6Ly9zZXJ2aWNlLm9yZy9sb2dpbgpWZXJzaW9uOiAxCkNoYWluIElEOiAxCk5vbmNlOiAzMjg5MTc1NwpJ"
        "c3N1ZWQgQXQ6IDIwMjEtMDktMzBUMTY6MjU6MjQuMDAwWgpSZXNvdXJjZXM6Ci0gaXBmczovL1FtZTdzczNBUlZneHY2clhxVlBpaWtNSjh1"
        "Mk5MZ21nc3pnMTNwWXJES0VvaXUKLSBodHRwczovL2V4YW1wbGUuY29tL215LXdlYjItY2xhaW0uanNvbg=="
    ).decode()
    assert isinstance(parse(example), Refusal)
    read = parse(example.replace("\nResources", "\nExpiration Time: 2021-09-30T16:30:24.000Z\nResources"))
    assert isinstance(read, Message)
    assert (read.address, read.chain_id) == ("GwAF45zjfyGzUbd3i3hXxzGeuchzEZXwpRYHZM5912F1", "1")
    assert read.resources is not None
    assert len(read.resources) == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mail.example.org wants", "evil.example.org wants", Reason.WRONG_DOMAIN),
        ("URI: https://mail.example.org/login", "URI: https://evil.example.org/login", Reason.WRONG_URI),
        ("Chain ID: mainnet", "Chain ID: devnet", Reason.WRONG_CHAIN),
        ("Chain ID: mainnet", "Chain ID: main net", Reason.MALFORMED),
        ("Nonce: k3Jx8qP2sV9bLm4T", "Nonce: k3Jx8qP2sV9bLm4U", Reason.WRONG_NONCE),
        ("Solana account", "Ethereum account", Reason.MALFORMED),
        ("\nExpiration Time: 2026-11-21T12:05:00Z", "", Reason.MALFORMED),
        ("T12:05:00Z", "T12:00:00Z", Reason.EXPIRED),
        (ADDRESS, ADDRESS[4:], Reason.MALFORMED),
        (ADDRESS, "1" * 32, Reason.WRONG_SIGNER),  # a key of small order: it would have signed anything
        (ADDRESS, solana.format_address(bytes(MALLORY.verify_key)), Reason.WRONG_SIGNER),
    ],
)
def test_a_wrong_message_is_refused(old: str, new: str, expected: Reason) -> None:
    assert old in TEXT
    assert reason(TEXT.replace(old, new)) is expected


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_one_changed_character_never_logs_in(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    if changed != TEXT:
        assert isinstance(verify(changed, sign(TEXT), EXPECTED, NOW), Refusal)


@given(st.integers(0, 63), st.integers(1, 255))
def test_one_changed_octet_of_the_signature_never_logs_in(place: int, change: int) -> None:
    signature = bytearray(sign(TEXT))
    signature[place] ^= change
    assert reason(TEXT, bytes(signature)) is Reason.WRONG_SIGNER


def test_a_signature_has_no_twin() -> None:
    signature = sign(TEXT)
    s = int.from_bytes(signature[32:], "little")
    twin = signature[:32] + (s + ORDER).to_bytes(32, "little")  # the same number to the curve
    assert reason(TEXT, twin) is Reason.WRONG_SIGNER


# Points of small order (RFC 7748 §6.1 and its relatives): R and key of these would suit every message.
SMALL = [
    bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]  # fmt: skip


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("r", SMALL)
def test_keys_of_small_order_sign_nothing(key: bytes, r: bytes) -> None:
    assert isinstance(solana.verify(b"hello", r + bytes(32), key), Refusal)


@given(st.binary(max_size=80), st.binary(max_size=40), st.binary(max_size=40))
def test_any_octets_are_refused(signature: bytes, key: bytes, message: bytes) -> None:
    assert isinstance(solana.verify(message, signature, key), Refusal)


@given(st.binary(min_size=32, max_size=32))
def test_an_address_is_written_and_read(key: bytes) -> None:
    assert solana.parse_address(solana.format_address(key)) == key


@given(st.text(max_size=60) | st.text("123456789ABCabc0OIl", min_size=30, max_size=46))
def test_any_text_is_an_address_in_its_one_spelling_or_refused(text: str) -> None:
    key = solana.parse_address(text)
    assert isinstance(key, Refusal) or solana.format_address(key) == text


@given(st.text(max_size=140))
def test_a_signature_is_read_only_from_128_digits(text: str) -> None:
    assert isinstance(solana.parse_signature(text), Refusal)


def test_a_forged_field_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"follow|spill"):
        build(replace(MESSAGE, statement="Hello\n\nURI: https://evil.example"))
    with pytest.raises(ValueError, match="octets"):
        solana.format_address(b"short")
