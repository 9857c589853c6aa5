"""ONNX models for tests, and conversions of them that are checked from all sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.job.convert import Converted, convert_to
from wpconvert.model.rules import Rule, Rules
from wpconvert.model.settings import Settings

Array = NDArray[Any]


def sparse(shape: Sequence[int], dtype: str = "int8", zeros: float = 0.8, seed: int = 0) -> Array:
    """Random weights, a share of them zero."""
    generator = np.random.default_rng(seed)
    kept = generator.random(shape) >= zeros
    if dtype in ("int8", "uint8"):
        low, high = (-127, 128) if dtype == "int8" else (0, 256)
        return (generator.integers(low, high, shape) * kept).astype(dtype)
    return (generator.normal(size=shape) * kept).astype(dtype)


def value(name: str, shape: Sequence[int | str], elem_type: int = TensorProto.FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, elem_type, shape)


def model_of(
    nodes: Sequence[NodeProto],
    initializers: dict[str, Array],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    opset: int = 17,
    ir_version: int = 8,
    **more: Any,
) -> ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in initializers.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    if ir_version < 4:
        graph.input.extend(value(t.name, t.dims, t.data_type) for t in tensors)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version, producer_name="a test", **more
    )


def conv_model(opset: int = 17, ir_version: int = 8, **more: Any) -> ModelProto:
    """A float convolution, and an int8 matrix behind DequantizeLinear and Transpose."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("DequantizeLinear", ["fc.weight", "scale"], ["d"]),
        helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "t"], ["y"]),
    ]
    weights = {
        "conv.weight": sparse((64, 3, 3, 3), "float32"),
        "scale": np.array(0.1, np.float32),
        "fc.weight": sparse((128, 64), seed=1),
    }
    return model_of(nodes, weights, [value("x", [1, 3, 8, 8])], [value("y", [1, 128])], opset, ir_version, **more)


def matmul_model(weight: TensorProto, **more: Any) -> ModelProto:
    """A product with one weight of two dimensions, cast to float."""
    nodes = [
        helper.make_node("Cast", [weight.name], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "f"], ["y"]),
    ]
    rows, cols = weight.dims
    model = model_of(nodes, {}, [value("x", [1, rows])], [value("y", [1, cols])], **more)
    model.graph.initializer.append(weight)
    return model


def if_model() -> ModelProto:
    """Weights in both branches of an If, one of the main graph that a branch reads, and one that all read."""

    def branch(name: str, seed: int, outer: str) -> GraphProto:
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("MatMul", ["a", outer], ["b"]),
            helper.make_node("MatMul", ["b", "shared"], [f"{name}_out"]),
        ]
        tensors = [numpy_helper.from_array(sparse((64, 64), "float32", seed=seed), "w")]
        return helper.make_graph(nodes, name, [], [value(f"{name}_out", [1, 64])], tensors)

    choice = helper.make_node(
        "If", ["c"], ["z"], then_branch=branch("then", 1, "w1"), else_branch=branch("else", 2, "w2")
    )
    weights = {f"w{i}": sparse((64, 64), "float32", seed=2 + i) for i in (1, 2)}
    weights["shared"] = sparse((64, 64), "float32", seed=9)
    nodes = [choice, helper.make_node("MatMul", ["z", "shared"], ["y"])]
    ends = [value("x", [1, 64]), value("c", [], TensorProto.BOOL)]
    return model_of(nodes, weights, ends, [value("y", [1, 64])])


def save(model: ModelProto, path: Path, external: bool = False) -> Path:
    """Write a model, with `external` all tensors of 64 bytes and more to a file beside it."""
    copy = ModelProto()
    copy.CopyFrom(model)
    onnx.save(copy, path, save_as_external_data=external, location="weights.bin", size_threshold=64)
    return path


def converted(
    source: Path, method: str = "bitmap", rules: Sequence[Rule] = (), **more: Any
) -> tuple[Target, Converted]:
    """Convert into a folder of its own beside the source."""
    folder = source.parent / f"{source.stem}-{method}"
    folder.mkdir()
    target = Target.next_to(folder / "out.onnx")
    return target, convert_to(
        OnnxSource(read(source)), Settings(method, Rules(rules=list(rules)), **more), target.model
    )


def content(path: Path) -> bytes:
    """The whole model with external data pulled in."""
    return bytes(onnx.load(path).SerializeToString(deterministic=True))


def size(path: Path) -> int:
    """Bytes of the file and its external data."""
    model = read(path)
    return path.stat().st_size + sum(file.stat().st_size for file in model.files.paths)


def grown(source: Path, target: Target) -> bool:
    """Whether the new files are larger; a copy of one with external data may say where that is in more characters."""
    tensors = read(source).proto.graph.initializer
    slack = 0 if any(node.domain == "wpconvert" for node in read(target.model).proto.graph.node) else 64 * len(tensors)
    before, after = size(source), sum(path.stat().st_size for path in target.files)
    return after > before + (slack if target.data in target.files else 0)


def outputs(path: Path, seed: int = 0) -> list[Array]:
    """What ONNX Runtime computes of random inputs."""
    generator = np.random.default_rng(seed)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {}
    for port in session.get_inputs():
        shape = [side if isinstance(side, int) else 1 for side in port.shape]
        dtype = {"tensor(float)": "f4", "tensor(bool)": "?", "tensor(int8)": "i1", "tensor(uint8)": "u1"}[port.type]
        drawn = (
            generator.normal(size=shape) if dtype == "f4" else generator.integers(0, 2 if dtype == "?" else 128, shape)
        )
        feeds[port.name] = np.asarray(drawn).astype(dtype)
    return [np.asarray(output) for output in session.run(None, feeds)]


def check(source: Path, target: Target, run: bool = True) -> None:
    """A rewritten model is sound, not larger, computes the same bits in ONNX Runtime, and can be restored exactly."""
    onnx.checker.check_model(str(target.model), full_check=True)
    onnx.shape_inference.infer_shapes_path(
        str(target.model), str(target.model.with_name("inferred.onnx")), strict_mode=True
    )
    assert not grown(source, target)
    if run:
        for seed in range(3):
            for before, after in zip(outputs(source, seed), outputs(target.model, seed), strict=True):
                assert before.tobytes() == after.tobytes()
    dense = Target.next_to(target.model.with_name("dense.onnx"))
    assert restore(read(target.model), dense) == []
    assert content(dense.model) == content(source)
