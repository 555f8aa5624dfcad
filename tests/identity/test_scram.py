"""SCRAM's server against a client written here from the RFC's formulas, and the RFC's own exchange."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity import scram
from identity.refusal import Reason, Refusal
from identity.scram import MECHANISM, PLUS, ClientFirst, Exchange, Verifier, decoy, derive, read_first, saslprep

# RFC 7677 §3.
FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = derive("pencil", SALT)
CHANNEL = b"\x11" * 32
EXPORTER = ("tls-exporter",)


def first(text: str = FIRST, mechanism: str = MECHANISM, bindings: tuple[str, ...] = ()) -> ClientFirst:
    read = read_first(text, mechanism, bindings)
    assert isinstance(read, ClientFirst)
    return read


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def respond(client_first: str, server_first: str, password: str, binding_data: bytes = b"") -> tuple[str, str]:
    """The client's final message, and what it then wants to hear; written from RFC 5802 §3, apart from our code."""
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    header, _, bare = client_first.partition(",n=")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac.new(salted, b"Client Key", "sha256").digest()
    final = f"c={b64((header + ',').encode() + binding_data)},r={fields['r']}"
    message = f"n={bare},{server_first},{final}".encode()
    signature = hmac.new(hashlib.sha256(client_key).digest(), message, "sha256").digest()
    proof = b64(bytes(a ^ b for a, b in zip(client_key, signature, strict=True)))
    server_key = hmac.new(salted, b"Server Key", "sha256").digest()
    return f"{final},p={proof}", "v=" + b64(hmac.new(server_key, message, "sha256").digest())


def test_the_exchange_of_the_standard() -> None:
    exchange = Exchange(first(), [PENCIL], "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert exchange.server_first == SERVER_FIRST
    assert exchange.finish(FINAL) == SERVER_FINAL
    assert respond(FIRST, SERVER_FIRST, "pencil") == (FINAL, SERVER_FINAL)


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.booleans(), st.binary(min_size=1))
def test_the_right_password_logs_in_and_another_does_not(password: str, other: str, plus: bool, salt: bytes) -> None:
    try:
        typed, wrong = saslprep(password), saslprep(other)
    except ValueError:
        return
    text, data = ("p=tls-exporter,,n=ann,r=clientnonce", CHANNEL) if plus else ("n,,n=ann,r=clientnonce", b"")
    exchange = Exchange(first(text, PLUS if plus else MECHANISM, EXPORTER if plus else ()), [derive(password, salt)])
    final, wanted = respond(text, exchange.server_first, typed, data)
    assert exchange.finish(final, data) == wanted
    if typed != wrong:
        assert isinstance(exchange.finish(respond(text, exchange.server_first, wrong, data)[0], data), Refusal)


@given(st.integers(0, len(FINAL) - 1), st.characters())
def test_one_changed_character_of_the_final_message_logs_nobody_in(place: int, character: str) -> None:
    exchange = Exchange(first(), [PENCIL], "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    changed = FINAL[:place] + character + FINAL[place + 1 :]
    if changed != FINAL:
        assert isinstance(exchange.finish(changed), Refusal)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(read_first(text, MECHANISM), ClientFirst | Refusal)
    assert isinstance(Exchange(first(), [PENCIL]).finish(text), Refusal)


@pytest.mark.parametrize(
    ("text", "mechanism", "bindings"),
    [
        ("", MECHANISM, ()),
        ("n,n=user,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("x,,n=user,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=us=er,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=us=2cer,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=us\0er,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=us\x07er,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=user,r=short", MECHANISM, ()),
        ("n,,n=user,r=" + "x" * 257, MECHANISM, ()),
        ("n,,n=user,r=rOprNGf wEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=user,r=rOprNGfwEbeRWgbNEkqO,x=1", MECHANISM, ()),
        ("n,,m=1,n=user,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("n,,n=user,r=rOprNGfwEbeRWgbNEkqO\n", MECHANISM, ()),
        ("n,,n=" + "x" * 3000 + ",r=rOprNGfwEbeRWgbNEkqO", MECHANISM, ()),
        ("y,,n=user,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, EXPORTER),  # -PLUS was offered, and hidden from the client
        ("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", PLUS, EXPORTER),
        ("y,,n=user,r=rOprNGfwEbeRWgbNEkqO", PLUS, EXPORTER),
        ("p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO", MECHANISM, EXPORTER),
        ("p=tls-unique,,n=user,r=rOprNGfwEbeRWgbNEkqO", PLUS, EXPORTER),
        ("p=,,n=user,r=rOprNGfwEbeRWgbNEkqO", PLUS, EXPORTER),
    ],
)
def test_a_wrong_first_message_is_refused(text: str, mechanism: str, bindings: tuple[str, ...]) -> None:
    refusal = read_first(text, mechanism, bindings)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED


def test_names_come_back_as_they_were_meant() -> None:
    read = first("n,a=an=3Dn,n=b=2Ce=3Dn,r=clientnonce")
    assert (read.authzid, read.name, read.gs2_header) == ("an=n", "b,e=n", "n,a=an=3Dn,")
    assert first("y,,n=ann,r=clientnonce").binding == ""
    assert first("p=tls-exporter,,n=ann,r=clientnonce", PLUS, EXPORTER).binding == "tls-exporter"


def test_another_channel_is_somebody_in_the_middle() -> None:
    text = "p=tls-exporter,,n=ann,r=clientnonce"
    for data in (b"\x22" * 32, b"", CHANNEL[:-1], CHANNEL + b"\0"):
        exchange = Exchange(first(text, PLUS, EXPORTER), [PENCIL])
        final, _ = respond(text, exchange.server_first, "pencil", CHANNEL)
        refusal = exchange.finish(final, data)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.BAD_SIGNATURE


def test_a_client_that_binds_to_nothing_on_the_way_is_refused() -> None:
    text = "p=tls-exporter,,n=ann,r=clientnonce"
    exchange = Exchange(first(text, PLUS, EXPORTER), [PENCIL])
    for final, data in (
        (respond(text, exchange.server_first, "pencil")[0], CHANNEL),
        (respond(text, exchange.server_first, "pencil")[0], b""),
        (respond("n,,n=ann,r=clientnonce", exchange.server_first, "pencil")[0], CHANNEL),
    ):
        assert isinstance(exchange.finish(final, data), Refusal)


def test_an_exchange_is_not_another() -> None:
    one, other = Exchange(first(), [PENCIL]), Exchange(first(), [PENCIL])
    assert one.server_first != other.server_first
    refusal = other.finish(respond(FIRST, one.server_first, "pencil")[0])
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.WRONG_NONCE


@pytest.mark.parametrize("proof", ["", "AAAA", b64(bytes(31)), b64(bytes(32)), b64(bytes(33)), FINAL[-44:-2] + "R="])
def test_a_wrong_proof_is_refused(proof: str) -> None:
    exchange = Exchange(first(), [PENCIL], "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert isinstance(exchange.finish(FINAL.rpartition(",p=")[0] + ",p=" + proof), Refusal)


def test_a_stolen_verifier_is_no_password() -> None:
    exchange = Exchange(first(), [PENCIL])
    fields = f"c=biws,r={exchange.server_first[2:].partition(',')[0]}"
    for key in (PENCIL.stored_key, PENCIL.server_key):
        assert isinstance(exchange.finish(f"{fields},p={b64(key)}"), Refusal)


def test_nobody_logs_in_to_a_decoy_and_it_stays_the_same() -> None:
    made = decoy("nobody", b"k" * 32)
    assert made == decoy("nobody", b"k" * 32)
    assert len({made, decoy("nobody", b"l" * 32), decoy("somebody", b"k" * 32)}) == 3
    assert (len(made.salt), made.iterations) == (len(SALT), PENCIL.iterations)
    exchange = Exchange(first(), [made])
    assert isinstance(exchange.finish(respond(FIRST, exchange.server_first, "pencil")[0]), Refusal)


def test_several_passwords_of_one_account_are_tried() -> None:
    others = [derive(word, SALT) for word in ("pen", "crayon", "ink")]
    for place in range(4):
        exchange = Exchange(first(), [*others[:place], PENCIL, *others[place:]])
        final, wanted = respond(FIRST, exchange.server_first, "pencil")
        assert exchange.finish(final) == wanted
        assert exchange.opened == place
    exchange = Exchange(first(), others)
    assert isinstance(exchange.finish(respond(FIRST, exchange.server_first, "pencil")[0]), Refusal)
    assert exchange.opened is None
    with pytest.raises(ValueError, match="share"):
        Exchange(first(), [PENCIL, derive("pencil", b"other salt")])


def test_verifiers_are_bounded() -> None:
    assert replace(PENCIL) == derive("pencil", SALT) != derive("Pencil", SALT)
    assert isinstance(PENCIL, Verifier)
    for salt, iterations in ((b"", 4096), (SALT, 4095), (SALT, 10**7)):
        with pytest.raises(ValueError, match="iterations"):
            derive("pencil", salt, iterations)


# RFC 4013 §3.
@pytest.mark.parametrize(
    ("typed", "made"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_saslprep(typed: str, made: str) -> None:
    assert saslprep(typed) == made


@pytest.mark.parametrize(
    "typed", ["\u0007", "\u0627\u0031", "\ue000", "\ud800", "\u0627a\u0627", "\u200e", "\U000e0001"]
)
def test_saslprep_prohibits(typed: str) -> None:
    with pytest.raises(ValueError, match=r"character|directions"):
        saslprep(typed)


@given(st.text(max_size=20))
def test_saslprep_changes_nothing_twice(typed: str) -> None:
    try:
        made = saslprep(typed)
    except ValueError:
        return
    assert saslprep(made) == made


def test_the_names_of_the_mechanisms() -> None:
    assert f"{scram.MECHANISM}-PLUS" == scram.PLUS
