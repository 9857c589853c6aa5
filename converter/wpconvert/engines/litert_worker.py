"""The process in which LiteRT runs: reads a model, and inputs.npz of a folder, writes outputs.npz there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main(model: Path, directory: Path, samples: int, kept: list[int]) -> None:
    """Run all samples; array `s_i` is input (or output) i of sample s. After the outputs come the tensors `kept`."""
    interpreter = Interpreter(
        model_content=model.read_bytes(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=bool(kept),
    )
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    results = {}
    with np.load(directory / "inputs.npz") as stored:
        for sample in range(samples):
            for i, detail in enumerate(inputs):
                interpreter.set_tensor(detail["index"], stored[f"{sample}_{i}"])
            interpreter.invoke()
            for i, detail in enumerate(outputs):
                results[f"{sample}_{i}"] = interpreter.get_tensor(detail["index"])
            for i, tensor in enumerate(kept, len(outputs)):
                results[f"{sample}_{i}"] = _value(interpreter, tensor)
    np.savez(directory / "outputs.npz", **results)


def _value(interpreter: Interpreter, tensor: int) -> np.ndarray[Any, Any]:
    """What an operator has computed; nothing where it has no memory, as tensors of no elements."""
    try:
        return np.asarray(interpreter.get_tensor(tensor))
    except ValueError:
        return np.zeros(0, np.int8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), list(map(int, sys.argv[4:])))
