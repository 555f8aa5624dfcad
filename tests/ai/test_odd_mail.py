"""Mail made to break or to stall: it gets an answer, within 100 ms of CPU, and nothing raises."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.classifier import Classifier
from ai.explain import SECONDS, explain

LIMIT = 0.1  # seconds of this thread's CPU


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


def mail(subject: str, text: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Ann <ann@firm.example>", subject
    message.set_content(text)
    return message.as_bytes()


def html(markup: str) -> bytes:
    return b"From: a@b.example\nContent-Type: text/html; charset=utf-8\n\n" + markup.encode("utf-8", "surrogatepass")


def nested(depth: int) -> bytes:
    opened = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth))
    return opened + b"\nthe text\n" + b"".join(b"--b%d--\n" % n for n in reversed(range(depth)))


def scripts() -> str:
    """Twenty letters of each of more than fifty scripts."""
    found: dict[str, list[str]] = {}
    for code in range(0x20, 0x1F000):
        character = chr(code)
        if character.isalpha():
            letters = found.setdefault(unicodedata.name(character, "?").partition(" ")[0], [])
            if len(letters) < 20:
                letters.append(character)
    assert len(found) > 50
    return " ".join("".join(letters) for letters in found.values())


MESSAGES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "only a header": lambda: b"Subject: hi",
    "only blanks": lambda: b"\r\n" * 100_000,
    "random bytes": lambda: random.Random(1).randbytes(1_000_000),
    "every byte": lambda: bytes(range(256)) * 4000,
    "10 MB of HTML": lambda: html("<p>word <b>word</b> &amp; word</p>" * 300_000),
    "1,000 nested parts": lambda: nested(1000),
    "100,000 parts": lambda: b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\ntext\n" * 100_000,
    "all emoji": lambda: mail("\U0001f600" * 50, "\U0001f4a9\u200d\U0001f525" * 20_000),
    "right to left tricks": lambda: mail("\u202egnp.exe", "\u202e\u2066\u2067\u2068abc\u2069\u202c " * 10_000),
    "zero width": lambda: mail("fr\u200bee", "v\u200bi\u200ba\u200bg\u200br\u200ba " * 20_000),
    "homoglyphs": lambda: mail("Vеrіfу", "уоur ассоunt іs lіmіtеd, соnfіrm nоw " * 5000),
    "zalgo": lambda: mail("x", "a" + "\u0301\u0316" * 60_000),
    "5 MB single word": lambda: b"From: a@b.example\n\n" + b"x" * 5_000_000,
    "5 MB single word of Chinese": lambda: b"From: a@b.example\n\n" + "\u6f22".encode() * 1_700_000,
    "50 scripts": lambda: mail("scripts", scripts() * 10),
    "all of the basic plane": lambda: mail("x", "".join(chr(code) for code in range(0x100, 0xD7FF))),
    "surrogates": lambda: b"Content-Type: text/plain; charset=utf-16\n\n" + b"\x00\xd8" * 50_000,
    "special tokens": lambda: mail("[SEP] [CLS]", "[SEP][CLS][PAD][MASK][unused0] " * 5000),
    "control characters": lambda: b"Subject: \x00\x01\x1b[31m\n\n" + bytes(range(32)) * 2000,
    "tokenizer bomb: continuations": lambda: mail("x", "##ing" * 20_000),
    "tokenizer bomb: long rare words": lambda: mail("x", ("q" * 90 + " ") * 2000),
    "tokenizer bomb: words at the limit": lambda: mail("x", " ".join("zxqj" * 25 for _ in range(1000))),
    "tokenizer bomb: combining marks": lambda: mail("x", "e\u0301" * 30_000),
    "tokenizer bomb: Hangul that composes": lambda: mail("x", "\u1112\u1161\u11ab" * 20_000),
    "tokenizer bomb: case that grows": lambda: mail("x", "\u0130\u1e9e\ufb03" * 20_000),
    "expanding ligatures": lambda: mail("\ufdfa" * 300, "\ufdfa" * 20_000),
    "spaced letters": lambda: mail("V I A G R A", "F R E E  " * 20_000),
    "leet": lambda: mail("V14GR4", "fr33 m0n3y c4sh " * 10_000),
    "brands": lambda: mail("PayPal Amazon DHL", "paypal amazon netflix " * 10_000),
    "addresses": lambda: b"From: " + b"a@" * 20_000 + b"\n\n" + b"a.b@" * 40_000,
    "links": lambda: html("<a href='http://a.example/x'>http://b.example</a>" * 20_000),
    "deep tables": lambda: html("<table><tr><td>" * 30_000 + "x"),
    "styles": lambda: html("<span style='display:none'>x</span>" * 20_000),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_is_judged_in_time(classifier: Classifier, name: str) -> None:
    raw = MESSAGES[name]()
    spent = []
    for _ in range(5):  # the best: other processes share these cores and their caches
        began = time.thread_time()
        score = classifier.score(raw)
        spent.append(time.thread_time() - began)
        assert 0 <= score.probability <= 1
        assert score.label in {"ham", "spam"}
        if spent[-1] < LIMIT / 2:
            break
    assert min(spent) < LIMIT, f"{min(spent) * 1000:.0f} ms"


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=2000)
    | st.text(max_size=1000).map(lambda text: b"Subject: x\n\n" + text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    score = shared().score(raw)
    assert 0 <= score.probability <= 1
    assert len(score.hashes) <= 512


_kept: list[Classifier] = []


def shared() -> Classifier:
    if not _kept:
        _kept.append(Classifier.load())
    return _kept[0]


@pytest.mark.parametrize("name", ["nothing", "random bytes", "10 MB of HTML", "50 scripts", "5 MB single word", "leet"])
def test_an_explanation_is_bounded_too(classifier: Classifier, name: str) -> None:
    began = time.perf_counter()
    found = explain(classifier, MESSAGES[name]())
    assert time.perf_counter() - began < 4 * SECONDS
    assert all(abs(piece.margin) < 1000 for piece in found.contributions)
