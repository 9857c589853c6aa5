"""A float model quantised with samples can be lowered and answers nearly the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime import quantization

from tests.onnx.lower.harness import operators, real_outputs, run_onnx, steps_apart
from wpconvert.errors import FileError, UnsupportedError, UsageError
from wpconvert.lowering import calibrate, lower

RANDOM = np.random.default_rng(0)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Conv, batch normalisation, Relu, pool and Gemm in float32."""
    values = {
        "kernel": RANDOM.normal(0, 0.3, (6, 3, 3, 3)),
        "scale": RANDOM.uniform(0.5, 2, 6),
        "shift": RANDOM.normal(0, 0.5, 6),
        "mean": RANDOM.normal(0, 0.5, 6),
        "variance": RANDOM.uniform(0.5, 2, 6),
        "matrix": RANDOM.normal(0, 0.3, (4, 54)),
        "offset": RANDOM.normal(0, 0.3, 4),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"], "conv"),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"], "bn"),
        helper.make_node("Relu", ["b"], ["c"], "relu"),
        helper.make_node("MaxPool", ["c"], ["d"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["d"], ["e"], "flatten"),
        helper.make_node("Gemm", ["e", "matrix", "offset"], ["logits"], "classifier", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in values.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.npz"
    np.savez(path, image=RANDOM.normal(0, 1, (50, 3, 8, 8)).astype(np.float32))
    return path


def test_a_calibrated_network_is_int8_throughout_and_close_to_the_float_one(network: Path, samples: Path) -> None:
    lowered = lower(calibrate(network, samples), "net")
    assert operators(lowered) == ["CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"]
    model = onnx.load(network)
    with np.load(samples) as stored:
        for index in range(10):
            feeds = {"image": stored["image"][index : index + 1]}
            [expected] = run_onnx(model, feeds).values()
            [found] = real_outputs(lowered, feeds)
            assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_the_same_samples_give_the_same_model(network: Path, samples: Path) -> None:
    assert calibrate(network, samples) == calibrate(network, samples)


def test_the_quantiser_s_own_remarks_are_not_heard(
    network: Path, samples: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantize_static = quantization.quantize_static

    def talkative(*arguments: Any, **options: Any) -> None:
        logging.warning("Expected bias to be an initializer")
        quantize_static(*arguments, **options)

    monkeypatch.setattr(quantization, "quantize_static", talkative)
    calibrate(network, samples)
    assert not caplog.records
    logging.warning("heard again")
    assert len(caplog.records) == 1


def test_one_array_serves_one_input_under_any_name(network: Path, samples: Path, tmp_path: Path) -> None:
    with np.load(samples) as stored:
        np.savez(tmp_path / "other.npz", anything=stored["image"])
    assert calibrate(network, tmp_path / "other.npz") == calibrate(network, samples)


def test_labels_beside_the_samples_do_no_harm(network: Path, samples: Path, tmp_path: Path) -> None:
    with np.load(samples) as stored:
        np.savez(tmp_path / "labelled.npz", pixels=stored["image"], labels=np.arange(50))
    assert calibrate(network, tmp_path / "labelled.npz") == calibrate(network, samples)


def test_missing_and_unfit_samples_are_told_in_one_line(network: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"absent.npz: cannot read the inputs: No such file"):
        calibrate(network, tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(FileError, match=r"text.npz: cannot read the inputs: not an .npz file"):
        calibrate(network, tmp_path / "text.npz")
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    with pytest.raises(UsageError, match=r"two.npz: no array for input 'image', found a, b"):
        calibrate(network, tmp_path / "two.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "two.npz").read_bytes().replace(b"NUMPY", b"numpy"))
    with pytest.raises(FileError, match=r"damaged.npz: cannot read the inputs: Bad CRC-32"):
        calibrate(network, tmp_path / "damaged.npz")
    np.savez(tmp_path / "narrow.npz", image=np.zeros((2, 3, 8, 7), np.float32))
    with pytest.raises(UsageError, match=r"narrow.npz: 'image' has samples of shape .3, 8, 7., expected .3, 8, 8."):
        calibrate(network, tmp_path / "narrow.npz")
    np.savez(tmp_path / "words.npz", image=np.full((2, 3, 8, 8), "0.5"))
    with pytest.raises(UsageError, match=r"words.npz: 'image' has samples of type <U3, expected float32"):
        calibrate(network, tmp_path / "words.npz")


def test_a_batch_of_several_samples_is_told(network: Path, samples: Path, tmp_path: Path) -> None:
    model = onnx.load(network)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, tmp_path / "four.onnx")
    with pytest.raises(UnsupportedError, match=r"four.onnx: input 'image' has batch size 4; export the model with a"):
        calibrate(tmp_path / "four.onnx", samples)


def test_a_file_that_is_no_model_is_told_in_one_line(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UnsupportedError, match=r"text.onnx: .*") as caught:
        calibrate(tmp_path / "text.onnx", samples)
    assert "\n" not in str(caught.value)


def test_functions_of_one_tensor_become_tables_and_outputs_have_the_kernels_scale(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = {"first": random.normal(0, 0.3, (6, 3, 3)), "second": random.normal(0, 0.3, (6, 6, 3)), "half": 0.5}
    nodes = [
        helper.make_node("Sub", ["signal", "half"], ["a"]),
        helper.make_node("Conv", ["a", "first"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["c"]),
        helper.make_node("Mul", ["b", "c"], ["d"]),
        helper.make_node("Conv", ["d", "second"], ["e"], pads=[1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Sigmoid", ["f"], ["g"]),
        helper.make_node("Mul", ["e", "g"], ["h"]),
        helper.make_node("Relu", ["h"], ["i"]),
        helper.make_node("Flatten", ["i"], ["j"]),
        helper.make_node("Softmax", ["j"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("signal", onnx.TensorProto.FLOAT, ["batch", 3, 12])],
        [helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, ["batch", 60])],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    signals = random.random((20, 3, 12)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", signal=signals)
    model = calibrate(tmp_path / "n.onnx", tmp_path / "samples.npz")
    found = [name for name in operators(lower(model, "n")) if name not in ("RESHAPE", "TRANSPOSE")]
    assert found[-7:] == ["CONV_2D", "WP_LOOKUP", "CONV_2D", "MEAN", "LOGISTIC", "MUL", "SOFTMAX"]
    assert found[:-7] in ([], ["WP_LOOKUP"])
    assert max(steps_apart(model, {"signal": signals[:1]}).values()) <= 1


@pytest.mark.parametrize("attributes", [{"pads": [1] * 4}, {"ceil_mode": 1}, {"ceil_mode": 1, "count_include_pad": 1}])
def test_means_that_count_no_padding_may_be_clamped(attributes: dict[str, Any], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"]),
        helper.make_node("AveragePool", ["a"], ["b"], kernel_shape=[3, 3], strides=[2, 2], **attributes),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "mixing"], ["d"]),
    ]
    values = {"kernel": random.normal(0, 0.3, (4, 3, 3, 3)), "mixing": random.normal(0, 0.3, (4, 4, 1, 1))}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 3, 10, 10])],
        [helper.make_tensor_value_info("d", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), tmp_path / "n.onnx")
    images = random.random((20, 3, 10, 10)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", image=images)
    model = calibrate(tmp_path / "n.onnx", tmp_path / "samples.npz")
    steps = steps_apart(model, {"image": images[:1]})
    assert max(steps.values()) <= 1, steps
