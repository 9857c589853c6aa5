"""The graph holds what the schema's objects hold."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import forced
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_fields import attributes_of, options_table
from wpconvert.formats.tflite.graph_reader import read_graph, read_operator, read_tensor
from wpconvert.formats.tflite.model import TfliteModel, quantization_of, shape_of, text
from wpconvert.formats.tflite.schema import TYPE_NAMES, options
from wpconvert.graph.attributes import TABLES, Attributes, Conv2DOptions
from wpconvert.graph.structure import Operator, Tensor

ZOO = sorted((Path(__file__).parents[2] / "models/zoo").glob("*.tflite"))


def expect_tensor(model: TfliteModel, theirs: Any, ours: Tensor) -> None:
    assert (ours.name, ours.dtype.name, ours.shape) == (text(theirs.name), TYPE_NAMES[theirs.type], shape_of(theirs))
    assert (ours.is_variable, ours.is_sparse) == (bool(theirs.isVariable), theirs.sparsity is not None)
    wanted = quantization_of(theirs)
    assert (ours.quantization is None) == (wanted is None)
    if ours.quantization is not None and wanted is not None:
        assert ours.quantization.scales.tolist() == wanted.scales.tolist()
        assert ours.quantization.zero_points.tolist() == wanted.zero_points.tolist()
        assert ours.quantization.axis == wanted.axis
    data = model.buffer(theirs)
    assert (ours.data is None) == (data is None)
    if ours.data is not None and data is not None:
        assert ours.data.tobytes() == data.tobytes()
        assert data.nbytes == 0 or np.shares_memory(ours.data, data)
        value, expected = ours.constant(), model.constant(theirs)
        assert value is not None and expected is not None
        assert value.dtype == expected.dtype and value.tobytes() == expected.tobytes()


def expect_operator(model: TfliteModel, theirs: Any, ours: Operator) -> None:
    assert (ours.kind, ours.is_custom) == (model.operator_name(theirs), model.is_custom(theirs))
    assert [-1 if tensor is None else tensor.index for tensor in ours.inputs] == list(theirs.inputs)
    assert [tensor.index for tensor in ours.outputs] == list(theirs.outputs)
    assert ours.options.tolist() == ([] if theirs.customOptions is None else list(theirs.customOptions))
    assert (ours.attributes is None) == (theirs.builtinOptions is None)
    if ours.attributes is not None:
        assert ours.attributes.table == type(theirs.builtinOptions).__name__.removesuffix("T")
        if ours.attributes.table in TABLES:
            written = vars(options_table(ours.attributes))
            asked = {field.name.replace("_", "") for field in fields(ours.attributes)}
            for name, value in vars(theirs.builtinOptions).items():
                if name.lower() in asked:
                    assert np.array_equal(written[name], [] if value is None else value), name


def expect_same(model: TfliteModel) -> None:
    graph = read_graph(model)
    assert list(graph.metadata) == [text(entry.name) for entry in reversed(model.root.metadata or [])]
    assert len(graph.subgraphs) == len(model.root.subgraphs)
    for ours, theirs in zip(graph.subgraphs, model.root.subgraphs, strict=True):
        assert [tensor.index for tensor in ours.tensors] == list(range(len(theirs.tensors)))
        for tensor, source in zip(ours.tensors, theirs.tensors, strict=True):
            expect_tensor(model, source, tensor)
        for operator, node in zip(ours.operators, theirs.operators, strict=True):
            expect_operator(model, node, operator)
            assert all(
                tensor is ours.tensors[tensor.index] for tensor in (*operator.inputs, *operator.outputs) if tensor
            )
        assert [tensor.index for tensor in ours.inputs] == list(theirs.inputs)
        assert [tensor.index for tensor in ours.outputs] == list(theirs.outputs)


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_graph_of_a_model_has_its_facts(path: Path) -> None:
    expect_same(parse(path.read_bytes()))


def convolution() -> ModelBuilder:
    b = ModelBuilder()
    x = b.input((1, 6, 5, 4), scale=0.5, zero_point=-3)
    weights = np.random.default_rng(1).integers(-9, 9, (16, 3, 3, 4), dtype=np.int8)
    y = b.conv2d(x, weights, np.arange(16, dtype=np.int32), stride=(2, 1), scale=0.7, weight_scales=[0.01] * 16)
    b.output(y)
    b.metadata("kept", b"\1\2\3")
    return b


@pytest.mark.parametrize("method", ["none", "dcsr"])
def test_graph_of_a_convolution_has_its_facts(method: str) -> None:
    data = convolution().to_bytes()
    model = parse(data if method == "none" else forced(data, method))
    expect_same(model)
    [operator] = read_graph(model).main.operators
    assert operator.kind == ("CONV_2D" if method == "none" else "WP_CONV_2D")
    if method == "none":
        told = operator.attributes_as(Conv2DOptions)
        assert (told.stride, told.dilation, told.padding, told.fused_activation_function) == (
            (2, 1),
            (1, 1),
            "SAME",
            "NONE",
        )
    assert read_graph(model).metadata["kept"].tolist() == [1, 2, 3]


def test_one_operator_is_read_as_among_all() -> None:
    model = parse(convolution().to_bytes())
    one, [among] = read_operator(model, 0, 0), read_graph(model).main.operators
    expect_operator(model, model.root.subgraphs[0].operators[0], one)
    assert (one.kind, one.attributes) == (among.kind, among.attributes)
    expect_tensor(model, model.root.subgraphs[0].tensors[1], read_tensor(model, 0, 1))


VALUES: dict[str, Any] = {
    "int": 3,
    "bool": True,
    "float": 0.25,
    "PaddingName": "VALID",
    "ActivationName": "RELU6",
    "tuple[int, ...]": (4, 2),
}


@pytest.mark.parametrize("table", TABLES)
def test_attributes_survive_the_schema(table: str) -> None:
    kind = TABLES[table]
    attributes = kind(**{field.name: VALUES[str(field.type)] for field in fields(kind)})
    assert attributes_of(options_table(attributes)) == attributes
    # What is not said is as in the schema; a list that is not there is an empty one.
    plain = options_table(attributes_of(options(table)) or Attributes())
    assert {name: None if value == [] else value for name, value in vars(plain).items()} == vars(options(table))


def test_options_that_nobody_reads_have_their_name() -> None:
    b = convolution()
    x = b.like(0)
    b.output(b.op("ABS", [0], [x], options("AbsOptions")))
    operator = read_graph(b.build()).main.operators[1]
    assert operator.attributes is not None and operator.attributes.table == "AbsOptions"
    with pytest.raises(ModelError, match="options have type AbsOptions, expected Conv2DOptions"):
        operator.attributes_as(Conv2DOptions)
    operator.attributes = None
    with pytest.raises(ModelError, match="options have type none, expected Conv2DOptions"):
        operator.attributes_as(Conv2DOptions)


def test_numbers_that_the_schema_does_not_know_stand_as_they_are() -> None:
    read = attributes_of(options("Conv2DOptions", padding=7, fusedActivationFunction=99))
    assert isinstance(read, Conv2DOptions)
    assert (read.padding, read.fused_activation_function) == ("7", "99")


def test_tensor_of_no_elements_is_a_constant_where_nothing_computes_it() -> None:
    b = convolution()
    empty = b.constant(np.empty(0, np.int32))
    result = b.tensor((0,), np.dtype(np.int32))
    b.output(b.op("NEG", [empty], [result], options("NegOptions")))
    tensors = read_graph(b.build()).main.tensors
    assert tensors[empty].is_constant and not tensors[result].is_constant


def test_wrong_number_of_zero_points_is_an_error() -> None:
    model = convolution().build()
    model.root.subgraphs[0].tensors[0].quantization.zeroPoint = np.zeros(3, np.int64)
    with pytest.raises(ModelError, match="1 scales but 3 zero points"):
        read_graph(model)
