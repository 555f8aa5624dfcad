"""Puts transformer and linear model together and calibrates them, on mail that neither was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def logistic(
    features: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], ridge: float = 1e-3
) -> list[float]:
    """Coefficients [features..., bias] of a weighted logistic regression. ``features`` [n, k], the others [n]."""
    inputs = torch.tensor(np.column_stack([features, np.ones(len(features))]), dtype=torch.float64)
    wanted, counts = torch.tensor(targets), torch.tensor(weights / weights.sum())
    found = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer: Any = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = (
            torch.nn.functional.binary_cross_entropy_with_logits(inputs @ found, wanted, reduction="none") * counts
        ).sum()
        value = value + ridge * (found[:-1] ** 2).sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)
    return [round(float(value), 5) for value in found.detach()]


def balanced(groups: Sequence[tuple[str, bool]]) -> NDArray[np.float64]:
    """A weight for each (source, is_spam): every source's every class counts the same."""
    counts = {group: groups.count(group) for group in set(groups)}
    return np.array([1 / counts[group] for group in groups])
