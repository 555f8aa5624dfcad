"""The written material of the training mail: every file is valid, and says enough on both sides in every language."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ai.data import scenarios as loader
from ai.data.scenarios import KINDS, LABELS, PHRASES, PhraseError, Scenario, furniture, languages, scenarios

GOOD = """
[[scenario]]
id = "x-one"
kind = "receipt"
labels = ["bulk"]
sender = "own"
from = ["{firm}"]
subjects = ["Your receipt {order}"]
body = ["Thank you, {name}.", ["Total: {amount}", ""]]
"""


def test_there_are_twenty_languages() -> None:
    assert len(languages()) >= 20
    assert set(languages()) == {path.parent.name for path in PHRASES.glob("*/common.toml")}


@pytest.mark.parametrize("language", languages())
def test_every_file_of_a_language_is_valid(language: str) -> None:
    found = scenarios(language)
    assert furniture(language).firms
    assert len({scenario.id for scenario in found}) == len(found)
    assert all(scenario.kind in KINDS and scenario.labels <= set(LABELS) for scenario in found)


@pytest.mark.parametrize("language", languages())
def test_ham_and_spam_share_kinds_and_there_is_enough_of_both(language: str) -> None:
    found = scenarios(language)
    for is_spam in (False, True):
        trained = [scenario for scenario in found if scenario.is_spam is is_spam and not scenario.is_held_out]
        assert len(trained) >= 7
    ham, spam = ({scenario.kind for scenario in found if scenario.is_spam is side} for side in (False, True))
    assert len(ham & spam) >= 3, "else the kind predicts the class"


def test_nearly_every_language_has_both_sides_held_out() -> None:
    """Where one is missing, validation takes English instead (`ai.data.synthetic`)."""
    lacking = [
        language
        for language in languages()
        for is_spam in (False, True)
        if not any(one.is_held_out for one in scenarios(language) if one.is_spam is is_spam)
    ]
    assert len(lacking) <= 2, lacking


def test_threats_are_spam_in_every_language() -> None:
    counts: Counter[str] = Counter()
    for language in languages():
        for scenario in scenarios(language):
            counts.update(scenario.labels)
            assert not scenario.labels & {"phishing", "scam", "malware"} or scenario.is_spam, scenario.id
    assert all(counts[label] > 50 for label in ("spam", "phishing", "scam", "malware", "bulk")), counts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A language of one file beside the real furniture."""
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / "common.toml").write_text((PHRASES / "en" / "common.toml").read_text("utf-8"), "utf-8")
    monkeypatch.setattr(loader, "PHRASES", tmp_path)
    furniture.cache_clear()
    scenarios.cache_clear()
    return tmp_path / "xx"


def read(folder: Path, text: str) -> tuple[Scenario, ...]:
    (folder / "a.toml").write_text(text, "utf-8")
    scenarios.cache_clear()
    return scenarios("xx")


def test_a_good_file(folder: Path) -> None:
    (found,) = read(folder, GOOD)
    assert (found.kind, found.is_spam, found.users) == ("receipt", False, ("info",))
    assert found.body == (("Thank you, {name}.",), ("Total: {amount}", ""))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "receipt"', 'kind = "poem"', "unknown kind 'poem'"),
        ('labels = ["bulk"]', 'labels = ["evil"]', "unknown labels"),
        ('sender = "own"', 'sender = "nobody"', "unknown sender"),
        ("{amount}", "{sum}", "unknown slots"),
        ('subjects = ["Your receipt {order}"]', "subjects = []", "no display name, subject or body"),
        ('["Total: {amount}", ""]', "[]", "an empty block"),
        ('kind = "receipt"\n', "", "KeyError('kind') is missing"),
        ("[[scenario]]", "[[scenario]", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place(folder: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(PhraseError, match=r"a\.toml") as caught:
        read(folder, GOOD.replace(old, new))
    assert words in str(caught.value)


def test_furniture_without_a_list_is_named(folder: Path) -> None:
    text = (folder / "common.toml").read_text("utf-8")
    (folder / "common.toml").write_text(text.replace("weekdays", "weekends"), "utf-8")
    with pytest.raises(PhraseError, match="lacks weekdays"):
        furniture("xx")
