"""Speed and memory of rewriting an ONNX model with external data on this machine: part of `make bench-host`.

MB are 10^6 bytes of dense weights. Memory is the sum over all processes, shared pages counted once.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, save

from wpconvert.formats.onnx.external import locate
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.job.convert import convert_to
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings

WEIGHTS = 60
ROWS = 1000
SPARSITY = 0.8
_POLL_S = 0.05


def synthetic(path: Path, megabytes: int) -> None:
    """A model of int8 matrix products with that many MB of weights, 80 % zeros, all in one data file."""
    columns = megabytes * 1_000_000 // WEIGHTS // ROWS
    generator = np.random.default_rng(0)
    values = generator.integers(-127, 128, (ROWS, columns), dtype=np.int8)
    values[generator.random(values.shape, dtype=np.float32) < SPARSITY] = 0
    weights = []
    with path.with_suffix(".bin").open("wb") as file:
        for index in range(WEIGHTS):
            weight = TensorProto(name=f"w{index}", data_type=TensorProto.INT8, dims=values.shape)
            locate(weight, path.with_suffix(".bin").name, file.tell(), values.nbytes)
            file.write(values.data)
            weights.append(weight)
    nodes = [helper.make_node("MatMulInteger", ["x", f"w{i}"], [f"y{i}"]) for i in range(WEIGHTS)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, ROWS])]
    outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.INT32, [1, columns]) for i in range(WEIGHTS)]
    graph = helper.make_graph(nodes, "synthetic", inputs, outputs, weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def rewrite(path: Path, processes: int) -> None:
    """Rewrite into a new folder and print the CPU time of this process in seconds, and the bytes before and after."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = Target.next_to(Path(folder) / "out.onnx")
        settings = Settings("bitmap", Rules(rules=[]), processes=processes)
        report = convert_to(OnnxSource(read(path)), settings, target.model).report
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, report.nbytes_before, report.nbytes_after)


def memory_of(pid: int) -> int:
    """Bytes of memory of a process and all that it started; 0 when it is gone."""
    total, waiting = 0, [pid]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        try:
            rollup = (process / "smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0]) * 1024
            for task in (process / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


def measure(path: Path, processes: int) -> str:
    """One row of the table."""
    start, peak = time.perf_counter(), 0
    command = [sys.executable, __file__, "--child", str(path), str(processes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            peak = max(peak, memory_of(child.pid))
            time.sleep(_POLL_S)
        assert child.stdout is not None
        words = child.stdout.read().split()
    if child.returncode:
        sys.exit("bench-host: rewriting the synthetic ONNX model failed")
    seconds = time.perf_counter() - start
    cpu, before, after = float(words[0]), int(words[1]), int(words[2])
    # Other processes have their own time.
    per_core = f"{before / cpu / 1e6:12.0f}" if processes == 1 else f"{'–':>12}"
    sizes = f"{before / 1e6:8.0f} {after / 1e6:8.0f}"
    return f"{processes:>9} {sizes} {before / seconds / 1e6:12.0f} {per_core} {peak / 1e6:9.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--mb", type=int, default=3000, help="MB of weights, 3000 by default")
    arguments = parser.parse_args()
    if arguments.child:
        rewrite(Path(arguments.child[0]), int(arguments.child[1]))
        return
    print("ONNX, external data, bitmap")
    print("              dense   stored      rewrite      rewrite      peak")
    print("processes        MB       MB         MB/s  MB/s of CPU  memory MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "synthetic.onnx"
        synthetic(path, arguments.mb)
        for processes in sorted({1, len(os.sched_getaffinity(0))}):
            print(measure(path, processes), flush=True)


if __name__ == "__main__":
    main()
