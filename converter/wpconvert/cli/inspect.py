"""`wpconvert inspect MODEL`."""

from __future__ import annotations

import wpconvert
from wpconvert.cli.console import JsonOption, ModelArgument, examples, progress_stages, show


@examples("inspect model.tflite", "inspect model.tflite --json > model.json")
def inspect(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show operators, weights, sparsity, entropy, the bytes of each method, and rewritten tensors.

    Reads any .tflite or .onnx file, also those of other tools.
    """
    show(wpconvert.inspect(model, progress=progress_stages(as_json)), as_json)
