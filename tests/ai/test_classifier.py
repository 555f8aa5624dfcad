"""The shipped model: whole, quick, thread-safe, and right about mail it has never seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.classes import CLASSES, Classes
from ai.classifier import LINEAR, MODEL, TOKENIZER, Classifier, Margins, classify
from ai.data import synthetic
from ai.locate import MANIFEST, find_model
from ai.manifest import ModelError
from ai.reasons import SPEAKING, Reason, in_words, reasons_for
from ai.view import View, text_view

CASES = sorted(Path(__file__).with_name("cases").glob("*.eml"))
MODELS = find_model()


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


def mail(subject: str, text: str, sender: str = "Ann <ann@firm.example>") -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    message.set_content(text)
    return message.as_bytes()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    assert MODELS is not None
    for name in (MODEL, TOKENIZER, LINEAR, MANIFEST):
        shutil.copyfile(MODELS / name, tmp_path / name)
    return tmp_path


def unchecked(folder: Path, name: str) -> None:
    """Let the manifest say nothing of a file."""
    stored = json.loads((folder / MANIFEST).read_text())
    stored["sha256"].pop(name)
    (folder / MANIFEST).write_text(json.dumps(stored))


# --- the folder


def test_shipped_model_is_found_beside_the_packages() -> None:
    assert MODELS is not None
    assert (MODELS / "CARD.md").is_file()
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 25_000_000


def test_missing_model_says_what_to_do(tmp_path: Path) -> None:
    assert find_model(tmp_path) is None
    with pytest.raises(ModelError, match=r"classifier\.model"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER, LINEAR])
def test_one_changed_byte_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match="not the file that was released"):
        Classifier.load(copy)


def test_missing_file_is_refused(copy: Path) -> None:
    (copy / MODEL).unlink()
    with pytest.raises(ModelError, match="Cannot read"):
        Classifier.load(copy)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 2}', "nonsense", '{"labels": 5}'],
    ids=["empty", "list", "object", "few", "text", "type"],
)
def test_broken_manifest_is_refused(copy: Path, content: str) -> None:
    (copy / MANIFEST).write_text(content)
    with pytest.raises(ModelError):
        Classifier.load(copy)


@pytest.mark.parametrize("number", [1, 99])
def test_manifest_of_another_format_is_refused(copy: Path, number: int) -> None:
    stored = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**stored, "format": number}))
    with pytest.raises(ModelError, match=f"format {number}"):
        Classifier.load(copy)


def test_manifest_cannot_reach_outside_its_folder(copy: Path) -> None:
    stored = json.loads((copy / MANIFEST).read_text())
    stored["sha256"] = {"../secret": "0" * 64}
    (copy / MANIFEST).write_text(json.dumps(stored))
    with pytest.raises(ModelError, match="outside its folder"):
        Classifier.load(copy)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER, LINEAR])
def test_file_of_another_kind_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"neither this nor that")
    unchecked(copy, name)
    with pytest.raises(ModelError, match="Cannot load the model"):
        Classifier.load(copy)


@pytest.mark.parametrize("wrong", [np.zeros(10, np.int8), np.zeros(1 << 18, np.float32)])
def test_linear_weights_of_another_shape_are_refused(copy: Path, wrong: np.ndarray) -> None:
    np.save(copy / LINEAR, wrong)
    unchecked(copy, LINEAR)
    with pytest.raises(ModelError, match=r"linear\.npy holds"):
        Classifier.load(copy)


def test_linear_weights_that_are_a_pickle_are_not_opened(copy: Path) -> None:
    np.save(copy / LINEAR, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    unchecked(copy, LINEAR)
    with pytest.raises(ModelError, match="pickle"):
        Classifier.load(copy)


# --- the judgement


def test_right_about_mail_of_our_own(classifier: Classifier) -> None:
    """The bar: of 20 ham and 20 spam in eight languages, no ham is called spam and 9 spam are caught, and a spam
    outranks a ham in 94 % of all pairs (chance: 50 %). Raise the bar with every better model."""
    scores = {path.stem: classifier.score(path.read_bytes()) for path in CASES}
    ham = {name: score for name, score in scores.items() if name.startswith("ham")}
    spam = {name: score for name, score in scores.items() if name.startswith("spam")}
    assert (len(ham), len(spam)) == (20, 20)
    outranked = sum(one.probability > other.probability for one in spam.values() for other in ham.values())
    flagged = [name for name, score in ham.items() if score.label == "spam"]
    caught = [name for name, score in spam.items() if score.label == "spam"]
    assert outranked / 400 >= 0.94
    assert not flagged
    assert len(caught) >= 9, sorted(set(spam) - set(caught))


def test_the_cheap_stage_releases_only_what_the_whole_model_calls_ham(classifier: Classifier) -> None:
    """On held-out mail of our own, of which it releases some."""
    released = []
    for sample in synthetic.samples(300, seed=31, held_out=True):
        reading = classifier.read(sample.raw)
        if classifier.judge(reading).stage == "linear":
            whole = classifier.margins(reading.view, reading.hashes, always=True)
            assert classifier.verdict(reading, whole).label == "ham"
            released.append(sample.is_spam)
    assert released, "else the stage is of no use, and this test of none"
    assert sum(released) <= 1


@given(margin=st.floats(-80, 80), junk=st.floats(0.01, 0.999), release=st.floats(-80, 80))
def test_the_cheap_stage_never_accuses(margin: float, junk: float, release: float) -> None:
    shipped = Classifier.load()
    model = Classifier(
        replace(shipped.manifest, junk=junk, release=release), shipped.engine, shipped.reader, shipped._linear
    )
    odds, classes = model.together(Margins(None, margin))
    assert classes.spam <= junk / 2 + 1e-6
    assert odds <= release


def test_of_several_windows_the_worst_counts(classifier: Classifier) -> None:
    spam = (Path(__file__).with_name("cases") / "spam-01-en-bank.eml").read_bytes()
    reading = classifier.read(spam)
    window = classifier.reader.windows(reading.view)[0]
    other = classifier.reader.windows(classifier.read(mail("Lunch", "See you at noon, Ann")).view)[0]
    one, two = (classifier.transformer([each]) for each in (window, other))
    assert classifier.transformer([window, other]) == tuple(map(max, one, two))


def test_reasons_come_from_the_closed_list(classifier: Classifier) -> None:
    words = tuple(map(str, Reason))
    of_text = tuple(map(str, (Reason.TEXT, Reason.PHISHING, Reason.SCAM, Reason.MALWARE)))
    for path in CASES:
        score = classifier.score(path.read_bytes())
        assert all(reason.startswith(words) and reason.isascii() for reason in score.reasons)
        assert score.label == "ham" or score.reasons[0].startswith(of_text)


def test_reasons_name_the_deceit(classifier: Classifier) -> None:
    score = classifier.score((Path(__file__).with_name("cases") / "spam-01-en-bank.eml").read_bytes())
    assert Reason.LINK in score.reasons
    assert Reason.NUMBER in score.reasons


def test_reasons_are_silent_on_sure_ham() -> None:
    view: View = text_view(mail("x", "http://192.0.2.1/"))
    assert reasons_for(view, Classes(spam=0.01), 0.9) == ()
    assert reasons_for(view, Classes(spam=0.5), 0.9) == ("link to a bare IP address",)
    assert reasons_for(view, Classes(spam=0.95), 0.9) == ("text resembles spam (0.95)", "link to a bare IP address")
    assert reasons_for(view, Classes(spam=0.95, scam=0.8), 0.9)[0] == "text resembles a scam (0.80)"


def test_every_speaking_mark_has_words_of_its_own() -> None:
    view = text_view(mail("x", "y", "PayPal <x@elsewhere.example>"))
    words = [in_words(mark, view) for mark in SPEAKING]
    assert len(set(words)) == len(words)
    assert "well-known brand on another domain (PayPal)" in words


def test_classes_are_probabilities(classifier: Classifier) -> None:
    for path in CASES:
        score = classifier.score(path.read_bytes())
        assert all(0 <= getattr(score.classes, name) <= 1 for name in CLASSES)
        assert score.threat == max(score.classes.phishing, score.classes.scam, score.classes.malware)
        assert score.hashes == tuple(sorted(set(score.hashes)))


def test_zero_width_characters_do_not_hide_a_text(classifier: Classifier) -> None:
    text = "Verify your account within 24 hours or it will be closed. Enter your card number and password here."
    plain = classifier.score(mail("Account suspended", text)).probability
    broken = classifier.score(mail("Account suspended", "\u200b".join(text))).probability
    assert broken > plain - 0.1


def test_same_answer_from_many_threads(classifier: Classifier) -> None:
    raws = [path.read_bytes() for path in CASES[::4]]
    expected = [classifier.score(raw).probability for raw in raws]
    seen: list[list[float]] = []

    def work() -> None:
        seen.append([classifier.score(raw).probability for raw in raws])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [expected] * 4


def test_classify_takes_files_and_bytes() -> None:
    found = list(classify([CASES[0], CASES[0].read_bytes()]))
    assert [item.path for item in found] == [str(CASES[0]), "-"]
    assert found[0].score.probability == found[1].score.probability
    json.dumps(asdict(found[0]))


def test_import_is_cheap() -> None:
    """The node imports this module at its start, also when the classifier is off."""
    heavy = {"numpy", "onnxruntime", "torch", "tokenizers"}
    program = f"import sys, ai.classifier; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


def test_serving_is_small_and_without_torch() -> None:
    """At most 200 MB resident after a few messages (Linux only)."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    program = (
        "import sys, pathlib; from ai.classifier import Classifier; c = Classifier.load()\n"
        f"for p in pathlib.Path({str(CASES[0].parent)!r}).glob('*.eml'): c.score(p.read_bytes())\n"
        "rss = int(pathlib.Path('/proc/self/status').read_text().split('VmRSS:')[1].split()[0])\n"
        "print(rss, {'torch', 'transformers'} & set(sys.modules) or '')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout.strip()) < 200_000
