"""What compressed weights cost ONNX Runtime on this machine, one core: a part of `make bench-host`.

A model of one matrix product with a weight of 10 M elements is loaded and run, dense and by every method, each time in
a process of its own. Times are those of the processor. Peak memory is what comes on top of ONNX Runtime itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, DOMAIN, VERSION, Settings, make_node

SHAPE = (10_000, 1_000)
OPSET = 21
DENSE = "dense"
_RUNS = 5

Weights = NDArray[Any]


def _sparse(generator: np.random.Generator) -> Weights:
    values = generator.normal(0, 30, SHAPE).clip(-127, 127).astype(np.int8)
    return values * (generator.random(SHAPE) >= 0.8)


def _masked(generator: np.random.Generator) -> Weights:
    return generator.normal(0, 1, SHAPE).astype(np.float32) * (generator.random(SHAPE) >= 0.8)


def _four_bits(generator: np.random.Generator) -> Weights:
    return generator.integers(-8, 8, SHAPE, dtype=np.int8)


def _pooled(generator: np.random.Generator) -> Weights:
    pool = generator.integers(-128, 128, (256, 8), dtype=np.int8)
    return pool[generator.integers(0, 256, (SHAPE[0], SHAPE[1] // 8))].reshape(SHAPE)


SOURCES: dict[str, tuple[Callable[[np.random.Generator], Weights], tuple[str, ...]]] = {
    "int8, 80 % zeros": (_sparse, (DENSE, "bitmap", "rle", "dcsr", "huffman")),
    "float32, 80 % zeros": (_masked, (DENSE, "bitmap")),
    "int8, 4 bits": (_four_bits, (DENSE, "packed")),
    "int8, of 256 vectors": (_pooled, (DENSE, "pool")),
}


def save_model(weights: Weights, method: str, path: Path) -> int:
    """Write the model; returns the bytes of the weight as it is stored."""
    nodes, functions, arrays = [], [], [("weight", weights)]
    if method != DENSE:
        encoded = DECODERS[method].encode(weights, Settings())
        arrays = list(encoded.inputs)
        nodes = [make_node(encoded, [name for name, _ in arrays], "weight")]
        functions = [BY_OP_TYPE[encoded.op_type].function(OPSET)]
    product = "MatMulInteger" if weights.dtype == np.int8 else "MatMul"
    nodes.append(helper.make_node(product, ["x", "weight"], ["y"]))
    result = np.dtype(np.int32 if weights.dtype == np.int8 else np.float32)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(weights.dtype), [1, SHAPE[0]])],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(result), [1, SHAPE[1]])],
        [numpy_helper.from_array(array, name) for name, array in arrays],
    )
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    onnx.save(helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=10), path)
    return sum(array.nbytes for _, array in arrays)


def peak_nbytes() -> int:
    """Peak resident memory of this process; unlike that of getrusage not that of the process it was started from."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def measure(path: Path, dtype: str) -> dict[str, Any]:
    """Load the model and run it: seconds, bytes, and the sum of its output."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    x = (np.arange(SHAPE[0]) % 7).astype(dtype)[None]
    bare = peak_nbytes()
    start = time.process_time()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    times = [time.process_time() - start]
    for _ in range(_RUNS):
        start = time.process_time()
        y = session.run(None, {"x": x})[0]
        times.append(time.process_time() - start)
    total = float(y.sum(dtype=np.float64))
    return {"load": times[0], "first": times[1], "next": min(times[2:]), "peak": peak_nbytes() - bare, "sum": total}


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2])))
        return
    print(
        f"\nONNX Runtime {ort.__version__}: one weight of {SHAPE[0] * SHAPE[1]:,} elements, optimisations as by default"
    )
    print("weight                method   stored MB  load ms  first run ms  next run ms  peak MB")
    for name, (make, methods) in SOURCES.items():
        weights = make(np.random.default_rng(0))
        expected = None
        for method in methods:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                stored = save_model(weights, method, path)
                command = [sys.executable, __file__, str(path), weights.dtype.name]
                found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            expected = found["sum"] if expected is None else expected
            if found["sum"] != expected:
                sys.exit(f"bench-host: {method} of {name} gives another output than the dense weights")
            print(
                f"{name:<21} {method:<8} {stored / 1e6:9.2f} {found['load'] * 1e3:8.0f} {found['first'] * 1e3:13.1f} "
                f"{found['next'] * 1e3:12.1f} {found['peak'] / 1e6:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
