"""The process in which ONNX Runtime runs: reads a model, and inputs.npz of a folder, writes outputs.npz there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime

_FATAL = 4


def main(model: Path, directory: Path, samples: int) -> None:
    """Run all samples; array `s_i` is input (or output) i of sample s."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.use_deterministic_compute = True
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    ends = [port.name for port in session.get_outputs()]
    names = [port.name for port in session.get_inputs()]
    results = {}
    with np.load(directory / "inputs.npz") as stored:
        for sample in range(samples):
            values = session.run(None, {name: stored[f"{sample}_{i}"] for i, name in enumerate(names)})
            for i, value in enumerate(values):
                if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
                    sys.exit(f"output {ends[i]!r} is not a numeric tensor")
                results[f"{sample}_{i}"] = value
    np.savez(directory / "outputs.npz", **results)  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    except Exception as error:  # What ONNX Runtime raises has no common class of its own.
        sys.exit(" ".join(str(error).split()))
