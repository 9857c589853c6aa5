"""`wpconvert inspect MODEL`."""

from __future__ import annotations

import wpconvert
from wpconvert.cli.console import JsonOption, ModelArgument, progress_stages, show


def inspect(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show operators, weights, sparsity, entropy, the bytes of each method, and rewritten tensors.

    Reads any .tflite or .onnx file, also those of other tools.
    """
    show(wpconvert.inspect(model, progress=progress_stages(as_json)), as_json)


inspect.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n  wpconvert inspect model.tflite\n\n  wpconvert inspect model.tflite --json > model.json"
)
