"""One-time passwords: the vectors of both RFCs, used once, and nothing but six digits."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import totp

SECRET = b"12345678901234567890"

# RFC 4226 appendix D.
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
# RFC 6238 appendix B for SHA-1, of whose eight digits ours are the last six.
TOTP = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
MOMENTS = st.integers(0, 2**40)


@pytest.mark.parametrize(("counter", "code"), list(enumerate(HOTP)))
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert totp.hotp(SECRET, counter) == code


@pytest.mark.parametrize(("now", "code"), TOTP)
def test_the_vectors_of_rfc_6238(now: int, code: str) -> None:
    assert totp.accept(SECRET, code[-6:], now, None) == totp.step_of(now)


@given(MOMENTS, st.integers(-5, 5))
def test_the_window_is_one_step_either_way(now: int, away: int) -> None:
    step = max(totp.step_of(now) + away, 0)
    code = totp.hotp(SECRET, step)
    near = {totp.hotp(SECRET, max(totp.step_of(now) + nearby, 0)) for nearby in (-1, 0, 1)}
    assert (totp.accept(SECRET, code, now, None) is not None) == (code in near)


@given(MOMENTS, st.integers(-1, 1))
def test_a_code_is_good_once_and_no_earlier_one_after_it(now: int, away: int) -> None:
    code = totp.hotp(SECRET, max(totp.step_of(now) + away, 0))
    step = totp.accept(SECRET, code, now, None)
    assert step is not None
    for later in (now, now + 1, now + 29):
        again = totp.accept(SECRET, code, later, step)
        assert again is None or again > step  # another step that has the same six digits
    for earlier in range(max(step - 2, 0), step + 1):
        assert totp.accept(SECRET, totp.hotp(SECRET, earlier), now, step + 1) in (None, step + 2)


@pytest.mark.parametrize("typed", ["287082", "287 082", " 2 8 7 0 8 2 "])
def test_spaces_do_not_matter(typed: str) -> None:
    assert totp.accept(SECRET, typed, 30, None) == 1


@pytest.mark.parametrize(
    "typed", ["", " ", "28708", "2870820", "287082\n", "+287082", "28708x", "x" * 6, "2" * 10_000,
              " " * 10_000 + "287082", "\u0662\u0668\u0667\u0660\u0668\u0662", "-87082", "\ud800"],
)  # fmt: skip
def test_nothing_else_is_a_code(typed: str) -> None:
    assert totp.accept(SECRET, typed, 30, None) is None


@given(st.text(max_size=30), MOMENTS)
def test_any_text_is_taken_or_refused(typed: str, now: int) -> None:
    step = totp.accept(SECRET, typed, now, None)
    assert step is None or totp.hotp(SECRET, step) == typed.replace(" ", "")


def test_a_secret_reaches_the_app_whole() -> None:
    secret = totp.new_secret()
    assert len(secret) == 20
    assert secret != totp.new_secret()
    parts = urlsplit(totp.provisioning_uri(secret, "Waxseal: mail", "ann+x@example.org"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert [unquote(part) for part in parts.path[1:].split(":")] == ["Waxseal: mail", "ann+x@example.org"]
    asked = parse_qs(parts.query, strict_parsing=True)
    assert base64.b32decode(asked["secret"][0]) == secret
    assert asked["issuer"] == ["Waxseal: mail"]
