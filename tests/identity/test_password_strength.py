"""Which passwords are refused, and that no composition is demanded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.password_strength import MOST, prepare, weakness

ANN = "ann.example@waxseal.test"

WEAK = ["", "short", "elevenchars", "password1234", "Password1234!", "passwordpassword", "123456789012"]
WEAK += ["abcdefghijklmn"]
WEAK += ["aaaaaaaaaaaaaaaa", "abababababababab", "qwertyuiopasdf", "poiuytrewqlkjh", "ann.example@waxseal.test"]
WEAK += ["Ann.Example2026", "waxseal.test1234", "correcthorsebatterystaple", "iloveyouiloveyou", "letmeinletmein1"]
WEAK += ["x" * (MOST + 1), "x9!kQ#mmzT\x00uw4", "\ud800 lone surrogate here", "١٢٣٤٥٦٧٨٩٠١٢"]


@pytest.mark.parametrize("password", WEAK)
def test_weak_passwords_are_refused_with_advice(password: str) -> None:
    words = weakness(password, ANN)
    assert words
    assert password not in words or not password


GOOD = ["tulip anchor mosaic gravel", "vobngq-kdtrw-zuh", "fünf graue Elche singen", "9471 8206 3359 17"]
GOOD += ["xKq!mT#u4zW@"]
GOOD += ["冬の朝に赤い傘を三本なくした", "onlylowercaseyetlongandodd", "Zj" + "kv7Qm2xWbp"]


@pytest.mark.parametrize("password", GOOD)
def test_no_kind_of_character_is_demanded(password: str) -> None:
    assert weakness(password, ANN) is None


@given(st.text(max_size=300))
def test_any_text_is_judged(password: str) -> None:
    words = weakness(password, ANN)
    assert words is None or (words and "\n" not in words)


def test_one_password_whatever_the_keyboard_made_of_it() -> None:
    assert prepare("u\u0308ber\uff11") == prepare("\u00fcber1")
