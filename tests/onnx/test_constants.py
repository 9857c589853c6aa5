"""Weights that Constant nodes have, and constants in places and forms that are only listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from tests.onnx.harness import check, content, converted, model_of, outputs, save, sparse, value
from wpconvert.engines.inputs import Inputs
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.forms import OnnxForms
from wpconvert.formats.onnx.restore import restore
from wpconvert.job.verify import verdict

SIDE = 64


def _constant(output: str, tensor: TensorProto, **more: str) -> NodeProto:
    return helper.make_node("Constant", [], [output], value=tensor, **more)


def _weight(seed: int = 0, name: str = "") -> TensorProto:
    return numpy_helper.from_array(sparse((SIDE, SIDE), "float32", seed=seed), name)


def _of_nodes(*nodes: NodeProto, **more: Any) -> ModelProto:
    """A model with products; all have one input and one output."""
    return model_of(nodes, {}, [value("x", [1, SIDE])], [value("y", [1, SIDE])], **more)


def _product(data: str, weight: str, output: str) -> NodeProto:
    return helper.make_node("MatMul", [data, weight], [output])


def _typed() -> TensorProto:
    values = sparse((SIDE, SIDE), "float32", seed=3)
    return helper.make_tensor("typed", TensorProto.FLOAT, values.shape, values.reshape(-1).tolist())


@pytest.mark.parametrize("external", [False, True], ids=["inside", "external"])
@pytest.mark.parametrize(
    "tensor", [_weight(), _weight(1, "a name of its own"), _typed()], ids=["raw", "named", "typed"]
)
def test_constant_nodes_are_rewritten_and_come_back_as_they_were(
    external: bool, tensor: TensorProto, tmp_path: Path
) -> None:
    first = _constant("w", tensor, name="the node", doc_string="of the node")
    first.attribute[0].doc_string = "of the attribute"
    first.attribute[0].t.doc_string = "of the tensor"
    first.metadata_props.add(key="a", value="b")
    second = _constant("v", _weight(4))
    model = _of_nodes(
        helper.make_node("Relu", ["x"], ["r"]), first, _product("r", "w", "a"), second, _product("a", "v", "y")
    )
    source = tmp_path / "model.onnx"
    onnx.save(
        model,
        source,
        save_as_external_data=external,
        location="weights.bin",
        size_threshold=64,
        convert_attribute=external,
    )
    # ONNX Runtime finds no external data of nodes in the original.
    target, done = converted(source)
    assert [(t.name, t.method) for t in done.report.tensors] == [("w", "bitmap"), ("v", "bitmap")]
    check(source, target, run=not external)
    small = onnx.load(target.model, load_external_data=False)
    assert [node.domain for node in small.graph.node] == ["", "wpconvert", "", "wpconvert", ""]


def test_constant_nodes_of_inner_graphs_are_rewritten_there(tmp_path: Path) -> None:
    def branch(name: str, seed: int) -> GraphProto:
        nodes = [_constant("w", _weight(seed)), _product("x", "w", f"{name}_out")]
        return helper.make_graph(nodes, name, [], [value(f"{name}_out", [1, SIDE])])

    choice = helper.make_node("If", ["c"], ["z"], then_branch=branch("then", 1), else_branch=branch("else", 2))
    body = helper.make_graph(
        [
            _constant("v", _weight(3)),
            _product("s_in", "v", "m"),
            helper.make_node("Tanh", ["m"], ["s_out"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("s_in", [1, SIDE])],
        [value("go_on", [], TensorProto.BOOL), value("s_out", [1, SIDE])],
    )
    three = _constant("three", numpy_helper.from_array(np.array(3)))
    loop = helper.make_node("Loop", ["three", "c", "z"], ["y"], body=body)
    ends = [value("x", [1, SIDE]), value("c", [], TensorProto.BOOL)]
    source = save(model_of([choice, three, loop], {}, ends, [value("y", [1, SIDE])]), tmp_path / "model.onnx")
    target, done = converted(source)
    assert [t.key for t in done.report.tensors if t.method == "bitmap"] == ["1:w", "2:w", "3:v"]
    check(source, target)


def test_constants_behind_other_operators_and_with_two_readers_are_rewritten(tmp_path: Path) -> None:
    quantised = _constant("q", numpy_helper.from_array(sparse((SIDE, SIDE))))
    scale = _constant("s", numpy_helper.from_array(np.array(0.1, np.float32)))
    nodes = [
        quantised,
        scale,
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"]),
        helper.make_node("Transpose", ["d"], ["t"]),
        _product("x", "t", "a"),
        _product("a", "d", "y"),
    ]
    source = save(_of_nodes(*nodes), tmp_path / "model.onnx")
    target, done = converted(source, "auto")
    assert [t.name for t in done.report.tensors if t.method != "none"] == ["q"]
    check(source, target)
    again = Target.next_to(tmp_path / "again.onnx")
    restore(read(target.model), again)
    assert content(again.model) == content(source)


def test_verification_sees_another_value_of_a_constant_node(tmp_path: Path) -> None:
    nodes = [_constant("w", _weight()), _product("x", "w", "y")]
    source = save(_of_nodes(*nodes), tmp_path / "model.onnx")
    target, _ = converted(source)
    nodes[0].attribute[0].t.CopyFrom(_weight(5))
    other = save(_of_nodes(*nodes), tmp_path / "other.onnx")
    sample = Inputs([[np.zeros((1, SIDE), np.float32)]], None)
    assert verdict(OnnxForms(read(source), read(target.model)), sample).weights_equal
    assert not verdict(OnnxForms(read(other), read(target.model)), sample).weights_equal


def _of_all_forms() -> ModelProto:
    """A model that does not depend on its numbers: what comes out is zero."""
    nodes = [
        helper.make_node("Constant", [], ["list"], value_floats=[1.0] * SIDE),
        helper.make_node("Constant", [], ["one"], value_int=1),
        helper.make_node("Constant", [], ["sparse"], sparse_value=_sparse_tensor("")),
        helper.make_node("Cast", ["one"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["list", "real"], ["a"]),
        _product("x", "sparse", "b"),
        _product("b", "s", "c"),
        helper.make_node("Mul", ["c", "a"], ["y"]),
    ]
    model = _of_nodes(*nodes)
    model.graph.sparse_initializer.append(_sparse_tensor("s"))
    return model


def _other_list(model: ModelProto) -> None:
    model.graph.node[0].attribute[0].floats[3] = 2.0


def _other_number(model: ModelProto) -> None:
    model.graph.node[1].attribute[0].i = 2


def _other_sparse_value(model: ModelProto) -> None:
    _negate(model.graph.node[2].attribute[0].sparse_tensor)


def _other_sparse_initializer(model: ModelProto) -> None:
    _negate(model.graph.sparse_initializer[0])


def _negate(sparse_tensor: SparseTensorProto) -> None:
    values = sparse_tensor.values
    values.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(values), values.name))


@pytest.mark.parametrize("change", [_other_list, _other_number, _other_sparse_value, _other_sparse_initializer])
def test_verification_sees_other_constants_of_every_form(change: Callable[[ModelProto], None], tmp_path: Path) -> None:
    model = _of_all_forms()
    source = save(model, tmp_path / "model.onnx")
    change(model)
    other = save(model, tmp_path / "other.onnx")
    sample = Inputs([[np.zeros((1, SIDE), np.float32)]], None)
    assert verdict(OnnxForms(read(source), read(source)), sample).passed
    verification = verdict(OnnxForms(read(source), read(other)), sample)
    assert (verification.passed, verification.weights_equal) == (False, False)


def test_a_tensor_in_another_attribute_of_a_constant_stays(tmp_path: Path) -> None:
    # ONNX Runtime runs it, and metadata of it could not be read.
    nodes = [_constant("w", _weight()), _product("x", "w", "a"), _constant("v", _weight(1)), _product("a", "v", "y")]
    nodes[0].attribute[0].name = "values"
    source = save(_of_nodes(*nodes), tmp_path / "model.onnx")
    target, done = converted(source)
    assert [t.name for t in done.report.tensors if t.method != "none"] == ["v"]
    dense = Target.next_to(tmp_path / "dense.onnx")
    assert restore(read(target.model), dense) == []
    assert content(dense.model) == content(source)


def _sparse_tensor(name: str) -> SparseTensorProto:
    dense = sparse((SIDE, SIDE), "float32", zeros=0.9)
    indices = np.flatnonzero(dense).astype(np.int64)
    values = numpy_helper.from_array(dense.reshape(-1)[indices], name)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(indices, f"{name}.indices"), dense.shape)


def _function() -> FunctionProto:
    nodes = [_constant("w", _weight(6)), _product("a", "w", "b")]
    return helper.make_function("local", "Block", ["a"], ["b"], nodes, [helper.make_opsetid("", 17)])


def test_constants_that_stay_are_listed_with_the_reason(tmp_path: Path) -> None:
    floats = np.arange(SIDE, dtype=np.float32).tolist()
    nodes = [
        _constant("w", _weight()),
        _product("x", "w", "a"),
        _product("a", "s", "b"),
        helper.make_node("Constant", [], ["sparse"], sparse_value=_sparse_tensor("")),
        _product("b", "sparse", "c"),
        helper.make_node("Block", ["c"], ["d"], domain="local"),
        _constant("large", _weight(7)),
        helper.make_node("Gather", ["large", "zero"], ["row"]),
        helper.make_node("Add", ["d", "row"], ["e"]),
        helper.make_node("Constant", [], ["list"], value_floats=floats),
        helper.make_node("Constant", [], ["text"], value_string="no number"),
        _product("e", "list", "f"),
        helper.make_node("Add", ["f", "e"], ["y"]),
    ]
    model = _of_nodes(*nodes, functions=[_function()])
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "zero"))
    model.graph.sparse_initializer.append(_sparse_tensor("s"))
    model.opset_import.add(domain="local", version=1)
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    already = "is already stored as a sparse tensor"
    assert {t.key: t.reason for t in done.report.tensors} == {
        "0:w": None,
        "0:s": already,
        "0:sparse": already,
        "0:large": "no operator multiplies by it",
        "0:list": "is attribute value_floats of a Constant node; only tensors are rewritten",
        "local.Block:w": "is in function 'Block'; functions are not rewritten",
    }
    # Shape inference of onnx knows no sparse tensors, in the original neither.
    assert [y.tobytes() for y in outputs(source)] == [y.tobytes() for y in outputs(target.model)]
    dense = Target.next_to(tmp_path / "dense.onnx")
    restore(read(target.model), dense)
    assert content(dense.model) == content(source)
