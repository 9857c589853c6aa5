"""Compressed weights that were tampered with: an error or other weights, the same in both decoders, never a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.onnx.decode.test_corruption import MUTATIONS
from tests.onnx.harness import Array, converted, model_of, save, sparse, value
from tools.fuzz import memory_limit
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.compressed import find_compressed
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS
from wpconvert.formats.onnx.file import read

TAMPERED = ("bits flipped", "numbers out of range", "cut short", "too long")
COPIES = 14
RUN = """
import resource, sys
from pathlib import Path
import numpy, onnxruntime
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.intra_op_num_threads = 1
for path in Path(sys.argv[1]).glob("*.onnx"):
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        numpy.save(path.with_suffix(".npy"), session.run(["w"], {"x": numpy.ones((1, 120), numpy.float32)})[0])
    except Exception as error:
        print(path.name, type(error).__name__)
"""


def _tampered(method: str, folder: Path) -> list[Path]:
    """Rewritten models, each with one damaged tensor."""
    weight = np.round(sparse((120, 200), "float32", 0.93), 1)
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"w": np.sign(weight) if method == "packed" else weight},
        [value("x", [1, 120])],
        [value("y", [1, 200]), value("w", [120, 200])],
    )
    target, done = converted(save(model, folder / f"{method}.onnx"), method)
    assert done.changed
    generator = np.random.default_rng(0)
    paths = []
    (folder / "bad").mkdir(exist_ok=True)
    for number in range(COPIES):
        model = onnx.load(target.model)
        node = next(node for node in model.graph.node if node.domain == "wpconvert")
        name = str(generator.choice(node.input))
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        change = MUTATIONS[TAMPERED[number % len(TAMPERED)]]
        tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(numpy_helper.to_array(tensor), generator)), name))
        onnx.save(model, folder / "bad" / f"{method}{number}.onnx")
        paths.append(folder / "bad" / f"{method}{number}.onnx")
    return paths


def _decoded(path: Path) -> Array | None:
    model = read(path)
    (compressed,) = find_compressed(model)
    try:
        return compressed.decode(model)
    except ModelError:
        return None


def test_what_decodes_here_is_the_same_in_onnx_runtime_and_nothing_ends_the_process(tmp_path: Path) -> None:
    paths = [path for method in DECODERS for path in _tampered(method, tmp_path)]
    done = subprocess.run([sys.executable, "-c", RUN, tmp_path / "bad"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours = {path: _decoded(path) for path in paths}
    sound = {path: weight for path, weight in ours.items() if weight is not None}
    assert len(paths) // 8 < len(sound) < len(paths)
    for path, weight in sound.items():
        theirs = np.load(path.with_suffix(".npy"))
        # Another shape than the graph says is for ONNX Runtime to refuse.
        assert weight.shape == theirs.shape and weight.tobytes() == theirs.tobytes(), path.name


@pytest.mark.parametrize("op_type", [op_type for op_type in BY_OP_TYPE if not op_type.endswith("Int4")])
def test_short_streams_that_claim_a_gigabyte_take_no_memory(op_type: str) -> None:
    decoder = BY_OP_TYPE[op_type]
    values = np.arange(16, dtype=next(iter(decoder.stored_dtypes)))
    arrays: list[Array] = []
    for name in decoder.input_names:
        if name == "shape":
            arrays.append(np.array([(1 << 30) - 1]))
        elif name == "layout":
            arrays.append(np.array([1, (1 << 30) - 1, 1, 1]))
        elif name == "stored":
            arrays.append(np.array([1 << 29]))
        elif name.endswith("levels"):
            arrays.append(np.array([1 << 27, *[0] * 11, (1 << 30) - 1, *[0] * 11], np.int32))
        elif name.endswith("counts"):
            arrays.append(np.array([(1 << 30) - 2, 1], np.int32))
        elif name in (decoder.values_name, "scales"):
            arrays.append(values)
        else:
            arrays.append(np.zeros(16, np.uint8))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    with memory_limit(used + (1 << 28)), pytest.raises(ModelError):
        decoder.decode(arrays)
