"""The linear model: one weight a hashed feature, trained in a minute, stored in 8 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ai.hashing import BUCKETS

_EPOCHS, _BATCH, _RATE, _DECAY = 6, 256, 0.02, 2e-6


def train_linear(
    rows: Sequence[tuple[int, ...]], labels: Sequence[float], seed: int
) -> tuple[NDArray[np.float32], float]:
    """(weights float32 [BUCKETS], bias): logistic regression where a row's features count 1/sqrt(their number) each."""
    torch.manual_seed(seed)
    weights = torch.nn.EmbeddingBag(BUCKETS, 1, mode="sum", sparse=False)
    torch.nn.init.zeros_(weights.weight)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adagrad([weights.weight, bias], lr=_RATE * 10, weight_decay=_DECAY)
    chance = random.Random(seed)  # noqa: S311
    order = list(range(len(rows)))
    for _ in range(_EPOCHS):
        chance.shuffle(order)
        for start in range(0, len(order), _BATCH):
            _step(
                weights,
                bias,
                optimizer,
                [rows[at] for at in order[start : start + _BATCH]],
                [labels[at] for at in order[start : start + _BATCH]],
            )
    return weights.weight.detach().numpy()[:, 0].astype(np.float32), float(bias.item())


def _step(
    weights: torch.nn.EmbeddingBag,
    bias: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    rows: list[tuple[int, ...]],
    labels: list[float],
) -> None:
    flat = torch.tensor([number for row in rows for number in row])
    offsets = torch.tensor(np.cumsum([0] + [len(row) for row in rows[:-1]]))
    scale = torch.tensor([[1 / np.sqrt(max(1, len(row)))] for row in rows], dtype=torch.float32)
    margins = weights(flat, offsets) * scale + bias
    loss = torch.nn.functional.binary_cross_entropy_with_logits(margins[:, 0], torch.tensor(labels))
    torch.autograd.backward(loss)
    optimizer.step()
    optimizer.zero_grad()


def quantised(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """(int8 weights, scale): weight = int8 times scale."""
    scale = float(np.percentile(np.abs(weights[weights != 0]), 99.95)) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale
