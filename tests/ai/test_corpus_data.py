"""Reading corpora, and the mail we write ourselves."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from ai.data import corpus, synthetic
from ai.data.scenarios import languages, scenarios
from ai.view import text_view

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of two messages, one of them with a disputed label."""
    packed = io.BytesIO()
    rows = []
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, label in enumerate(("ham", "spam")):
            raw = f"Subject: {label}\n\nbody {number}".encode()
            entry = tarfile.TarInfo(f"val/{label}/{number}.eml")
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
            rows.append({"id": f"m{number}", "file": entry.name, "src": "list/a", "label": label, "cat": "x"})
    (tmp_path / "val.tar.zst").write_bytes(zstd.compress(packed.getvalue()))
    (tmp_path / "val.index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "suspect_labels.json").write_text('{"ham_suspect": ["m0"], "spam_suspect": []}')
    return tmp_path


def test_split_is_read_with_its_labels(folder: Path) -> None:
    read = list(corpus.read_split(folder, "val"))
    assert [(sample.id, sample.source, sample.is_spam) for sample in read] == [
        ("m0", "list", False),
        ("m1", "list", True),
    ]
    assert read[1].raw == b"Subject: spam\n\nbody 1"


def test_disputed_labels_can_be_left_out(folder: Path) -> None:
    assert [sample.id for sample in corpus.read_split(folder, "val", without_suspects=True)] == ["m1"]


def test_a_sites_own_mail(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "1.host:2,S").write_bytes(b"a")
    (tmp_path / "b.eml").write_bytes(b"b")
    (tmp_path / "notes.txt").write_bytes(b"c")
    assert [sample.raw for sample in corpus.read_folder(tmp_path, is_spam=True)] == [b"b", b"a"]


def test_same_seed_same_mail() -> None:
    assert [s.raw for s in synthetic.samples(20, seed=1)] == [s.raw for s in synthetic.samples(20, seed=1)]


def test_held_out_scenarios_are_never_trained_on() -> None:
    for language in languages():
        trained, held_out = (
            {one.id for one in scenarios(language) if one.is_held_out is side} for side in (False, True)
        )
        assert not trained & held_out
    held = {sample.raw for sample in synthetic.samples(200, seed=5, held_out=True)}
    assert not held & {sample.raw for sample in synthetic.samples(2000, seed=5)}


def test_labels_and_categories_agree() -> None:
    for sample in synthetic.samples(400, seed=6):
        assert sample.labels is not None
        assert sample.is_spam == ("spam" in sample.labels)
        assert (sample.category == "ham") is not sample.is_spam
        assert sample.category != "phish" or "phishing" in sample.labels


def test_layout_and_language_do_not_tell_the_class() -> None:
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for sample in synthetic.samples(2000, seed=7):
        view = text_view(sample.raw)
        seen = counts[sample.is_spam]
        seen.update({"html": view.is_html, "image": view.images > 0, "foreign": not view.text.isascii(), "all": 1})
        seen.update(
            {"links": bool(view.links), "files": bool(view.attachments), "lists": b"list-unsub" in sample.raw.lower()}
        )
    for trait in ("html", "image", "foreign", "links", "files", "lists"):
        shares = [counts[side][trait] / counts[side]["all"] for side in (True, False)]
        assert abs(shares[0] - shares[1]) < 0.2, (trait, shares)


def test_written_mail_is_readable_in_every_language() -> None:
    endings = set()
    for sample in synthetic.samples(300, seed=3):
        view = text_view(sample.raw)
        assert view.from_domain
        assert view.subject
        assert len(view.text) > 5
        assert "\ufffd" not in view.text + view.subject
        endings.add(view.from_domain.rpartition(".")[2])
    assert len(endings) > 15
