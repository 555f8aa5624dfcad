"""Turns a trained checkpoint into what the node runs: ONNX with 8-bit weights, tokenizer, manifest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from ai.classifier import MODEL


class _Logits(torch.nn.Module):
    """The model without everything but its answer; positions and types are the defaults."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return answer


def export(model: Any, folder: Path) -> None:
    """Write ``mail.onnx`` (int8, dynamic) into ``folder``.

    Uses the dynamo exporter: the older one traced this model silently wrong.
    """
    model.eval()
    example = torch.tensor([[101, 2023, 2003, 1037, 3231, 102], [101, 7592, 2088, 102, 0, 0]])
    rows, length = torch.export.Dim("rows", min=1, max=64), torch.export.Dim("length", min=2, max=512)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        torch.onnx.export(
            _Logits(model).eval(),
            (example, (example > 0).long()),
            full,
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": {0: rows, 1: length}, "attention_mask": {0: rows, 1: length}},
            external_data=False,
            verbose=False,
        )
        graph = onnx.load(full)
        del graph.graph.value_info[:]  # the exporter's notes on shapes are stale after its own folding of transposes
        onnx.save(graph, full)
        quantize_dynamic(full, folder / MODEL, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False)
