"""The shipped model: whole, quick, thread-safe, and honestly better than chance on mail it has never seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from email.message import EmailMessage
from pathlib import Path

import pytest

from ai.classifier import MODEL, TOKENIZER, Classifier, classify
from ai.locate import MANIFEST, find_model
from ai.manifest import ModelError
from ai.reasons import Reason
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
    for name in (MODEL, TOKENIZER, MANIFEST):
        shutil.copyfile(MODELS / name, tmp_path / name)
    return tmp_path


# --- the folder


def test_shipped_model_is_found_beside_the_packages() -> None:
    assert MODELS is not None
    assert (MODELS / "CARD.md").is_file()
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 25_000_000


def test_missing_model_says_what_to_do(tmp_path: Path) -> None:
    assert find_model(tmp_path) is None
    with pytest.raises(ModelError, match=r"classifier\.model"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
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
    ["", "[]", "{}", '{"format": 1}', "nonsense", '{"labels": 5}'],
    ids=["empty", "list", "object", "few", "text", "type"],
)
def test_broken_manifest_is_refused(copy: Path, content: str) -> None:
    (copy / MANIFEST).write_text(content)
    with pytest.raises(ModelError):
        Classifier.load(copy)


def test_manifest_of_a_later_format_is_refused(copy: Path) -> None:
    stored = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**stored, "format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        Classifier.load(copy)


def test_manifest_cannot_reach_outside_its_folder(copy: Path) -> None:
    stored = json.loads((copy / MANIFEST).read_text())
    stored["sha256"]["../secret"] = "0" * 64
    (copy / MANIFEST).write_text(json.dumps(stored))
    with pytest.raises(ModelError, match="outside its folder"):
        Classifier.load(copy)


def test_model_that_is_no_model_is_refused(copy: Path) -> None:
    stored = json.loads((copy / MANIFEST).read_text())
    (copy / MODEL).write_bytes(b"not onnx")
    stored["sha256"].pop(MODEL)
    (copy / MANIFEST).write_text(json.dumps(stored))
    with pytest.raises(ModelError, match="Cannot load the model"):
        Classifier.load(copy)


# --- the judgement


def test_better_than_chance_on_mail_of_our_own(classifier: Classifier) -> None:
    """The bar: of 20 ham and 20 spam in eight languages, at most 1 ham is called spam and at least 10 spam are caught,
    and a spam outranks a ham in 85 % of all pairs (chance: 50 %). This first model reached 0, 11 and 90.5 %; raise the
    bar with every better model."""
    scores = {path.stem: classifier.score(path.read_bytes()) for path in CASES}
    ham = {name: score for name, score in scores.items() if name.startswith("ham")}
    spam = {name: score for name, score in scores.items() if name.startswith("spam")}
    assert (len(ham), len(spam)) == (20, 20)
    outranked = sum(one.probability > other.probability for one in spam.values() for other in ham.values())
    flagged = [name for name, score in ham.items() if score.label == "spam"]
    caught = [name for name, score in spam.items() if score.label == "spam"]
    assert outranked / 400 >= 0.85
    assert len(flagged) <= 1, flagged
    assert len(caught) >= 10, sorted(set(spam) - set(caught))


def test_reasons_come_from_the_closed_list(classifier: Classifier) -> None:
    words = tuple(str(reason) for reason in Reason)
    for path in CASES:
        score = classifier.score(path.read_bytes())
        assert all(reason.startswith(words) for reason in score.reasons)
        assert score.label == "ham" or score.reasons[0].startswith(Reason.TEXT)


def test_reasons_name_the_deceit(classifier: Classifier) -> None:
    score = classifier.score((Path(__file__).with_name("cases") / "spam-01-en-bank.eml").read_bytes())
    assert Reason.LINK in score.reasons
    assert Reason.NUMBER in score.reasons


ODD = {
    "nothing": b"",
    "only a header": b"Subject: hi",
    "random bytes": bytes(range(256)) * 40,
    "emoji": mail("\U0001f600" * 50, "\U0001f4a9" * 5000),
    "right to left": mail("\u202egnp.exe", "\u202e" + "abc " * 400 + "\u202c"),
    "zero width": mail("fr\u200bee", "v\u200bi\u200ba\u200bg\u200br\u200ba " * 500),
    "homoglyphs": mail("Vеrіfу", "уоur ассоunt іs lіmіtеd, соnfіrm nоw " * 50),
    "zalgo": mail("x", "a" + "\u0301\u0316" * 20_000),
    "one long word": mail("x", "x" * 300_000),
    "many scripts": mail("x", "".join(chr(code) for code in range(0x100, 0xD7FF, 7))),
    "surrogates": b"Content-Type: text/plain; charset=utf-16\n\n" + b"\x00\xd8" * 500,
    "special tokens": mail("[SEP] [CLS]", "[SEP][CLS][PAD][MASK] " * 500),
    "control characters": b"Subject: \x00\x01\x1b[31m\n\n" + bytes(range(32)) * 200,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_mail_gets_an_answer(classifier: Classifier, name: str) -> None:
    score = classifier.score(ODD[name])
    assert 0 <= score.probability <= 1
    assert score.label in ("ham", "spam")


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


def test_heavy_mail_is_judged_in_time(classifier: Classifier) -> None:
    html = b"Content-Type: text/html\n\n" + b"<p>word <b>word</b> &amp; word</p>" * 300_000
    spent = []
    for raw in (html, ODD["many scripts"], ODD["one long word"], mail("x", "ab1 " * 100_000)):
        best = []
        for _ in range(3):
            began = time.thread_time()
            classifier.score(raw)
            best.append(time.thread_time() - began)
        spent.append(min(best))
    assert max(spent) < 0.1, spent


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


def test_reasons_are_silent_on_sure_ham() -> None:
    from ai.reasons import reasons_for

    view: View = text_view(mail("x", "http://192.0.2.1/"))
    assert reasons_for(view, 0.01, 0.9) == ()
    assert reasons_for(view, 0.95, 0.9) == ("text resembles spam (0.95)", "link to a bare IP address")
