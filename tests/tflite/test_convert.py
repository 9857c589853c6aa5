"""The main job's promises: never larger, never silent, valid, nothing else lost; also on real and on odd models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.models import ModelBuilder
from tests.support.oracles import SHARED_MODELS
from tests.tflite.harness import (
    assert_same_outputs,
    canonical,
    conv_builder,
    conv_model,
    converted,
    forced,
    inputs_for,
    names,
    reference,
    restored,
    rewritten_count,
    scales,
    sparse,
)
from tests.tflite.test_file import assert_aligned, assert_same
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import ModelError, UsageError
from wpconvert.files import Workspace
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.schema import (
    BuiltinOperator,
    SubGraphT,
    TensorType,
    options,
)
from wpconvert.formats.tflite.source import TfliteSource
from wpconvert.job.convert import convert, convert_bytes
from wpconvert.job.rules_file import parse_rules
from wpconvert.job.verify import verdict
from wpconvert.methods import METHODS
from wpconvert.model.rules import Rule, Rules
from wpconvert.model.settings import Settings
from wpconvert.report.result import Conversion

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
REAL = [*sorted(ZOO.glob("*.tflite")), *sorted(SHARED_MODELS.glob("*/*.tflite"))]
SLOW = ("mobilenetv2_cifar10", "vww", "resnet8")


@pytest.mark.parametrize("method", ["auto", "rle"])
def test_a_model_that_is_parsed_already_stays_as_it_is(method: str) -> None:
    data = conv_model()
    model, settings = parse(data), Settings(method, Rules(rules=[]))
    before = serialise(model)
    source = TfliteSource(Path("model"), data, model)
    with Workspace(None) as workspace:
        assert convert(source, settings, workspace).data == convert_bytes(data, settings).data
    assert serialise(model) == before


def assert_promises(data: bytes, new: bytes, report: Conversion) -> None:
    """Never larger, never silent, aligned and valid under LiteRT's schema reader."""
    assert len(new) <= len(data)
    assert (report.nbytes_before, report.nbytes_after) == (len(data), len(new))
    for tensor in report.tensors:
        if tensor.method == "none":
            assert tensor.reason and tensor.nbytes_after == tensor.nbytes_before
        elif tensor.method != "dense":
            # Dense blobs pay by their table alone: the header makes them larger than the weights.
            assert tensor.nbytes_after < tensor.nbytes_before
    if new != data:
        assert_aligned(new)
        assert serialise(parse(new)) == new
    assert rewritten_count(new) >= report.rewritten


def verified(data: bytes, new: bytes) -> None:
    model = parse(data)
    assert verdict(TfliteForms(model, parse(new)), random_inputs(model, 1, 3), ReferenceEngine()).passed


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.parametrize("method", ["dcsr", "rle", "dense"])
def test_real_model_keeps_every_promise(path: Path, method: str) -> None:
    if method == "dense" and any(name in str(path) for name in SLOW):
        pytest.skip("the large models are converted by the other methods only, for time")
    data = path.read_bytes()
    result = converted(data, method)
    assert_promises(data, result.data, result.report)
    assert restored(result.data) == canonical(data)
    stripped = converted(data, method, strip=True)
    assert_promises(data, stripped.data, stripped.report)
    assert len(stripped.data) <= len(result.data)
    if "float" in path.stem:
        assert result.report.rewritten == 0
    elif method == "dcsr" or not any(name in str(path) for name in SLOW):
        verified(data, result.data)
        if path.parent.name in ("zoo", "ds_cnn_kws"):
            verified(data, stripped.data)


@pytest.mark.parametrize("path", sorted(ZOO.glob("*.tflite")), ids=lambda path: path.stem)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_every_rewritten_tensor_makes_the_file_smaller_than_leaving_it(path: Path, method: str, strip: bool) -> None:
    data = path.read_bytes()
    result = converted(data, method, strip=strip)
    assert len(result.data) <= len(converted(data, "none", strip=strip).data)
    plan = parse_rules(result.plan, "plan").rules
    for tensor in result.report.tensors:
        if tensor.method != "none":
            rules = [*plan, Rule(tensor=tensor.key, method="none")]
            assert len(result.data) < len(converted(data, "none", strip=strip, rules=rules).data)


@pytest.mark.skipif(not SHARED_MODELS.is_dir(), reason=f"{SHARED_MODELS} is not on this machine")
@pytest.mark.parametrize(
    "name", ["ds_cnn_kws/sparse_l_85", "mobilenetv2_cifar10/sparse80", "mobilenetv2_cifar10/sparse90"]
)
@pytest.mark.parametrize("method", ["dcsr", "rle"])
def test_sparse_real_model_is_really_rewritten(name: str, method: str) -> None:
    data = (SHARED_MODELS / f"{name}.tflite").read_bytes()
    result = converted(data, method, strip=True)
    assert result.report.rewritten >= 4
    assert len(result.data) < 0.75 * len(data)


def rich_model() -> bytes:
    """A rewritable convolution amid all that has to survive."""
    b, y = conv_builder()
    custom = b.tensor((1, 4, 4, 32), "int8", 0.4, 5, "custom")
    b.op("MY_OP", [y], [custom], custom_options=b"\x07options of another tool")
    b.output(b.op("ABS", [custom], [b.like(custom, name="absolute")], options("AbsOptions")))
    b.metadata("min_runtime_version", b"1.5.0")
    b.metadata("foreign", bytes(range(7)))
    model = b.build()
    model.root.description = "a description"
    last = len(b.graph.tensors) - 1
    signature = schema.SignatureDefT(signatureKey="serve", subgraphIndex=0)
    signature.inputs = [schema.TensorMapT(name="x", tensorIndex=0)]
    signature.outputs = [schema.TensorMapT(name="y", tensorIndex=last)]
    model.root.signatureDefs = [signature]
    second = SubGraphT()
    second.name, second.tensors, second.operators = "second", [b.graph.tensors[0]], []
    second.inputs, second.outputs = [0], [0]
    model.root.subgraphs.append(second)
    return serialise(model)


def test_everything_that_is_not_rewritten_survives() -> None:
    data = rich_model()
    new = converted(data)
    assert names(new.data) == ["WP_CONV_2D", "MY_OP", "ABS"]
    before, after = parse(data).root, parse(new.data).root
    graphs = before.subgraphs[0], after.subgraphs[0]
    taken = {int(t) for t in graphs[1].operators[0].inputs[1:]}
    for index, tensor in enumerate(graphs[0].tensors):
        if index not in taken:
            assert_same(graphs[1].tensors[index], tensor)
    for index in (1, 2):
        kept, old = graphs[1].operators[index], graphs[0].operators[index]
        assert_same(after.operatorCodes[kept.opcodeIndex], before.operatorCodes[old.opcodeIndex])
        kept.opcodeIndex = old.opcodeIndex
        assert_same(kept, old)
    assert_same(after.subgraphs[1], before.subgraphs[1])
    assert_same(after.signatureDefs, before.signatureDefs)
    assert (after.description, graphs[1].name) == (before.description, graphs[0].name)
    for old, kept in zip(before.metadata, after.metadata[:2], strict=True):
        assert kept.name == old.name
        assert_same(after.buffers[kept.buffer].data, before.buffers[old.buffer].data)
    assert restored(new.data) == canonical(data)


def test_strip_keeps_signatures_foreign_metadata_and_custom_options() -> None:
    data = rich_model()
    before, after = parse(data).root, parse(converted(data, strip=True).data).root
    assert_same(after.signatureDefs, before.signatureDefs)
    assert [bytes(e.name) for e in after.metadata] == [b"foreign", b"wpconvert"]
    assert bytes(after.subgraphs[0].operators[1].customOptions) == b"\x07options of another tool"


def test_operator_in_the_deprecated_field_only_is_rewritten_and_restored() -> None:
    b, y = conv_builder()
    b.output(y)
    code = b.build().root.operatorCodes[0]
    code.deprecatedBuiltinCode, code.builtinCode = BuiltinOperator.CONV_2D, 0
    data = b.to_bytes()
    new = converted(data)
    assert names(new.data) == ["WP_CONV_2D"]
    assert restored(new.data) == canonical(data)
    verified(data, new.data)


def aliased(*shapes: tuple[int, ...], second_graph: bool = False) -> bytes:
    """One buffer of sparse weights under several tensors, each read by a FULLY_CONNECTED or a 1 × 1 CONV_2D."""
    b = ModelBuilder()
    total = int(np.prod(shapes[0]))
    buffer = b.buffer(sparse(3, (total,), 0.97).tobytes())
    for number, shape in enumerate(shapes):
        w = b.tensor(shape, "int8", 0.01 + 0.01 * number, buffer=buffer, name=f"w{number}")
        if len(shape) == 2:
            b.output(b.fully_connected(b.input((1, shape[1]), 0.5), w, scale=0.5))
        else:
            b.output(b.conv2d(b.input((1, 2, 2, shape[3]), 0.5), w, np.zeros(shape[0], np.int32), scale=0.5))
    model = b.build()
    if second_graph:
        other = ModelBuilder()
        w = other.tensor(shapes[0], "int8", 0.05, buffer=buffer, name="other")
        other.output(other.fully_connected(other.input((1, shapes[0][1]), 0.5), w, scale=0.5))
        model.root.subgraphs.append(other.graph)
    return serialise(model)


ALIASED = {
    "same layout": aliased((64, 64), (64, 64)),
    "conv and fully connected": aliased((64, 64), (64, 1, 1, 64)),
    "other rows": aliased((64, 64), (32, 128), (64, 64)),
    "two subgraphs": aliased((64, 64), second_graph=True),
}


@pytest.mark.parametrize("data", ALIASED.values(), ids=ALIASED.keys())
@pytest.mark.parametrize("method", ["dcsr", "rle"])
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_tensors_on_one_buffer_are_rewritten_together_and_restored_to_one_buffer(
    data: bytes, method: str, strip: bool
) -> None:
    result = converted(data, method, strip=strip)
    assert rewritten_count(result.data) == len(names(data))
    assert_promises(data, result.data, result.report)
    inputs = inputs_for(data)
    assert_same_outputs(reference(result.data, inputs), reference(data, inputs))
    assert_same_outputs(reference(restored(result.data), inputs), reference(data, inputs))
    if not strip:
        assert restored(result.data) == canonical(data)


def test_aliased_tensor_that_cannot_be_rewritten_keeps_the_others_dense() -> None:
    model = parse(ALIASED["same layout"])
    model.root.subgraphs[0].tensors[3].quantization.zeroPoint = np.array([1])
    result = converted(serialise(model))
    assert rewritten_count(result.data) == 0
    reasons = {tensor.name: str(tensor.reason) for tensor in result.report.tensors}
    assert "shares its data with w1" in reasons["w0"]
    assert "zero point" in reasons["w1"]


@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_weight_of_two_operators_with_different_input_scales_gets_two_tables(strip: bool) -> None:
    for seed in range(40):
        inner, weight, outer = (float(s) for s in scales(seed, 3))
        b = ModelBuilder()
        x = b.input((1, 48), inner, 3)
        w = b.constant(sparse(seed, (48, 48), 0.9), weight, name="w")
        b.output(b.fully_connected(b.fully_connected(x, w, scale=outer), w, scale=1.3 * outer))
        data = b.to_bytes()
        new = forced(data, strip=strip)
        inputs = inputs_for(data, seed)
        assert_same_outputs(reference(new, inputs), reference(data, inputs))
        again = forced(restored(new), strip=strip)
        tables = [
            [bytes(m.root.buffers[g.tensors[o.inputs[2]].buffer].data) for o in g.operators]
            for m in (parse(new), parse(again))
            for g in m.root.subgraphs
        ]
        assert tables[0] == tables[1], "restored scales give other multipliers"


@pytest.mark.parametrize(
    ("shape", "zeros"),
    [((40, 64), 1.0), ((600, 1), 0.9), ((1, 4096), 0.95), ((2, 70_000), 0.97)],
    ids=["all zero", "one column", "one row", "over 65,535 columns"],
)
@pytest.mark.parametrize("method", ["dcsr", "rle"])
def test_odd_matrices_are_rewritten_exactly(shape: tuple[int, int], zeros: float, method: str) -> None:
    b = ModelBuilder()
    values = sparse(4, shape, zeros)
    values[0] = 0
    values[-1, -1] = 5 if zeros < 1 else 0
    b.output(b.fully_connected(b.input((1, shape[1]), 0.05), values, np.arange(shape[0]), scale=0.5))
    data = b.to_bytes()
    new = forced(data, method)
    inputs = inputs_for(data)
    assert_same_outputs(reference(new, inputs), reference(data, inputs))
    assert restored(new) == canonical(data)


def test_several_subgraphs_are_all_rewritten() -> None:
    first, second = parse(conv_model()), parse(conv_model())
    graph = second.root.subgraphs[0]
    shift = len(first.root.buffers)
    first.root.buffers += second.root.buffers
    for tensor in graph.tensors:
        tensor.buffer += shift
    first.root.subgraphs.append(graph)
    data = serialise(first)
    new = converted(data)
    assert names(new.data) == ["WP_CONV_2D", "WP_CONV_2D"]
    assert [tensor.key for tensor in new.report.tensors] == ["0:1", "1:1"]
    assert restored(new.data) == canonical(data)


def test_small_or_dense_weights_stay_and_the_reason_says_what_they_would_need() -> None:
    b, y = conv_builder(zeros=0.0)
    b.output(b.fully_connected(b.reshape(y, (1, 512)), sparse(2, (2, 512), 0.99), scale=0.5, name="tiny"))
    result = converted(b.to_bytes(), "dcsr")
    reasons = [str(tensor.reason) for tensor in result.report.tensors]
    assert "would not shrink: dcsr needs at least" in reasons[0]
    assert result.report.tensors[0].method == "none"


def test_threshold_keeps_tensors_with_fewer_zeros_and_says_so() -> None:
    sparsity = converted(conv_model()).report.tensors[0].sparsity
    assert sparsity is not None
    assert converted(conv_model(), threshold=sparsity).report.rewritten == 1
    kept = converted(conv_model(), threshold=sparsity + 0.001).report
    assert kept.rewritten == 0
    assert "below the threshold" in str(kept.tensors[0].reason)


def test_method_none_writes_a_plain_model_anew_and_keeps_a_rewritten_one() -> None:
    """Anew means the same content, aligned, with equal vectors once; it is only done where that is smaller."""
    plain = conv_model()
    assert converted(plain, "none").data == min(plain, serialise(parse(plain)), key=len)
    rewritten = converted(plain).data
    assert converted(rewritten, "none").data == rewritten


def test_file_that_would_not_shrink_is_given_back_and_said_so() -> None:
    again = converted(converted(conv_model()).data)
    assert "would not shrink" in again.report.notes[-1]
    assert again.data == converted(conv_model()).data
    (tensor,) = again.report.tensors
    assert (tensor.method, tensor.nbytes_before) == ("dcsr", tensor.nbytes_after)


def test_rewritten_file_can_be_encoded_by_another_method() -> None:
    by_dcsr, by_rle = converted(conv_model(), "dcsr").data, converted(conv_model(), "rle").data
    assert converted(by_dcsr, "rle").data == by_rle
    report = converted(by_dcsr, "rle").report
    assert "already rewritten by wpconvert" in report.notes[0]
    assert report.tensors[0].nbytes_before < 4608


def test_reencoding_keeps_the_smaller_stored_form() -> None:
    by_rle = converted(conv_model(), "rle")
    back = converted(by_rle.data, "dcsr", strip=True).report
    assert (back.tensors[0].method, back.tensors[0].nbytes_after) == ("rle", by_rle.report.tensors[0].nbytes_after)
    assert "would grow: dcsr needs" in str(back.tensors[0].reason)


@pytest.mark.parametrize("method", ["none", "dcsr"])
def test_strip_of_a_rewritten_file_keeps_its_methods(method: str) -> None:
    stripped = converted(converted(conv_model(), "dcsr").data, method, strip=True)
    assert stripped.data == converted(conv_model(), "dcsr", strip=True).data


def test_reencoding_a_stripped_file_repeats_what_was_lost() -> None:
    stripped = converted(conv_model(), "dcsr", strip=True).data
    report = converted(stripped, "rle", strip=True).report
    assert report.rewritten == 1
    assert any("were stripped" in note for note in report.notes)
    verified(conv_model(), converted(stripped, "rle", strip=True).data)


def test_rule_without_a_matching_tensor_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"rule 2 \(name: nothing\) matches no weight; .*conv/weights \[0:1\]"):
        converted(conv_model(), rules=[Rule(method="rle", name="conv"), Rule(method="rle", name="nothing")])


def test_last_matching_rule_wins() -> None:
    rules = [Rule(method="rle", operator="CONV_2D"), Rule(method="dcsr", tensor="0:1"), Rule(method="none", name="^x")]
    with pytest.raises(UsageError):
        converted(conv_model(), "none", rules=rules)
    assert converted(conv_model(), "none", rules=rules[:2]).report.tensors[0].method == "dcsr"
    assert converted(conv_model(), "none", rules=rules[1::-1]).report.tensors[0].method == "rle"


def test_model_without_weights_says_so() -> None:
    b = ModelBuilder()
    b.output(b.reshape(b.input((1, 4), 0.5), (4,)))
    report = converted(b.to_bytes()).report
    assert report.tensors == ()
    assert "no weights" in report.notes[0]


def test_corrupt_blob_is_refused_by_converting_again() -> None:
    model = parse(converted(conv_model()).data)
    tensor = next(t for t in model.root.subgraphs[0].tensors if t.type == TensorType.UINT8)
    raw = np.array(model.root.buffers[tensor.buffer].data)
    raw[8] ^= 1
    model.root.buffers[tensor.buffer].data = raw
    with pytest.raises(ModelError, match=r"operator 0 \(WP_CONV_2D, subgraph 0\): weight blob"):
        converted(serialise(model))
