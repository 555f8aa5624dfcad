"""Training and export, on a toy: what is trained is what is served."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai.classes import CLASSES

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the train extra (torch)"),
    pytest.mark.filterwarnings("ignore"),  # torch's exporter is talkative
]
KNOWN = (1.0,) * len(CLASSES)


@pytest.fixture
def toy() -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=200,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=len(CLASSES),
        problem_type="multi_label_classification",
    )
    return BertForSequenceClassification._from_config(config, attn_implementation="eager")


def test_training_learns_each_class_and_goes_on_from_its_checkpoint(toy: Any, tmp_path: Path) -> None:
    """Two classes, a word for each mixture of them; of a third nobody knows anything (weight 0): nothing is learned."""
    import torch

    from ai.train.loop import Plan, padded, train
    from ai.train.samples import Example

    examples = []
    for number in range(160):
        one, two = bool(number & 1), bool(number & 2)
        ids = [1, *[10 + 40 * one + 80 * two] * (3 + number % 5), 2]
        examples.append(Example(ids, (float(one), float(two), 1.0, 0.0, 0.0), (1.0, 1.0, 0.0, 1.0, 1.0)))
    plan = Plan(batch=8, epochs=12, learning_rate=3e-3, threads=1, checkpoint_every=10)
    unknown = toy.classifier.weight[2].detach().clone()
    train(toy, examples, plan, tmp_path)
    toy.eval()
    ids, mask, targets, _ = padded(examples)
    answers = toy(input_ids=ids, attention_mask=mask).logits > 0
    assert (answers[:, :2] == (targets[:, :2] > 0)).all()
    assert torch.cosine_similarity(unknown, toy.classifier.weight[2], dim=0) > 0.9999  # weight decay alone
    trained = toy.classifier.weight.clone()
    train(toy, examples, plan, tmp_path)  # the last checkpoint is the last step: nothing is left to do
    assert torch.equal(trained, toy.classifier.weight)


def test_averaged_models_have_the_mean_of_their_weights(toy: Any) -> None:
    import copy

    import torch

    from ai.train.loop import averaged

    other = copy.deepcopy(toy)
    before = toy.classifier.weight.detach().clone()
    with torch.no_grad():
        other.classifier.weight += 2
    assert torch.allclose(averaged([toy, other]).classifier.weight, before + 1)


def test_covered_messages_keep_their_own_text_and_tell_where_it_is() -> None:
    from ai.data import synthetic
    from ai.train import samples
    from ai.view import model_text

    chance = random.Random(4)
    items = [item for item in samples.read(synthetic.samples(60, seed=2, plain=True)) if not item.sample.telling]
    covers = ["the river was calm and the garden green " * 40]
    seen = set()
    for item in items:
        view, telling = samples._covered(chance, item, covers)
        own = item.view.text[: samples._OWN]
        assert own in view.text
        if view is not item.view:
            where = telling if telling in {"head", "tail"} else "between"
            ends = (view.text.startswith(own), view.text.endswith(own))
            assert ends == {"head": (True, False), "tail": (False, True), "between": (False, False)}[where]
            assert where != "between" or samples._passage(chance, model_text(view).body, telling)
            seen.add(where)
    assert seen == {"head", "tail", "between"}


def test_batches_hold_every_example_once_per_epoch() -> None:
    from ai.train.loop import Plan, batches
    from ai.train.samples import Example

    examples = [Example([number], KNOWN, KNOWN) for number in range(1000)]
    order = batches(examples, Plan(epochs=1.5))
    counted = sorted(example.ids[0] for batch in order for example in batch)
    assert len(counted) == 1500
    assert set(counted) == set(range(1000))


def test_linear_model_learns_and_is_itself_in_8_bits() -> None:
    from ai.train.linear import quantised, train_linear

    chance = random.Random(5)
    rows = [tuple(sorted({chance.randrange(1000, 3000) for _ in range(30)} | {number % 2})) for number in range(400)]
    targets = np.array([[number % 2, (number + 1) % 2, 1] for number in range(400)], dtype=np.float32)
    counts = np.array([[1, number < 200, 0] for number in range(400)], dtype=np.float32)
    weights, bias = train_linear(rows, targets, counts, seed=1)
    small, scale = quantised(np.where(weights == 0, 1e-9, weights))
    assert small.dtype == np.int8
    for values in (weights, small * np.array(scale)):
        margins = np.array([values[list(row)].sum(0) / len(row) ** 0.5 + bias for row in rows])
        assert ((margins[:, 0] > 0) == (targets[:, 0] > 0)).all()
        assert ((margins[:, 1] > 0) == (targets[:, 1] > 0)).mean() > 0.75, "learned from the half it is known of"
    assert not weights[:, 2].any(), "what counts nothing teaches nothing"


def test_calibration_finds_the_odds_that_made_the_data() -> None:
    from ai.train.blend import logistic

    chance = np.random.default_rng(3)
    features = chance.normal(size=(20_000, 2)) * 2
    truth = 1 / (1 + np.exp(-(1.5 * features[:, 0] - 0.5 * features[:, 1] + 0.7)))
    found = logistic(features, (chance.random(20_000) < truth).astype(float), np.ones(20_000), ridge=0.0)
    assert found == pytest.approx([1.5, -0.5, 0.7], abs=0.1)


@pytest.mark.slow
def test_exported_model_answers_like_torch(toy: Any, tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from ai.classifier import MODEL
    from ai.train.export import export

    export(toy, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / MODEL, providers=["CPUExecutionProvider"])
    for shape in ((1, 5), (1, 128), (3, 40)):
        ids = np.random.default_rng(1).integers(0, 200, shape)
        mask = np.ones_like(ids)
        served = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        with torch.no_grad():
            expected = toy(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits.numpy()
        assert served.shape == expected.shape == (shape[0], len(CLASSES))
        assert np.abs(served - expected).max() < 0.05
