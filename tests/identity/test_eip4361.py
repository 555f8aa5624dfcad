"""The sign-in message: read as the grammar has it, refused with the right reason, mutated in every way."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from identity.eip4361 import MAX_LENGTH, Expectation, Message, build, parse, verify
from identity.refusal import Reason, Refusal

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
ALICE = Account.from_key(b"\x01" * 32)
EXPECTED = Expectation("mail.example.org", "https://mail.example.org/login", frozenset({1, 100}), "k3Jx8qP2sV9bLm4T")
MESSAGE = Message(
    domain="mail.example.org",
    address=bytes.fromhex(ALICE.address[2:]),
    statement="Sign in to Waxseal. This costs nothing and moves nothing.",
    uri="https://mail.example.org/login",
    chain_id=1,
    nonce="k3Jx8qP2sV9bLm4T",
    issued_at=NOW,
    expires=NOW + timedelta(minutes=5),
)
TEXT = f"""\
mail.example.org wants you to sign in with your Ethereum account:
{ALICE.address}

Sign in to Waxseal. This costs nothing and moves nothing.

URI: https://mail.example.org/login
Version: 1
Chain ID: 1
Nonce: k3Jx8qP2sV9bLm4T
Issued At: 2026-11-20T12:00:00Z
Expiration Time: 2026-11-20T12:05:00Z"""


def sign(text: str, account: object = ALICE) -> bytes:
    return bytes(account.sign_message(encode_defunct(text=text)).signature)  # type: ignore[attr-defined]


def reason(text: str, **changes: object) -> Reason | None:
    """Why a text, rightly signed by Alice, is refused; None when it is accepted."""
    got = verify(text, sign(text), replace(EXPECTED, **changes), NOW)  # type: ignore[arg-type]
    return got.reason if isinstance(got, Refusal) else None


def test_the_text_is_what_the_standard_shows() -> None:
    assert build(MESSAGE) == TEXT
    assert parse(TEXT) == MESSAGE


def test_a_signed_message_logs_its_address_in() -> None:
    assert verify(TEXT, sign(TEXT), EXPECTED, NOW) == MESSAGE


def test_every_optional_field_is_read() -> None:
    full = replace(
        MESSAGE,
        not_before=NOW,
        request_id="a%20b",
        resources=("ipfs://bafy/x", "https://a.example/?q#f"),
        scheme="https",
    )
    assert parse(build(full)) == full
    assert reason(build(full)) is None
    assert parse(build(replace(full, request_id="", resources=()))) == replace(full, request_id="", resources=())


TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
HOSTS = st.builds(
    lambda labels, port: ".".join(labels) + port,
    st.lists(LABEL, min_size=1, max_size=4),
    st.sampled_from(["", ":8080"]),
)
URIS = st.builds(
    lambda host, path: f"https://{host}/{path}",
    HOSTS,
    st.text("abc/%20-._~?#".replace("%", ""), max_size=10).filter(lambda t: t.count("#") < 2),
)
MESSAGES = st.builds(
    Message,
    domain=HOSTS,
    address=st.binary(min_size=20, max_size=20),
    statement=st.text(string.ascii_letters + string.digits + " -._~:/?#[]@!$&'()*+,;=", min_size=1, max_size=200),
    uri=URIS,
    chain_id=st.integers(0, 2**53 - 1),
    nonce=st.text(string.ascii_letters + string.digits, min_size=8, max_size=64),
    issued_at=TIMES,
    expires=TIMES,
    not_before=st.none() | TIMES,
    request_id=st.none() | st.text(string.ascii_letters + "-._~", max_size=20),
    resources=st.none() | st.lists(URIS, max_size=5).map(tuple),
    scheme=st.sampled_from(["", "https", "http"]),
)


@given(MESSAGES)
def test_what_is_built_reads_back_the_same(message: Message) -> None:
    text = build(message)
    assert parse(text) == message
    assert build(parse(text)) == text  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_gives_a_message_or_a_refusal(text: str) -> None:
    assert isinstance(parse(text), Refusal)


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_one_changed_character_never_logs_in(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    if changed != TEXT:
        assert isinstance(verify(changed, sign(TEXT), EXPECTED, NOW), Refusal)


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 40))
def test_a_cut_message_is_refused(place: int, length: int) -> None:
    cut = TEXT[:place] + TEXT[place + length :]
    assert isinstance(verify(cut, sign(TEXT), EXPECTED, NOW), Refusal)


@given(st.integers(0, 64), st.integers(1, 255))
def test_one_changed_octet_of_the_signature_never_logs_in(place: int, change: int) -> None:
    signature = bytearray(sign(TEXT))
    signature[place] ^= change
    if bytes(signature[:64]) != sign(TEXT)[:64] or signature[64] % 27 != sign(TEXT)[64] % 27:
        assert isinstance(verify(TEXT, bytes(signature), EXPECTED, NOW), Refusal)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mail.example.org wants", "evil.example.org wants", Reason.WRONG_DOMAIN),
        ("mail.example.org wants", "MAIL.example.org wants", Reason.WRONG_DOMAIN),
        ("mail.example.org wants", "http://mail.example.org wants", Reason.WRONG_DOMAIN),
        ("mail.example.org wants", "mail.example.org@evil.example wants", Reason.MALFORMED),
        ("mail.example.org wants", " wants", Reason.MALFORMED),
        ("URI: https://mail.example.org/login", "URI: https://evil.example.org/login", Reason.WRONG_URI),
        ("URI: https://mail.example.org/login", "URI: /login", Reason.MALFORMED),
        ("Version: 1", "Version: 2", Reason.MALFORMED),
        ("Chain ID: 1", "Chain ID: 5", Reason.WRONG_CHAIN),
        ("Chain ID: 1", "Chain ID: 0x1", Reason.MALFORMED),
        ("Chain ID: 1", "Chain ID: 9999999999999999", Reason.MALFORMED),
        ("Chain ID: 1", "Chain ID: \u0661", Reason.MALFORMED),
        ("k3Jx8qP2sV9bLm4T", "k3Jx8qP2sV9bLm4U", Reason.WRONG_NONCE),
        ("k3Jx8qP2sV9bLm4T", "short", Reason.MALFORMED),
        ("Nonce: k3Jx8qP2sV9bLm4T\n", "", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20T12:01:01Z", Reason.ISSUED_IN_FUTURE),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20T13:00:00+01:00", None),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20t12:00:00.999999999z", None),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20T12:00:00+24:00", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-02-30T12:00:00Z", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20T12:00:60Z", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 0001-01-01T00:00:00+23:00", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20 12:00:00Z", Reason.MALFORMED),
        ("Issued At: 2026-11-20T12:00:00Z", "Issued At: 2026-11-20T11:00:00Z", Reason.LIFETIME_TOO_LONG),
        ("12:05:00Z", "12:00:00Z", Reason.EXPIRED),
        ("\nExpiration Time: 2026-11-20T12:05:00Z", "", Reason.MALFORMED),
        ("12:05:00Z", "12:05:00Z\nNot Before: 2026-11-20T12:02:00Z", Reason.NOT_YET_VALID),
        ("12:05:00Z", "12:05:00Z\n", Reason.MALFORMED),
        ("12:05:00Z", "12:05:00Z\nResources:" + "\n- a:b" * 33, Reason.TOO_LONG),
        ("12:05:00Z", "12:05:00Z\nResources:\n- not a uri", Reason.MALFORMED),
        ("12:05:00Z", "12:05:00Z\nResources:" + "\n- a:b" * MAX_LENGTH, Reason.TOO_LONG),
        ("costs nothing", "costs\nnothing", Reason.MALFORMED),
        ("costs nothing", "costs nothïng", Reason.MALFORMED),
        ("\n", "\r\n", Reason.MALFORMED),
        (ALICE.address, ALICE.address.lower(), Reason.ADDRESS_CHECKSUM),
        (ALICE.address, Account.from_key(b"\x02" * 32).address, Reason.WRONG_SIGNER),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(old: str, new: str, expected: Reason | None) -> None:
    assert old in TEXT
    assert reason(TEXT.replace(old, new)) is expected


def test_a_message_without_statement_is_refused() -> None:
    assert reason(TEXT.replace(MESSAGE.statement + "\n", "")) is Reason.MALFORMED


def test_two_expected_chains_are_both_accepted() -> None:
    assert reason(TEXT.replace("Chain ID: 1", "Chain ID: 100")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "hello\n\nURI: https://evil.example"},
        {"statement": ""},
        {"request_id": "a\nResources:"},
        {"nonce": "short"},
        {"domain": "a b"},
        {"uri": "https://mail.example.org/login\nVersion: 1"},
        {"chain_id": -1},
    ],
)
def test_a_field_cannot_forge_another(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"message|field"):
        build(replace(MESSAGE, **change))  # type: ignore[arg-type]


def test_a_hostile_uri_is_judged_quickly() -> None:
    """No pattern backtracks: 4,000 characters of almost-a-URI take no measurable time."""
    for piece in ("a/", "%41", "a:", "[", "::", "?/", ".."):
        text = TEXT.replace("URI: https://mail.example.org/login", "URI: https://" + piece * 1600 + " ")[:MAX_LENGTH]
        assert isinstance(parse(text), Refusal)
