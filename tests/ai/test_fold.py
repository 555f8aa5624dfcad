"""Folding of disguised letters: what it undoes, what it leaves alone, and that it cannot be made slow."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai import fold
from ai.fold import Disguises, plain_letters, skeleton, unmasked

HONEST = [
    "Meeting on Tuesday at 10:30, room B2; call +49 30 901820 or mail ann@firm.example.",
    "Die Prüfung für Donaudampfschifffahrt kostet 12,50 €.",
    "Сегодня в 18:00 встречаемся у метро.",
    "Η συνάντηση είναι την Τρίτη στις 10.",
    "お世話になっております。会議は明日の10時からです。",
    "می\u200cخواهم فردا بیایم",
    "शुभकामनाएँ \u200dक्\u200dष",
    "COVID19, H2O, MP3, 3D, Web3, B2B, i18n",
    "I ❤ NY 👨\u200d👩\u200d👧",
]


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_is_no_disguise(text: str) -> None:
    assert not unmasked(text)[1].any


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("v\u200bi\u200ba\u200bg\u200br\u200ba", "viagra"),
        ("\U0001d422\U0001d427\U0001d42f\U0001d42e\U0001d428", "invuo"),
        ("\uff26\uff32\uff25\uff25", "FREE"),
        ("ассount", "account"),  # two Cyrillic letters
        ("pаypаl", "paypal"),
        ("Micrоsоft", "Microsoft"),
        ("fr3e m0ney", "free money"),
        ("v i a g r a", "viagra"),
        ("c.a.s.i.n.o", "casino"),
    ],
)
def test_disguises_are_undone(disguised: str, plain: str) -> None:
    assert unmasked(disguised)[0] == plain
    assert unmasked(disguised)[1] != Disguises()


@pytest.mark.parametrize("word", ["Москва", "Ελλάδα", "Հայաստան", "Україна"])
def test_a_word_of_another_script_stays_itself(word: str) -> None:
    assert unmasked(word)[0] == word


@given(st.text(max_size=400))
def test_folded_text_is_folded(text: str) -> None:
    """Twice is once, nothing invisible stays, and ASCII that nobody disguised is not touched."""
    shown = plain_letters(text)
    assert plain_letters(shown) == shown
    assert not {"\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e"} & set(shown)


@given(st.text(st.characters(codec="ascii", categories=["L", "Zs"]), max_size=300))
def test_plain_ascii_words_are_left_alone(text: str) -> None:
    if not any(len(word) == 1 for word in text.split()):  # those might be spaced letters
        assert unmasked(text) == (text, Disguises())


@given(st.text([*"abZio01345$@ .*_-\n", "é", "а", "ı", "\u200b", "\ufb03", "中"], max_size=60))
def test_what_is_looked_for_quickly_is_never_missed(text: str) -> None:
    found = unmasked(text)
    with pytest.MonkeyPatch.context() as patch:
        for quick in ("_LEET_SIGN", "_SPACED_MIDDLE"):
            patch.setattr(fold, quick, re.compile(""))
        assert unmasked(text) == found


@given(st.text("abcdefghjkmnopqrstuvwxyz", min_size=4, max_size=12), st.data())
def test_names_that_look_alike_have_one_skeleton(name: str, data: st.DataObject) -> None:
    twins = {"a": "а", "c": "с", "e": "е", "o": "о", "p": "р", "x": "х", "y": "у", "m": "rn", "w": "vv"}
    spots = [at for at, letter in enumerate(name) if letter in twins]
    chosen = data.draw(st.sets(st.sampled_from(spots))) if spots else set()
    other = "".join(twins[letter] if at in chosen else letter for at, letter in enumerate(name))
    assert skeleton(other) == skeleton(name)


@given(st.text(max_size=200))
def test_a_skeleton_is_lower_case_letters_and_digits(text: str) -> None:
    found = skeleton(text)
    assert found == found.casefold() or any(unicodedata.category(char) == "Lo" for char in found)
    assert all(char.isalnum() for char in found)


LONG = {
    "letters": "a" * 1_000_000,
    "leet": "a1" * 500_000,
    "spaced": "a " * 500_000,
    "mixed": "а" * 500_000 + "a",
    "invisible": "\u200b" * 1_000_000,
    "marks": "e\u0301" * 300_000,
    "ligatures": "\ufdfa" * 60_000,
    "dots": "a.b" * 300_000,
}


@pytest.mark.parametrize("name", LONG)
def test_folding_is_linear(name: str) -> None:
    spent = []
    for _ in range(3):
        began = time.thread_time()
        unmasked(LONG[name])
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.5
