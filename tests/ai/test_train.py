"""Training and export, on a toy: what is trained is what is served."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai.tokens import window

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the train extra (torch)"),
    pytest.mark.filterwarnings("ignore"),  # torch's exporter is talkative
]


@pytest.fixture
def toy() -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=200, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=2
    )
    return BertForSequenceClassification._from_config(config, attn_implementation="eager")


def test_training_learns_and_goes_on_from_its_checkpoint(toy: Any, tmp_path: Path) -> None:
    import torch

    from ai.train.loop import Plan, padded, train
    from ai.train.samples import Example

    examples = [Example(window([10 + label * 50] * (3 + n % 5), 1, 2), label) for n in range(40) for label in (0, 1)]
    plan = Plan(batch=8, epochs=4, learning_rate=5e-3, threads=1, checkpoint_every=10)
    train(toy, examples, plan, tmp_path)
    toy.eval()
    ids, mask, labels = padded(examples)
    assert (toy(input_ids=ids, attention_mask=mask).logits.argmax(1) == labels).all()
    trained = toy.classifier.weight.clone()
    train(toy, examples, plan, tmp_path)  # the last checkpoint is the last step: nothing is left to do
    assert torch.equal(trained, toy.classifier.weight)


def test_batches_hold_every_example_once_per_epoch() -> None:
    from ai.train.loop import Plan, batches
    from ai.train.samples import Example

    examples = [Example([number], 0) for number in range(1000)]
    order = batches(examples, Plan(epochs=1.5))
    counted = sorted(example.ids[0] for batch in order for example in batch)
    assert len(counted) == 1500
    assert set(counted) == set(range(1000))


@pytest.mark.slow
def test_exported_model_answers_like_torch(toy: Any, tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from ai.classifier import MODEL
    from ai.train.export import export

    (tmp_path / "t.json").write_text("{}")
    export(toy, tmp_path / "t.json", tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / MODEL, providers=["CPUExecutionProvider"])
    for shape in ((1, 5), (1, 128), (3, 40)):
        ids = np.random.default_rng(1).integers(0, 200, shape)
        mask = np.ones_like(ids)
        served = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        with torch.no_grad():
            expected = toy(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits.numpy()
        assert np.abs(served - expected).max() < 0.05
