"""The training loop: a few layers of a pre-trained transformer, several labels at once, like lengths together."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

from ai.classes import CLASSES
from ai.train.samples import Example
from ai.train.vocabulary import Vocabulary, grow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the outcome, beside the data."""

    layers: int = 3
    batch: int = 32
    epochs: float = 1.0
    learning_rate: float = 1.5e-4
    dropout: float = 0.12
    warm_up: float = 0.06  # of all steps
    messages: int = 12_000  # that the transformer is trained on in a run; the linear model reads all
    runs: int = 2  # whose weights are averaged: what each remembers by chance goes, what all have understood stays
    smoothing: float = 0.002
    seed: int = 20261121
    threads: int = 2
    checkpoint_every: int = 100


def base_model(folder: Path, plan: Plan, vocabulary: Vocabulary) -> BertForSequenceClassification:
    """The first layers of a BERT-like model on disk, with a wider vocabulary and a fresh head for CLASSES."""
    config = BertConfig.from_pretrained(folder, num_labels=len(CLASSES), num_hidden_layers=plan.layers)
    config.id2label = dict(enumerate(CLASSES))
    config.label2id = {name: number for number, name in enumerate(CLASSES)}
    config.problem_type = "multi_label_classification"
    config.hidden_dropout_prob = config.classifier_dropout = plan.dropout
    model: BertForSequenceClassification = BertForSequenceClassification.from_pretrained(folder, config=config)
    torch.manual_seed(plan.seed)
    model.bert.embeddings.word_embeddings = grow(model.bert.embeddings.word_embeddings, vocabulary)
    model.config.vocab_size = vocabulary.tokenizer.get_vocab_size()
    return model


def averaged(models: Iterable[BertForSequenceClassification]) -> BertForSequenceClassification:
    """The last of the models, with the mean of all their weights."""
    sums: dict[str, torch.Tensor] = {}
    count = 0
    for model in models:
        count += 1
        for name, value in model.state_dict().items():
            sums[name] = sums[name] + value.float() if name in sums else value.float()
    model.load_state_dict({name: value / count for name, value in sums.items()})
    return model


def padded(examples: list[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids, mask, targets, weights) of a batch; int64 [n, longest] twice, float32 [n, classes] twice."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = 1
    return ids, mask, torch.tensor([one.targets for one in examples]), torch.tensor([one.weights for one in examples])


def batches(examples: list[Example], plan: Plan) -> list[list[Example]]:
    """Batches of like lengths in random order: padding is work for nothing."""
    chance = random.Random(plan.seed)  # noqa: S311
    total = int(len(examples) * plan.epochs)
    order: list[list[Example]] = []
    while total > 0:
        pool = list(examples)
        chance.shuffle(pool)
        pool = pool[:total]
        total -= len(pool)
        for start in range(0, len(pool), plan.batch * 32):
            near = sorted(pool[start : start + plan.batch * 32], key=lambda example: len(example.ids))
            cut = [near[at : at + plan.batch] for at in range(0, len(near), plan.batch)]
            chance.shuffle(cut)
            order += cut
    return order


def train(model: BertForSequenceClassification, examples: list[Example], plan: Plan, work: Path) -> None:
    """Train in place; a checkpoint in ``work`` lets a broken run go on from the last hundred steps."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    order = batches(examples, plan)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=plan.learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / len(order), plan.warm_up))
    start = _resume(work, model, optimizer, schedule)
    model.train()
    began, recent = time.monotonic(), 0.0
    for step, batch in enumerate(order[start:], start + 1):
        loss = _loss(model, batch, plan.smoothing)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent = loss.item() if not recent else recent * 0.95 + loss.item() * 0.05
        if step % 20 == 0:
            log.info("step %d of %d, loss %.3f, %.0f s", step, len(order), recent, time.monotonic() - began)
        if step % plan.checkpoint_every == 0:
            _save(work, step, model, optimizer, schedule)


def _loss(model: BertForSequenceClassification, batch: list[Example], smoothing: float) -> torch.Tensor:
    """Weighted binary cross-entropy over the classes; the spam class counts as much as all others together."""
    ids, mask, targets, weights = padded(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # twice as fast where the processor knows it
        logits = model(input_ids=ids, attention_mask=mask).logits
    softened = targets * (1 - 2 * smoothing) + smoothing
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), softened, reduction="none") * weights
    return losses[:, 0].mean() + losses[:, 1:].mean()


def _rate(progress: float, warm_up: float) -> float:
    return progress / warm_up if progress < warm_up else max(0.0, (1 - progress) / (1 - warm_up))


def _save(work: Path, step: int, model: Any, optimizer: Any, schedule: Any) -> None:
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
    }
    torch.save(state, work / "checkpoint.tmp")
    (work / "checkpoint.tmp").replace(work / "checkpoint.pt")


def _resume(work: Path, model: Any, optimizer: Any, schedule: Any) -> int:
    path = work / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    log.info("going on from step %d", state["step"])
    return int(state["step"])
