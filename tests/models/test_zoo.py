"""The zoo's files are what their cards say: nothing here needs PyTorch."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from wpconvert.transforms.pool import exact
from wptrain.data.module import whole
from wptrain.data.sets import digits

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "models" / "zoo"
MODELS = sorted(ZOO.glob("*.tflite"))
PLAIN_OPERATORS = {
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MEAN",
    "RESHAPE",
    "SOFTMAX",
}
WEIGHT_OPERATORS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}

every_model = pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)


def rows(path: Path) -> dict[str, str]:
    """The table rows of a model's card: first cell to the remaining cells."""
    lines = path.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {first: " | ".join(rest) for first, *rest in cells}


def graph(path: Path) -> tuple[Any, Any]:
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    assert len(model.subgraphs) == 1
    return model, model.subgraphs[0]


def operator_names(model: Any, subgraph: Any) -> list[str]:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return [names[model.operatorCodes[op.opcodeIndex].builtinCode] for op in subgraph.operators]


def weights(path: Path) -> dict[str, tuple[Any, NDArray[np.int8]]]:
    """Weight tensors and their values by tensor name."""
    model, subgraph = graph(path)
    found = {}
    for operator, name in zip(subgraph.operators, operator_names(model, subgraph), strict=True):
        if name in WEIGHT_OPERATORS:
            tensor = subgraph.tensors[operator.inputs[1]]
            data = np.asarray(model.buffers[tensor.buffer].data, dtype=np.uint8).view(np.int8)
            found[tensor.name.decode()] = (tensor, data.reshape(tensor.shape))
    return found


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} % ({part} of {whole})"


def split_for(path: Path) -> tuple[str, NDArray[np.int8], NDArray[np.uint8]]:
    """Input name, images and labels of the test file that the card names."""
    with np.load(ZOO / rows(path)["Test data"].strip("`")) as archive:
        (name,) = set(archive.files) - {"labels"}
        return name, archive[name], archive["labels"]


def litert_logits(path: Path, images: NDArray[np.int8]) -> NDArray[np.int8]:
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    logits = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(logits)


def test_the_zoo_has_the_demo_models() -> None:
    assert {"digits_ds_cnn.tflite", "digits_ds_cnn_dense.tflite", "digits_pool.tflite"} <= {
        path.name for path in MODELS
    }


@every_model
def test_card_names_this_very_file(path: Path) -> None:
    content = path.read_bytes()
    card = rows(path)
    assert card["File"] == f"`{path.name}`"
    assert card["Bytes"] == str(len(content))
    assert card["SHA-256"] == f"`{hashlib.sha256(content).hexdigest()}`"


@every_model
def test_accuracy_is_as_stated(path: Path) -> None:
    _, images, labels = split_for(path)
    correct = np.count_nonzero(litert_logits(path, images).argmax(axis=1) == labels)
    card = rows(path)
    assert card["Test accuracy"] == share(int(correct), len(labels))
    (own,) = (score for label, score in card.items() if label.endswith("(this file)"))
    assert own == card["Test accuracy"]


@every_model
def test_upstream_tflm_agrees(path: Path) -> None:
    """To one step of the logits: TFLM rounds twice in FULLY_CONNECTED, LiteRT once."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    _, images, _ = split_for(path)
    interpreter = runtime.Interpreter.from_file(str(path))
    logits = []
    for image in images:
        interpreter.set_input(image[np.newaxis], 0)
        interpreter.invoke()
        logits.append(interpreter.get_output(0)[0])
    difference = np.stack(logits).astype(int) - litert_logits(path, images)
    assert np.abs(difference).max() <= 1


@every_model
def test_sparsity_is_as_stated(path: Path) -> None:
    card = rows(path)
    values = {name: data for name, (_, data) in weights(path).items()}
    zeros = {name: int(np.count_nonzero(data == 0)) for name, data in values.items()}
    assert card["Zero weights"] == share(sum(zeros.values()), sum(data.size for data in values.values()))
    for name, data in values.items():
        assert card[name].endswith(f"| {data.size} | {share(zeros[name], data.size)}")


@every_model
def test_operators_are_as_stated_and_plain_int8(path: Path) -> None:
    model, subgraph = graph(path)
    counts = Counter(operator_names(model, subgraph))
    assert rows(path)["Operators"] == ", ".join(f"{name} x {counts[name]}" for name in sorted(counts))
    assert set(counts) <= PLAIN_OPERATORS
    assert {tensor.type for tensor in subgraph.tensors} <= {schema.TensorType.INT8, schema.TensorType.INT32}


@every_model
def test_weights_are_symmetric_per_output_channel(path: Path) -> None:
    for tensor, data in weights(path).values():
        assert not np.any(tensor.quantization.zeroPoint)
        axis = tensor.quantization.quantizedDimension
        assert len(tensor.quantization.scale) == data.shape[axis]
        assert data.min() >= -127


@every_model
def test_endpoints_are_as_stated(path: Path) -> None:
    _, subgraph = graph(path)
    name, images, _ = split_for(path)
    for label, index in (("Input", subgraph.inputs[0]), ("Output", subgraph.outputs[0])):
        tensor = subgraph.tensors[index]
        match = re.fullmatch(r"`(\w+)`, INT8 ([\dx ]+), scale ([\d.e-]+), zero point (-?\d+)", rows(path)[label])
        assert match is not None
        assert match[1] == tensor.name.decode()
        assert [int(extent) for extent in match[2].split(" x ")] == list(tensor.shape)
        assert np.float32(match[3]) == np.float32(tensor.quantization.scale[0])
        assert int(match[4]) == tensor.quantization.zeroPoint[0]
    source = subgraph.tensors[subgraph.inputs[0]]
    assert name == source.name.decode()
    assert images.dtype == np.int8
    assert images.shape[1:] == tuple(source.shape[1:])


@every_model
def test_buffers_are_aligned(path: Path) -> None:
    """The schema asks for 16 bytes; TFLM reads weights in place."""
    content = path.read_bytes()
    packed = schema.Model.GetRootAs(content, 0)
    for index in range(packed.BuffersLength()):
        buffer = packed.Buffers(index)
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0


@pytest.mark.parametrize("path", sorted(ZOO.glob("digits_*.tflite")), ids=lambda path: path.stem)
def test_digits_test_file_is_the_test_split(path: Path) -> None:
    _, subgraph = graph(path)
    source = subgraph.tensors[subgraph.inputs[0]].quantization
    _, images, labels = split_for(path)
    samples, expected = whole(digits.load(), "test")
    real = samples.astype(np.float64) / np.float64(source.scale[0])
    assert np.array_equal(images, np.clip(np.rint(real) + source.zeroPoint[0], -128, 127))
    assert np.array_equal(labels, expected)


def test_digits_splits_are_disjoint_and_complete() -> None:
    data = digits.load()
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1257, 180, 360]
    images = np.concatenate([part.images for part in (data.train, data.validation, data.test)])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 1797


@pytest.mark.parametrize("path", [path for path in MODELS if "Weight pool" in rows(path)], ids=lambda path: path.stem)
def test_weight_pool_is_as_stated(path: Path) -> None:
    match = re.fullmatch(r"(\d+) vectors of (\d+) weights in (.+)", rows(path)["Weight pool"])
    assert match is not None
    length = int(match[2])
    found = weights(path)
    vectors = np.concatenate([found[name][1].reshape(-1, length) for name in match[3].split(", ")])
    assert len(np.unique(vectors, axis=0)) == int(match[1])
    pool = exact(vectors)
    assert pool is not None
    assert len(pool) == int(match[1])


def accuracy(name: str) -> float:
    return float(rows(ZOO / name)["Test accuracy"].partition(" ")[0])


def test_pooled_digits_model_is_the_promised_one() -> None:
    """Every convolution is pooled, the pool has at most 32 vectors, and at most one point is lost."""
    card = rows(ZOO / "digits_pool.tflite")
    size, _, names = card["Weight pool"].split(" ", 2)
    assert int(size) <= 32
    pooled = set(names.partition(" in ")[2].split(", "))
    assert pooled == {name for name, row in card.items() if row.startswith("CONV_2D")}
    assert accuracy("digits_ds_cnn_dense.tflite") - accuracy("digits_pool.tflite") <= 1.0


def test_pruned_digits_model_is_the_promised_one() -> None:
    """The demo's promise: 80 % zeros, at least 96 % dense, and at most one point lost."""
    zeros = float(rows(ZOO / "digits_ds_cnn.tflite")["Zero weights"].partition(" ")[0])
    assert zeros >= 80.0
    assert accuracy("digits_ds_cnn_dense.tflite") >= 96.0
    assert accuracy("digits_ds_cnn_dense.tflite") - accuracy("digits_ds_cnn.tflite") <= 1.0
