"""Class heads on the frozen encoder.

What phishing, scam, malware and bulk are is learned from many more messages than the encoder may see without
remembering them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import BertForSequenceClassification

from ai.classes import CLASSES
from ai.train.loop import padded
from ai.train.samples import Example

_BATCH, _RIDGE = 64, 2e-4


def refit_classes(model: BertForSequenceClassification, examples: Sequence[Example]) -> None:
    """Fit every output but spam's anew, in place: logistic regression on the encoder's pooled output."""
    inputs, targets, weights = _pooled(model, examples)
    centre, spread = inputs.mean(0), inputs.std(0) + 1e-4
    scaled = (inputs - centre) / spread
    for at in range(1, len(CLASSES)):
        slope, bias = _fitted(scaled, targets[:, at], weights[:, at])
        model.classifier.weight.data[at] = slope / spread
        model.classifier.bias.data[at] = bias - (slope * centre / spread).sum()


def _pooled(
    model: BertForSequenceClassification, examples: Sequence[Example]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(pooled outputs [n, width], targets [n, classes], weights [n, classes]), float32."""
    encoder: Any = model
    encoder.eval()
    ordered = sorted(examples, key=lambda example: len(example.ids))
    found: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(ordered), _BATCH):
            ids, mask, targets, weights = padded(ordered[start : start + _BATCH])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                pooled = encoder.bert(input_ids=ids, attention_mask=mask).pooler_output
            found.append((pooled.float(), targets, weights))
    inputs, targets, weights = (torch.cat(parts) for parts in zip(*found, strict=True))
    return inputs, targets, weights


def _fitted(inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(slope [width], bias) of a weighted logistic regression with a ridge."""
    slope = torch.zeros(inputs.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([slope, bias], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        losses = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ slope + bias, targets, reduction="none")
        loss = (losses * weights).sum() / weights.sum() + _RIDGE * (slope**2).sum()
        torch.autograd.backward(loss)
        optimizer.step()
    return slope.detach(), bias.detach()
