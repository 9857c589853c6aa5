"""Calibration takes inputs of every type, biases of every shape that broadcasts, and no model twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.cli.harness import Cli
from tests.onnx.lower.harness import operators, real_outputs, run_onnx
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.lowering import calibrate, lower
from wpconvert.lowering.single import to_single

RANDOM = np.random.default_rng(0)
FLOAT = TensorProto.FLOAT


def saved(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, NDArray[Any]],
    *,
    kind: int = FLOAT,
    shape: Sequence[int | str] = ("b", 3, 8, 8),
    result: int = FLOAT,
    domains: Sequence[str] = (),
) -> Path:
    """A model with one input x and one output y."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", result, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    path = folder / "model.onnx"
    opsets = [helper.make_opsetid(domain, 17 if domain == "" else 1) for domain in ("", *domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def data(folder: Path, values: NDArray[Any]) -> Path:
    path = folder / "samples.npz"
    np.savez(path, x=values)
    return path


def pixels(folder: Path, kind: int) -> Path:
    """A network that casts what it is given, and scales it."""
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=FLOAT),
        helper.make_node("Mul", ["real", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "matrix"], ["y"]),
    ]
    constants = {
        "scale": np.array(1 / 255, np.float32),
        "kernel": RANDOM.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "matrix": RANDOM.normal(0, 0.3, (144, 5)).astype(np.float32),
    }
    return saved(folder, nodes, constants, kind=kind)


def close(path: Path, values: NDArray[Any], samples: Path) -> list[str]:
    """The lowered operators; outputs have to be near those of the float model."""
    lowered = lower(calibrate(path, samples), "net")
    model = onnx.load(path)
    for index in range(4):
        feeds = {"x": values[index : index + 1]}
        [expected] = run_onnx(model, feeds).values()
        [found] = real_outputs(lowered, feeds)
        assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    return operators(lowered)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.UINT8, "uint8"),
        (TensorProto.INT32, "int32"),
        (TensorProto.INT64, "int64"),
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.DOUBLE, "float64"),
    ],
)
def test_samples_are_taken_as_the_model_takes_them(kind: int, dtype: str, cli: Cli, tmp_path: Path) -> None:
    values = RANDOM.integers(0, 256, (30, 3, 8, 8)).astype(dtype)
    path, samples = pixels(tmp_path, kind), data(tmp_path, values)
    assert {"CONV_2D", "FULLY_CONNECTED"} <= {*close(path, values, samples)}
    if dtype in ("int32", "float16"):
        out = tmp_path / "out.tflite"
        cli.ok(path, "-o", out, "--calibrate", samples)
        assert "verified" in cli.ok("verify", path, out, "--inputs", samples).out


def test_samples_of_another_type_are_cast_where_the_input_can_hold_them(tmp_path: Path) -> None:
    path = pixels(tmp_path, TensorProto.UINT8)
    whole = RANDOM.integers(0, 256, (10, 3, 8, 8))
    assert calibrate(path, data(tmp_path, whole.astype(np.float32))) == calibrate(path, data(tmp_path, whole))
    for wrong in (whole + 0.5, whole + 1.0e3, whole - 300):
        with pytest.raises(UsageError, match=r"samples.npz: 'x' has .* samples that do not fit uint8"):
            calibrate(path, data(tmp_path, wrong))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_samples_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    path = pixels(tmp_path, FLOAT)
    samples = data(tmp_path, np.full((4, 3, 8, 8), value))
    with pytest.raises(UsageError, match=r"samples.npz: 'x' has samples that are not finite"):
        calibrate(path, samples)


def test_integers_that_are_not_cast_are_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Cast", ["twice"], ["real"], to=FLOAT),
        helper.make_node("MatMul", ["real", "matrix"], ["y"]),
    ]
    constants = {"matrix": RANDOM.normal(0, 0.3, (8, 5)).astype(np.float32)}
    path = saved(tmp_path, nodes, constants, kind=TensorProto.INT32, shape=("b", 8))
    quantised = calibrate(path, data(tmp_path, RANDOM.integers(0, 9, (10, 8))))
    with pytest.raises(UnsupportedError, match="input 'x' is INT32; only a Cast to float32 can read it"):
        lower(quantised, "net")


def test_a_network_of_half_precision_is_quantised_like_one_of_single(tmp_path: Path) -> None:
    half = np.float16
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "matrix"], ["y"]),
    ]
    constants = {
        "kernel": RANDOM.normal(0, 0.3, (4, 3, 3, 3)).astype(half),
        "bias": RANDOM.normal(0, 0.3, 4).astype(half),
        "matrix": RANDOM.normal(0, 0.3, (144, 5)).astype(half),
    }
    path = saved(tmp_path, nodes, constants, kind=TensorProto.FLOAT16, result=TensorProto.FLOAT16)
    values = RANDOM.normal(0, 1, (30, 3, 8, 8)).astype(half)
    samples = data(tmp_path, values)
    assert close(path, values, samples) == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    single = onnx.load(path)
    to_single(single)
    assert {t.data_type for t in single.graph.initializer} == {FLOAT}
    onnx.save(single, path)
    assert calibrate(path, samples) == calibrate(path, data(tmp_path, values.astype(np.float32)))


@pytest.mark.parametrize("shape", [(1, 5), (1, 1), (1,), (), (5,)], ids=str)
@pytest.mark.parametrize("form", ["Gemm", "Gemm transposed", "MatMul and Add"])
def test_a_bias_may_have_any_shape_of_one_value_a_column(
    form: str, shape: tuple[int, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    matrix = RANDOM.normal(0, 0.3, (16, 5)).astype(np.float32)
    transposed = form == "Gemm transposed"
    if form == "MatMul and Add":
        nodes = [
            helper.make_node("MatMul", ["x", "matrix"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["y"]),
        ]
    else:
        nodes = [helper.make_node("Gemm", ["x", "matrix", "bias"], ["y"], transB=int(transposed))]
    bias = np.asarray(RANDOM.normal(0, 1, shape), np.float32)
    constants = {"matrix": matrix.T.copy() if transposed else matrix, "bias": bias}
    path = saved(tmp_path, nodes, constants, shape=(1, 16))
    values = RANDOM.normal(0, 1, (30, 16)).astype(np.float32)
    assert "FULLY_CONNECTED" in close(path, values, data(tmp_path, values))
    # Nor does ONNX Runtime tell of the initializers that its quantiser leaves.
    assert capfd.readouterr() == ("", "")


def test_a_bias_by_row_is_told(tmp_path: Path) -> None:
    constants: dict[str, NDArray[Any]] = {"matrix": RANDOM.normal(0, 1, (16, 5)).astype(np.float32)}
    constants["bias"] = np.ones((4, 1), np.float32)
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("Gemm", ["r", "matrix", "bias"], ["y"], "gemm"),
    ]
    constants["rows"] = np.array([4, 16], np.int64)
    path = saved(tmp_path, nodes, constants, shape=(1, 64))
    samples = data(tmp_path, RANDOM.normal(0, 1, (5, 64)).astype(np.float32))
    with pytest.raises(UnsupportedError, match=r"node 'gemm' \(Gemm\): a bias of shape \[4, 1\]; supported: one"):
        calibrate(path, samples)


def test_two_nodes_may_share_a_bias(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "first", "bias"], ["h"]),
        helper.make_node("Gemm", ["h", "second", "bias"], ["y"]),
    ]
    constants = {
        "first": RANDOM.normal(0, 0.3, (16, 7)).astype(np.float32),
        "second": RANDOM.normal(0, 0.3, (7, 5)).astype(np.float32),
        "bias": np.ones((1, 1), np.float32),
    }
    path = saved(tmp_path, nodes, constants, shape=(1, 16))
    values = RANDOM.normal(0, 1, (30, 16)).astype(np.float32)
    assert close(path, values, data(tmp_path, values)) == ["FULLY_CONNECTED"] * 2


def test_a_flat_bias_takes_no_name_of_another_tensor(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "first", "bias"], ["h"]),
        helper.make_node("Gemm", ["h", "second", "bias/5"], ["y"]),
    ]
    constants = {
        "first": RANDOM.normal(0, 0.3, (16, 5)).astype(np.float32),
        "second": RANDOM.normal(0, 0.3, (5, 5)).astype(np.float32),
        "bias": np.full((1, 1), 3, np.float32),
        "bias/5": np.full(5, -3, np.float32),
    }
    path = saved(tmp_path, nodes, constants, shape=(1, 16))
    values = RANDOM.normal(0, 1, (30, 16)).astype(np.float32)
    close(path, values, data(tmp_path, values))


def test_no_model_is_quantised_twice(cli: Cli, tmp_path: Path) -> None:
    path = pixels(tmp_path, FLOAT)
    samples = data(tmp_path, RANDOM.integers(0, 256, (10, 3, 8, 8)).astype(np.float32))
    onnx.save(calibrate(path, samples), path)
    line = cli.refused(4, path, "-o", tmp_path / "out.tflite", "--calibrate", samples)
    assert line == f"{path}: the model is already quantised; omit --calibrate"
    cli.ok(path, "-o", tmp_path / "out.tflite", "--no-verify")


def test_dynamic_quantisation_is_no_float_model_either(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "matrix", "z"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=FLOAT),
    ]
    path = saved(tmp_path, nodes, {"matrix": np.ones((8, 5), np.int8)}, shape=(1, 8))
    with pytest.raises(UnsupportedError, match="the model is already quantised"):
        calibrate(path, data(tmp_path, RANDOM.normal(0, 1, (5, 8)).astype(np.float32)))


@pytest.mark.parametrize("form", ["MatMulInteger", "Quant", "weights"])
def test_integers_of_other_tools_are_no_float_model(form: str, tmp_path: Path) -> None:
    integers = RANDOM.integers(-8, 8, (8, 5))
    domains: tuple[str, ...] = ()
    constants: dict[str, NDArray[Any]]
    if form == "MatMulInteger":
        nodes = [
            helper.make_node("Cast", ["x"], ["q"], to=TensorProto.INT8),
            helper.make_node("MatMulInteger", ["q", "matrix"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["y"], to=FLOAT),
        ]
        constants, said = {"matrix": integers.astype(np.int8)}, "MatMulInteger nodes have no scale"
    elif form == "Quant":
        domains, said = ("qonnx.custom_op.general",), "Quant nodes of qonnx.custom_op.general have no scale"
        nodes = [
            helper.make_node("Quant", ["x", "one", "zero", "bits"], ["q"], domain=domains[0]),
            helper.make_node("MatMul", ["q", "matrix"], ["y"]),
        ]
        constants = {
            "matrix": np.ones((8, 5), np.float32),
            "one": np.array(1, np.float32),
            "zero": np.array(0, np.float32),
        }
        constants["bits"] = np.array(8, np.float32)
    else:
        nodes = [
            helper.make_node("MatMul", ["x", "matrix"], ["sum"]),
            helper.make_node("Mul", ["sum", "factor"], ["scaled"]),
            helper.make_node("Floor", ["scaled"], ["y"]),
        ]
        constants = {"matrix": integers.astype(np.float32), "factor": np.array(0.125, np.float32)}
        said = "integer weights have no scale"
    path = saved(tmp_path, nodes, constants, shape=(1, 8), domains=domains)
    with pytest.raises(UnsupportedError, match=f"net: {said}; export it in QDQ form"):
        lower(onnx.load(path), "net")
    with pytest.raises(UnsupportedError, match=f"{said}; give --calibrate the float model, or export it"):
        calibrate(path, data(tmp_path, RANDOM.integers(-9, 9, (5, 8)).astype(np.float32)))
