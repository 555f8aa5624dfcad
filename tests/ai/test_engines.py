"""Both engines: the same checkpoint by ONNX Runtime and by torch, labels of foreign models, and a child that dies."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.classes import CLASSES
from ai.classifier import LINEAR, MODEL, TOKENIZER, Classifier
from ai.engines import EngineError, Torch
from ai.labels import NEVER, meaning, read_labels
from ai.locate import find_model
from ai.manifest import NEUTRAL, Manifest, ModelError, digest, write_manifest

CASES = sorted(Path(__file__).with_name("cases").glob("*.eml"))
TRAINED = Path(__file__).resolve().parents[2] / "build" / "train" / "checkpoint"
needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "onnxscript")),
    reason="needs the train extra (torch)",
)
# int8 against float32. The shipped model differed by at most 0.29 log-odds on the sample mail (mean 0.05), of margins
# between -8 and 8; twice that is allowed, so that a wrong export, which differs by several, cannot pass.
TOLERANCE = 0.6


# --- labels


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_softmax_outputs_become_log_odds(outputs: list[float]) -> None:
    """log(p / (1 - p)) of the softmax, computed here the straight way."""
    labels = read_labels(["spam", *[f"other{number}" for number in range(len(outputs) - 1)]], independent=False)
    exact = np.exp(np.array(outputs, dtype=np.longdouble) - max(outputs))
    share = exact[0] / exact.sum()
    expected = float(np.log(share) - np.log(exact[1:].sum() / exact.sum()))
    assert labels.margins(outputs)[0] == pytest.approx(max(-60, min(60, expected)), abs=1e-6)


def test_our_own_labels_are_used_as_they_are() -> None:
    labels = read_labels(CLASSES, independent=True)
    assert labels.ours
    assert labels.margins([1.0, -2.0, 3.0, -100.0, 5.0]) == (1.0, -2.0, 3.0, -100.0, 5.0)


@pytest.mark.parametrize(
    ("names", "outputs", "spam", "phishing"),
    [
        (("ham", "spam"), (0.0, 3.0), 3.0, NEVER),
        (("Not Spam", "Spam"), (4.0, 0.0), -4.0, NEVER),
        (("safe", "phishing"), (0.0, 2.0), 2.0, 2.0),  # a threat is spam where a model has no word for spam
        (("LEGITIMATE", "Junk", "Phish"), (0.0, 0.0, 0.0), -math.log(2), -math.log(2)),
    ],
)
def test_labels_by_what_they_mean(
    names: tuple[str, ...], outputs: tuple[float, ...], spam: float, phishing: float
) -> None:
    margins = dict(zip(CLASSES, read_labels(names, independent=False).margins(outputs), strict=True))
    assert (margins["spam"], margins["phishing"]) == (pytest.approx(spam), pytest.approx(phishing))


@pytest.mark.parametrize("name", ["ham", "not spam", "no_spam", "LABEL_1", "", "positive", "spammer's friend"])
def test_words_that_are_no_class(name: str) -> None:
    assert meaning(name) == ""


def test_a_model_whose_labels_say_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match=r"LABEL_0.*id2label"):
        read_labels(["LABEL_0", "LABEL_1"], independent=False)


# --- the two engines


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(model folder, checkpoint folder) of one small network with the shipped tokenizer, exported by the trainer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from ai.hashing import BUCKETS
    from ai.train.export import export

    shipped = find_model()
    assert shipped
    model_folder, checkpoint = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(json.loads((shipped / TOKENIZER).read_text())["model"]["vocab"]),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        initializer_range=0.2,
        id2label=dict(enumerate(CLASSES)),
        problem_type="multi_label_classification",
    )
    network: Any = BertForSequenceClassification._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        network.classifier.weight.mul_(6)  # so that mails differ by several log-odds, as they do for a trained one
    network.save_pretrained(checkpoint)
    export(network, model_folder)
    for folder in (model_folder, checkpoint):
        shutil.copyfile(shipped / TOKENIZER, folder / TOKENIZER)
    np.save(model_folder / LINEAR, np.zeros((BUCKETS, len(CLASSES)), dtype=np.int8))
    manifest = Manifest(
        name="toy",
        created="2026-11-21",
        labels=CLASSES,
        window=128,
        linear_scale=(1.0,) * len(CLASSES),
        linear_bias=(0.0,) * len(CLASSES),
        blend=(1.0, 0.0, 0.0),
        calibration=dict.fromkeys(CLASSES[1:], NEUTRAL),
        release=-1e9,
        junk=0.5,
        refuse=0.9,
        sha256={name: digest(model_folder / name) for name in (MODEL, TOKENIZER, LINEAR)},
    )
    write_manifest(model_folder, manifest)
    return model_folder, checkpoint


def differences(onnx: Classifier, torch: Classifier) -> list[float]:
    """Largest difference of log-odds, of any class, for each sample mail."""
    found = []
    for path in CASES:
        reading = onnx.read(path.read_bytes())
        served = onnx.margins(reading.view, reading.hashes, always=True).transformer
        expected = torch.margins(reading.view, reading.hashes, always=True).transformer
        assert served
        assert expected
        found.append(max(abs(one - other) for one, other in zip(served, expected, strict=True)))
    return found


@needs_torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's exporter is talkative
def test_both_engines_answer_alike(toy: tuple[Path, Path]) -> None:
    folder, checkpoint = toy
    torch = Classifier.load(folder, checkpoint=checkpoint)
    try:
        onnx = Classifier.load(folder)
        assert torch.manifest == onnx.manifest, "the trainer's own checkpoint keeps blend, calibration and thresholds"
        assert max(differences(onnx, torch)) < TOLERANCE
        margins = [onnx.score(path.read_bytes()).margin for path in CASES]
        assert max(margins) - min(margins) > 3 * TOLERANCE, "a network that says the same to all proves nothing"
    finally:
        torch.close()


@needs_torch
@pytest.mark.slow
@pytest.mark.skipif(not TRAINED.is_dir(), reason="no build/train/checkpoint here; make model writes it")
def test_the_trained_checkpoint_answers_like_the_shipped_model() -> None:
    torch = Classifier.load(checkpoint=TRAINED)
    try:
        onnx = Classifier.load()
        if torch.manifest != onnx.manifest:
            pytest.skip("build/train/checkpoint is of another training than models/")
        assert max(differences(onnx, torch)) < TOLERANCE
    finally:
        torch.close()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A sequence classifier as others publish them: another architecture, tokenizer and labels."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    words = ["<s>", "</s>", "<unk>", "free", "money", "click", "lunch", "tuesday"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("</s>", 1), ("<s>", 0))
    tokenizer.save(str(tmp_path / TOKENIZER))
    config = DistilBertConfig(
        vocab_size=len(words), dim=16, hidden_dim=32, n_heads=2, n_layers=1, max_position_embeddings=40,
        id2label={0: "Ham", 1: "Spam"}, label2id={"Ham": 0, "Spam": 1},
    )  # fmt: skip
    DistilBertForSequenceClassification(config).eval().save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def judged_by_foreign(foreign: Path) -> Iterator[Classifier]:
    classifier = Classifier.load(checkpoint=foreign)
    yield classifier
    classifier.close()


@needs_torch
@pytest.mark.slow
def test_a_foreign_model_judges_alone(judged_by_foreign: Classifier, foreign: Path) -> None:
    """Its probability is what its own library computes from its own tokens; no cascade, no blend; a long text
    has a head and a tail, none longer than the model can read."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForSequenceClassification

    score = judged_by_foreign.score(b"From: a@b.example\nSubject: free money\n\nclick click")
    ids = Tokenizer.from_file(str(foreign / TOKENIZER)).encode("free money\nclick click").ids
    network = AutoModelForSequenceClassification.from_pretrained(foreign, local_files_only=True)
    with torch.inference_mode():
        expected = network(input_ids=torch.tensor([ids])).logits.softmax(-1)[0, 1].item()
    assert score.probability == pytest.approx(expected, abs=1e-5)
    assert (score.classes.phishing, score.stage) == (0.0, "transformer")
    reading = judged_by_foreign.read(b"From: a@b.example\nSubject: free\n\n" + b"lunch tuesday " * 500)
    windows = judged_by_foreign.reader.windows(reading.view)
    assert [len(window) for window in windows] == [40, 40]
    assert 0 <= judged_by_foreign.judge(reading).probability <= 1


@needs_torch
@pytest.mark.slow
def test_a_child_that_dies_costs_one_answer_and_is_started_anew(foreign: Path) -> None:
    engine = Torch.load(foreign)
    try:
        expected = engine.logits([[0, 3, 1]])
        os.kill(engine._child.pid, signal.SIGKILL)
        engine._child.wait()
        assert engine.logits([[0, 3, 1]]) == expected
        os.kill(engine._child.pid, signal.SIGKILL)
        engine._child.wait()
        with pytest.raises(EngineError, match="rests"):
            engine.logits([[0, 3, 1]])
    finally:
        engine.close()


@needs_torch
@pytest.mark.slow
def test_a_question_that_the_model_cannot_answer_is_no_answer(foreign: Path) -> None:
    engine = Torch.load(foreign)
    try:
        with pytest.raises(EngineError):
            engine.logits([[10_000]])
    finally:
        engine.close()


@needs_torch
@pytest.mark.parametrize("missing", ["config.json", TOKENIZER])
def test_a_folder_that_is_no_classifier(foreign: Path, missing: str) -> None:
    (foreign / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        Classifier.load(checkpoint=foreign)


@needs_torch
@pytest.mark.slow
def test_code_of_the_folder_is_not_run(foreign: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A model that wants its own code to be trusted is refused, and so are weights that are a pickle."""
    trace = tmp_path_factory.mktemp("trace") / "was-here"
    (foreign / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    config = json.loads((foreign / "config.json").read_text())
    evil = {"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}
    (foreign / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": evil}))
    with pytest.raises(ModelError):
        Classifier.load(checkpoint=foreign)
    (foreign / "config.json").write_text(json.dumps(config))
    (foreign / "model.safetensors").rename(foreign / "pytorch_model.bin")
    with pytest.raises(ModelError):
        Classifier.load(checkpoint=foreign)
    assert not trace.exists()
