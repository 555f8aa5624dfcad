"""The linear model: one weight a hashed feature and class, trained in two minutes, stored in 8 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ai.hashing import BUCKETS

_EPOCHS, _BATCH, _RATE, _DECAY = 6, 256, 0.02, 2e-6


def train_linear(
    rows: Sequence[tuple[int, ...]], targets: NDArray[np.float32], counts: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """(weights float32 [BUCKETS, classes], biases): logistic regressions where a row's features count 1/sqrt(their
    number) each. ``targets`` and how much each ``counts``: [rows, classes]."""
    torch.manual_seed(seed)
    weights = torch.nn.EmbeddingBag(BUCKETS, targets.shape[1], mode="sum", sparse=False)
    torch.nn.init.zeros_(weights.weight)
    bias = torch.zeros(targets.shape[1], requires_grad=True)
    optimizer = torch.optim.Adagrad([weights.weight, bias], lr=_RATE * 10, weight_decay=_DECAY)
    chance = random.Random(seed)  # noqa: S311
    order = list(range(len(rows)))
    for _ in range(_EPOCHS):
        chance.shuffle(order)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            wanted, count = torch.from_numpy(targets[batch]), torch.from_numpy(counts[batch])
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                _margins(weights, bias, [rows[at] for at in batch]), wanted, reduction="none"
            )
            torch.autograd.backward((losses * count).sum(1).mean())
            optimizer.step()
            optimizer.zero_grad()
    return weights.weight.detach().numpy().astype(np.float32), tuple(round(float(value), 5) for value in bias)


def _margins(weights: torch.nn.EmbeddingBag, bias: torch.Tensor, rows: list[tuple[int, ...]]) -> torch.Tensor:
    flat = torch.tensor([number for row in rows for number in row])
    offsets = torch.tensor(np.cumsum([0] + [len(row) for row in rows[:-1]]))
    scale = torch.tensor([[1 / np.sqrt(max(1, len(row)))] for row in rows], dtype=torch.float32)
    margins: torch.Tensor = weights(flat, offsets) * scale + bias
    return margins


def quantised(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], tuple[float, ...]]:
    """(int8 weights, a scale for each class): weight = int8 times scale."""
    scales = [float(np.percentile(np.abs(column[column != 0]), 99.95)) / 127 for column in weights.T]
    return np.clip(np.round(weights / np.array(scales)), -127, 127).astype(np.int8), tuple(scales)
