"""Passkeys held against what was asked: an authenticator in software, right and wrong in every way there is."""

from __future__ import annotations

import json
import time
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers.structs import AuthenticatorTransport

from identity import authenticator_data
from identity.authenticator_data import Flag
from identity.passkey import (
    MAX_CLIENT_DATA,
    TRANSPORTS,
    Assertion,
    Registration,
    Site,
    Verified,
    challenge_of,
    verify_assertion,
    verify_registration,
)
from identity.refusal import Reason, Refusal

from .authenticator import (
    BACKED_UP,
    HAS_EXTENSIONS,
    PRESENT,
    SYNCED,
    VERIFIED,
    Authenticator,
    cose,
    decoded,
    encoded,
    new_key,
)

SITE = Site("mail.waxseal.test", "https://mail.waxseal.test")
CHALLENGE = b"0123456789abcdef0123456789abcdef"
ASKED_FOR_ONE = {"challenge": encoded(CHALLENGE), "rp": {"id": SITE.id}, "user": {"id": encoded(b"handle")}}
ASKED = {"challenge": encoded(CHALLENGE), "rpId": SITE.id}


def registration(json: dict[str, Any]) -> Registration:
    response = json["response"]
    return Registration(
        decoded(json["id"]), decoded(response["clientDataJSON"]), decoded(response["attestationObject"])
    )


def assertion(json: dict[str, Any]) -> Assertion:
    response = json["response"]
    parts = ("clientDataJSON", "authenticatorData", "signature", "userHandle")
    return Assertion(decoded(json["id"]), *(decoded(response[name]) for name in parts))


def made(authenticator: Authenticator, **changes: Any) -> Verified | Refusal:
    return verify_registration(registration(authenticator.create(ASKED_FOR_ONE, **changes)), CHALLENGE, SITE)


def answered(authenticator: Authenticator, key: bytes | None = None, **changes: Any) -> Verified | Refusal:
    sent = assertion(authenticator.get(ASKED, **changes))
    return verify_assertion(sent, CHALLENGE, SITE, cbor2.dumps(cose(authenticator.key)) if key is None else key)


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


@pytest.mark.parametrize("kind", ["P-256", "EdDSA", "RS2048"])
def test_what_one_made_logs_in(kind: str) -> None:
    authenticator = Authenticator(kind, count=4)
    new = made(authenticator)
    assert isinstance(new, Verified)
    assert (new.sign_count, new.is_synced, new.is_backed_up) == (5, False, False)
    assert cbor2.loads(new.public_key) == cose(authenticator.key)
    found = answered(authenticator, new.public_key)
    assert isinstance(found, Verified)
    assert found.sign_count == 6


def test_a_synced_one_says_so() -> None:
    authenticator = Authenticator(flags=PRESENT | VERIFIED | SYNCED | BACKED_UP)
    new = made(authenticator)
    assert isinstance(new, Verified)
    assert (new.sign_count, new.is_synced, new.is_backed_up) == (0, True, True)
    assert answered(authenticator) == Verified(b"", 0, True, True)


def test_its_own_signature_is_an_attestation() -> None:
    packed = {"fmt": "packed", "attStmt": {"alg": -7}}
    assert isinstance(made(Authenticator(), attestation=packed), Verified)
    wrong = {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"\x30\x06\x02\x01\x01\x02\x01\x01"}}
    assert reason(made(Authenticator(), attestation=wrong)) is Reason.MALFORMED
    other = {"fmt": "packed", "attStmt": {"alg": -257}}
    assert reason(made(Authenticator(), attestation=other)) is Reason.MALFORMED


def test_extensions_nobody_asked_for_are_passed_over() -> None:
    authenticator = Authenticator()
    extra = cbor2.dumps({"credProtect": 2})
    assert isinstance(answered(authenticator, extra=extra, flags=HAS_EXTENSIONS), Verified)
    assert reason(answered(authenticator, extra=extra)) is Reason.MALFORMED
    assert reason(answered(authenticator, flags=HAS_EXTENSIONS)) is Reason.MALFORMED


@pytest.mark.parametrize("ceremony", [made, answered])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"origin": "https://evil.test"}, Reason.WRONG_DOMAIN),
        ({"origin": "https://mail.waxseal.test.evil.test"}, Reason.WRONG_DOMAIN),
        ({"origin": "https://waxseal.test"}, Reason.WRONG_DOMAIN),
        ({"origin": "http://mail.waxseal.test"}, Reason.WRONG_DOMAIN),
        ({"origin": "https://mail.waxseal.test:444"}, Reason.WRONG_DOMAIN),
        ({"origin": None}, Reason.WRONG_DOMAIN),
        ({"crossOrigin": True}, Reason.WRONG_DOMAIN),
        ({"crossOrigin": "false"}, Reason.WRONG_DOMAIN),
        ({"topOrigin": "https://evil.test"}, Reason.WRONG_DOMAIN),
        ({"rp_id": "evil.test"}, Reason.WRONG_DOMAIN),
        ({"rp_id": "waxseal.test"}, Reason.WRONG_DOMAIN),
        ({"challenge": encoded(b"another challenge of ours")}, Reason.WRONG_NONCE),
        ({"challenge": ""}, Reason.WRONG_NONCE),
        ({"challenge": encoded(CHALLENGE) + "="}, Reason.MALFORMED),
        ({"challenge": 7}, Reason.MALFORMED),
        ({"challenge": None}, Reason.MALFORMED),
        ({"type": "payment.get"}, Reason.MALFORMED),
        ({"type": None}, Reason.MALFORMED),
        ({"padding": "x" * MAX_CLIENT_DATA}, Reason.MALFORMED),
    ],
)
def test_what_was_said_elsewhere_or_of_something_else(ceremony: Any, said: dict[str, Any], expected: Reason) -> None:
    assert reason(ceremony(Authenticator(), **said)) is expected


def test_the_ceremonies_are_not_taken_for_each_other() -> None:
    assert reason(made(Authenticator(), type="webauthn.get")) is Reason.MALFORMED
    assert reason(answered(Authenticator(), type="webauthn.create")) is Reason.MALFORMED


@pytest.mark.parametrize("ceremony", [made, answered])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (PRESENT, Reason.NOT_VERIFIED),
        (VERIFIED, Reason.NOT_VERIFIED),
        (0, Reason.NOT_VERIFIED),
        (PRESENT | VERIFIED | BACKED_UP, Reason.MALFORMED),
    ],
)
def test_the_owner_must_be_there_and_known(ceremony: Any, flags: int, expected: Reason) -> None:
    assert reason(ceremony(Authenticator(flags=flags))) is expected


def test_another_key_does_not_answer() -> None:
    for kind in ("P-256", "EdDSA", "RS2048"):
        theirs = cbor2.dumps(cose(Authenticator().key))
        assert reason(answered(Authenticator(kind), theirs)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
def test_one_bit_changed_is_noticed(part: str) -> None:
    authenticator = Authenticator(count=1)
    key = cbor2.dumps(cose(authenticator.key))
    right = authenticator.get(ASKED)
    octets = decoded(right["response"][part])
    places = range(0, len(octets), 7)
    for place in places:
        changed = octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]
        sent = {**right, "response": {**right["response"], part: encoded(changed)}}
        assert isinstance(verify_assertion(assertion(sent), CHALLENGE, SITE, key), Refusal), place


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("P-256", {"3": -257}),  # the key says RSA
        ("P-256", {"3": -8}),
        ("P-256", {"3": -36}),  # ES512
        ("P-256", {"3": -65535}),  # RSA with SHA-1
        ("P-256", {"3": 0}),
        ("P-256", {"3": "ES256"}),
        ("P-256", {"3": -7.0}),
        ("P-256", {"1": 1}),
        ("P-256", {"1": 3}),
        ("P-256", {"_1": 2}),  # the curve
        ("P-256", {"_2": bytes(32)}),  # not on it
        ("P-256", {"_3": True}),
        ("P-256", {"_3": b""}),
        ("P-256", {"_4": b"d"}),  # more than a public key has
        ("P-384", {}),
        ("EdDSA", {"3": -7}),
        ("EdDSA", {"_1": 4}),  # X25519
        ("EdDSA", {"_2": bytes(31)}),
        ("RS2048", {"3": -7}),
        ("RS2048", {"3": -37}),
        ("RS2048", {"_2": b"\x03"}),
        ("RS2048", {"_1": b"\x01" * 512 + b"\x01"}),
        ("RS1024", {}),
        ("RS8192", {}),
    ],
)
def test_a_key_is_of_one_kind_on_the_list(kind: str, changes: dict[str, Any]) -> None:
    authenticator = Authenticator() if kind == "RS8192" else Authenticator(kind)
    public = cose(authenticator.key, **changes)
    if kind == "RS8192":
        public = {1: 3, 3: -257, -1: b"\xff" * 1024, -2: b"\x01\x00\x01"}
    assert reason(made(authenticator, public=public)) in {Reason.UNKNOWN_ALGORITHM, Reason.MALFORMED}


def test_the_keys_own_kind_decides_the_algorithm() -> None:
    """Algorithm confusion: an RSA key's octets taken for another kind's verify nothing."""
    authenticator = Authenticator("RS2048")
    for changes in ({"3": -7}, {"3": -8}, {"3": -65535}, {"3": -37}, {"1": 2}, {"1": 1}):
        key = cbor2.dumps(cose(authenticator.key, **changes))
        assert reason(answered(authenticator, key)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "attestation",
    [
        {"fmt": "fido-u2f"},
        {"fmt": "tpm"},
        {"fmt": "android-safetynet"},
        {"fmt": 7},
        {"fmt": ["none"]},
        {"attStmt": {"sig": b"x"}},
        {"attStmt": 1},
        {"attStmt": []},
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x", "x5c": [b"certificate"]}},
        {"authData": b""},
        {"authData": "text"},
        {"authData": bytes(36)},
        {"authData": bytes(37)},
        {"more": 1},
    ],
)
def test_other_attestations_are_not_read(attestation: dict[str, Any]) -> None:
    found = made(Authenticator(), attestation=attestation)
    assert reason(found) in {Reason.MALFORMED, Reason.WRONG_DOMAIN}


@pytest.mark.parametrize("size", [0, 1024, 3000])
def test_a_name_without_measure(size: int) -> None:
    assert reason(made(Authenticator(id=bytes(size)))) is Reason.MALFORMED


def test_the_name_inside_and_outside_is_one() -> None:
    sent = registration(Authenticator().create(ASKED_FOR_ONE))
    other = Registration(b"x" * 32, sent.client_data, sent.attestation_object)
    assert reason(verify_registration(other, CHALLENGE, SITE)) is Reason.MALFORMED


def test_too_much_is_refused_before_it_is_read() -> None:
    authenticator = Authenticator()
    assert reason(answered(authenticator, extra=b"\xa0" + bytes(2000), flags=HAS_EXTENSIONS)) is Reason.MALFORMED
    sent = assertion(authenticator.get(ASKED))
    long = Assertion(sent.id, sent.client_data, sent.authenticator_data, bytes(513), b"h")
    assert reason(verify_assertion(long, CHALLENGE, SITE, cbor2.dumps(cose(authenticator.key)))) is Reason.MALFORMED
    public = {**cose(authenticator.key), 4: bytes(5000)}
    assert reason(made(authenticator, public=public)) is Reason.MALFORMED


def test_a_key_written_in_two_ways_is_refused() -> None:
    octets = cbor2.dumps(cose(new_key("P-256")))
    assert octets[:2] == b"\xa5\x01"
    assert reason(made(Authenticator(), public=b"\xb8\x05" + octets[1:])) is Reason.MALFORMED  # the map's length
    assert reason(made(Authenticator(), public=b"\xa5\x18\x01" + octets[2:])) is Reason.MALFORMED


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xc0\x60",  # a date
        b"\xd8\x23\x6b((((a{9}){9}",  # a regular expression
        b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",  # a number with two to the sixtieth digits
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x9f\xff",  # open lengths
        b"\xbf\xff",
        b"\x5f\xff",
        b"\xf9\x7e\x00",  # numbers with a point
        b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
        b"\xf8\x20",
        b"\x1c",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # so many items, and none there
        b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 200 + b"\x01",
        b"\xa1\x01",
        b"\x19\x01",
    ],
)
def test_cbor_that_authenticators_do_not_write(octets: bytes) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match="CBOR"):
        authenticator_data.skip(octets, 0)
    assert reason(made(Authenticator(), public=octets)) is Reason.MALFORMED
    assert time.process_time() - started < 1


_LEAVES = st.integers(-(2**63), 2**63) | st.binary(max_size=300) | st.text(max_size=30) | st.booleans() | st.none()
_PLAIN = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-9, 9), inner, max_size=3),
    max_leaves=4,
)


@given(_PLAIN, st.binary(max_size=4))
def test_plain_cbor_is_stepped_over_exactly(value: Any, rest: bytes) -> None:
    octets = cbor2.dumps(value)
    try:
        end = authenticator_data.skip(octets + rest, 0, depth=20)
    except ValueError:
        assert "c2" in octets.hex() or "c3" in octets.hex()  # integers above 64 bits are tagged
    else:
        assert end == len(octets)


@given(st.binary(max_size=600))
def test_whatever_comes_is_answered(octets: bytes) -> None:
    authenticator = _FUZZED
    right = authenticator.get(ASKED)["response"]
    client_data = decoded(right["clientDataJSON"])
    assert isinstance(challenge_of(octets), bytes | Refusal)
    assert isinstance(verify_registration(Registration(b"x", client_data, octets), CHALLENGE, SITE), Refusal)
    create = authenticator.client_data("webauthn.create", encoded(CHALLENGE))
    assert isinstance(verify_registration(Registration(b"x", create, octets), CHALLENGE, SITE), Refusal)
    for data, signature, key in ((octets, b"x", _KEY), (decoded(right["authenticatorData"]), octets, _KEY),
                                 (decoded(right["authenticatorData"]), b"x", octets)):  # fmt: skip
        sent = Assertion(b"x", client_data, data, signature, b"h")
        assert isinstance(verify_assertion(sent, CHALLENGE, SITE, key), Refusal)


@given(st.data())
def test_a_right_answer_with_any_part_broken_opens_nothing(data: st.DataObject) -> None:
    whole = decoded(_FUZZED.create(ASKED_FOR_ONE)["response"]["attestationObject"])
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 3))
    broken = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + cut :]
    client_data = _FUZZED.client_data("webauthn.create", encoded(CHALLENGE))
    found = verify_registration(Registration(_FUZZED.id, client_data, broken), CHALLENGE, SITE)
    assert isinstance(found, Verified | Refusal)  # without an attestation nobody vouches for the key: it may be another


def test_flags_have_names() -> None:
    data = authenticator_data.read(bytes(32) + bytes([PRESENT | VERIFIED | 0x22]) + bytes(4))
    assert data.flags & Flag.PRESENT
    assert data.flags & Flag.VERIFIED
    assert not data.flags & Flag.SYNCED


def test_half_a_character_in_client_data() -> None:
    authenticator = Authenticator()
    octets = json.dumps({"type": "webauthn.get", "challenge": encoded(CHALLENGE), "origin": "\ud800"}).encode()
    sent = assertion(authenticator.get(ASKED))
    broken = Assertion(sent.id, octets, sent.authenticator_data, sent.signature, sent.user_handle)
    assert reason(verify_assertion(broken, CHALLENGE, SITE, _KEY)) is Reason.MALFORMED


_FUZZED = Authenticator()
_KEY = cbor2.dumps(cose(_FUZZED.key))


def test_the_ways_to_reach_an_authenticator_are_the_librarys() -> None:
    assert set(TRANSPORTS) == {transport.value for transport in AuthenticatorTransport}
