"""Verification: equal bits and equal weights, or the error; LiteRT steps in where the reference lacks an operator."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import conv_builder, conv_model, converted, forced, sparse
from wpconvert.codecs import encode
from wpconvert.engines import ENGINES
from wpconvert.engines.base import Advance
from wpconvert.engines.inputs import Inputs, random_inputs
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.schema import TensorType, options
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.job.verify import verdict
from wpconvert.model.encoded import Encoded
from wpconvert.model.weight import Rewritable
from wpconvert.report.result import Verification


def verify(first: bytes, second: bytes, engine: str | None = "reference", inputs: Inputs | None = None) -> Verification:
    model = parse(first)
    chosen = None if engine is None else ENGINES[engine]
    return verdict(TfliteForms(model, parse(second)), inputs or random_inputs(model, 2, 0), chosen)


def logits(weights: np.ndarray[tuple[int, ...], np.dtype[np.int8]], name: str = "w") -> bytes:
    b = ModelBuilder()
    b.output(b.fully_connected(b.input((1, 8), 0.5), weights, scale=3.0, weight_scales=0.1, name=name))
    return b.to_bytes()


@pytest.mark.parametrize("engine", ["reference", "litert"])
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_rewritten_model_passes_on_every_engine(engine: str, strip: bool) -> None:
    result = verify(conv_model(), converted(conv_model(), strip=strip).data, engine)
    assert result.passed and result.weights_equal
    assert (result.engine, result.samples) == (engine, 2)
    (output,) = result.outputs
    assert (output.equal, output.different, output.values, output.snr_db, output.top1) == (True, 0, 1024, None, 1.0)


def test_one_changed_weight_fails_with_the_error_measured() -> None:
    weights = np.zeros((4, 8), np.int8)
    changed = weights.copy()
    changed[2, 0] = 60
    x = np.zeros((1, 8), np.int8)
    x[0, 0] = 100
    result = verify(logits(weights), logits(changed), inputs=Inputs([[x]], np.array([0])))
    assert not result.passed and not result.weights_equal
    (output,) = result.outputs
    # 60 · 0.1 · 100 · 0.5 / 3 = 100 steps of the output.
    assert (output.different, output.max_error, output.top1, output.accuracy) == (1, 100.0, 0.0, (1.0, 0.0))


def test_equal_outputs_with_different_weights_do_not_pass() -> None:
    changed = np.zeros((4, 8), np.int8)
    changed[1, 1] = 1
    result = verify(
        logits(np.zeros((4, 8), np.int8)), logits(changed), inputs=Inputs([[np.zeros((1, 8), np.int8)]], None)
    )
    assert result.outputs[0].equal
    assert not result.weights_equal and not result.passed


def test_names_and_order_of_operator_codes_do_not_matter() -> None:
    weights = sparse(0, (4, 8))
    assert verify(logits(weights, "a"), logits(weights, "b")).passed


def test_another_operator_with_the_same_constants_does_not_pass() -> None:
    def minmax(name: str) -> bytes:
        b = ModelBuilder()
        x = b.input((1, 4), 0.5)
        b.output(b.op(name, [x], [b.like(x)]))
        return b.to_bytes()

    assert not verify(minmax("RELU"), minmax("RELU6")).weights_equal


def test_models_of_different_interfaces_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"different inputs: \[\[1, 8\]\] and \[\[1, 4, 4, 16\]\]; they are not two versions"
    ):
        verify(logits(sparse(0, (4, 8))), conv_model())
    with pytest.raises(UsageError, match="different outputs"):
        verify(logits(sparse(0, (4, 8))), logits(sparse(0, (5, 8))))


def test_no_samples_is_an_error() -> None:
    with pytest.raises(UsageError, match="no samples"):
        verify(conv_model(), conv_model(), inputs=Inputs([], None))


def with_abs() -> bytes:
    b, y = conv_builder()
    b.output(b.op("ABS", [y], [b.like(y)], options("AbsOptions")))
    return b.to_bytes()


def test_litert_steps_in_for_an_operator_the_reference_lacks_and_it_is_named() -> None:
    assert ENGINES["reference"].unsupported(parse(with_abs()))
    result = verify(with_abs(), converted(with_abs()).data)
    assert result.passed and result.engine == "litert"
    assert "operator 1 (ABS)" in result.notes[0]
    assert "in LiteRT, and all weights" in result.notes[1]


def test_values_that_are_no_arrays_are_left_out_where_litert_compares_what_is_inside() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    handle = b.tensor((1,), "int32")
    b.graph.tensors[handle].type = TensorType.RESOURCE
    b.op("VAR_HANDLE", [], [handle], options("VarHandleOptions", container=b"", sharedName=b"v"))
    with contextlib.suppress(IndexError):
        # It has no output to be returned.
        b.op("ASSIGN_VARIABLE", [handle, x], [], options("AssignVariableOptions"))
    y = b.op("READ_VARIABLE", [handle], [b.like(x)], options("ReadVariableOptions"))
    b.output(b.op("ABS", [y], [b.like(x)], options("AbsOptions")))
    result = verify(b.to_bytes(), b.to_bytes(), None)
    assert result.passed and result.engine == "litert" and result.unexercised == ()


def with_custom() -> bytes:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    b.output(b.op("MY_OP", [x], [b.like(x)], custom_options=b"x"))
    return b.to_bytes()


def test_model_that_nothing_runs_names_the_engines_their_reasons_and_what_to_do() -> None:
    with pytest.raises(UnsupportedError) as error:
        verify(with_custom(), with_custom(), None)
    message = str(error.value)
    parts = message.removeprefix("no engine can run this model for verification: ").split("; ")
    assert parts[0] == "native: operator 0 (MY_OP): the runtime has no such operator"
    assert parts[1].startswith("reference: operator 0 (MY_OP): ")
    assert parts[2].startswith("litert: LiteRT cannot run this model: ") and "MY_OP" in parts[2]
    assert parts[3:] == ["--no-verify converts without running the models"]


def test_reason_of_the_chosen_engine_is_not_lost_when_litert_fails_too() -> None:
    with pytest.raises(UnsupportedError, match=r"reference: operator 0 \(MY_OP\).*; litert: .*MY_OP.*--no-verify"):
        verify(with_custom(), with_custom(), "reference")


def test_native_engine_names_every_operator_that_the_runtime_lacks() -> None:
    b, y = conv_builder()
    b.output(b.op("NEG", [b.op("ABS", [y], [b.like(y)], options("AbsOptions"))], [b.like(y)], options("NegOptions")))
    assert ENGINES["native"].unsupported(b.build()) == [
        f"operator {i} ({name}): the runtime has no such operator" for i, name in ((1, "ABS"), (2, "NEG"))
    ]


def test_fastest_exact_engine_verifies_unless_another_one_is_named() -> None:
    small = forced(conv_model())
    assert [verify(conv_model(), small, name).engine for name in (None, "reference", "litert")] == [
        "native",
        "reference",
        "litert",
    ]


def test_reference_verifies_where_the_native_engine_was_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise UnsupportedError("the native engine is not built")

    monkeypatch.setattr("wpconvert.engines.native.extension", missing)
    result = verify(conv_model(), forced(conv_model()), None)
    assert result.passed and result.engine == "reference"
    assert result.notes == ("the native engine cannot run this model: the native engine is not built",)


def test_a_codec_that_encodes_other_weights_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = conv_model()

    def wrong(weight: Rewritable, method: str) -> Encoded:
        changed = weight.values.copy()
        changed.flat[7] ^= 1
        return Encoded(encode(method, changed, weight.row_dims))

    monkeypatch.setattr("tests.tflite.harness.encoded", wrong)
    # The C code and the Python one decode it alike: the original weights tell, and their digest in the metadata.
    result = verify(data, forced(data, strip=True), None)
    assert not result.passed and not result.weights_equal
    with pytest.raises(ModelError, match="differ from those recorded in the metadata"):
        verify(data, forced(data), None)


def test_model_without_inputs_runs_on_both_engines() -> None:
    b = ModelBuilder()
    x = b.constant(sparse(1, (1, 8), 0.0), 0.5)
    b.output(b.fully_connected(x, sparse(2, (4, 8)), scale=0.5))
    for engine in ("reference", "litert"):
        assert verify(b.to_bytes(), forced(b.to_bytes()), engine).passed


def test_corrupt_blob_is_a_model_error_that_names_the_operator() -> None:
    model = parse(forced(conv_model()))
    buffer = model.root.buffers[model.root.subgraphs[0].tensors[1].buffer]
    buffer.data = np.array(buffer.data)
    buffer.data[0] ^= 1
    with pytest.raises(ModelError, match=r"operator 0 \(WP_CONV_2D"):
        verify(conv_model(), serialise(model))


class Scripted:
    """An engine whose outputs are given."""

    name = "scripted"

    def __init__(self, *runs: list[Sample]) -> None:
        self.runs = list(runs)

    def unsupported(self, model: Executable) -> list[str]:  # noqa: ARG002
        return []

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:  # noqa: ARG002
        return self.runs.pop(0)


def compare(before: list[Sample], after: list[Sample]) -> Verification:
    model = parse(conv_model())
    return verdict(TfliteForms(model, model), random_inputs(model, len(before), 0), Scripted(before, after))


def test_bits_are_compared_not_values() -> None:
    zero, minus, nan = (np.array([v], np.float32) for v in (0.0, -0.0, np.nan))
    assert not compare([[zero]], [[minus]]).passed
    assert compare([[nan]], [[nan]]).passed


def test_outputs_whose_size_depends_on_their_values_are_compared_sample_by_sample() -> None:
    short, long, none = np.zeros(2, np.int8), np.zeros(3, np.int8), np.zeros(0, np.int8)
    assert compare([[short], [long], [none]], [[short], [long], [none]]).passed
    result = compare([[short], [long]], [[long], [short]])
    assert not result.passed and result.outputs[0].different == 5


class _Faulty:
    """The reference interpreter, off by one in models that have operators of ours."""

    name = "faulty"

    def unsupported(self, model: Executable) -> list[str]:
        return ENGINES["reference"].unsupported(model)

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        found = ENGINES["reference"].run(model, samples, advance)
        ours = any(operator.kind.startswith("WP_") for operator in model.graph.operators())
        return [[value ^ 1 for value in sample] for sample in found] if ours else found


def test_a_lossy_model_has_to_compute_what_its_own_dense_model_does() -> None:
    b = ModelBuilder()
    y = b.input((1, 4, 4, 32), 0.5, -3)
    for seed in range(2):
        y = b.conv2d(y, sparse(seed, (32, 3, 3, 32), 0.0), scale=400.0)
    b.output(y)
    data = b.to_bytes()
    model, pooled = parse(data), parse(converted(data, "pool").data)
    inputs = random_inputs(model, 2, 0)
    result = verdict(TfliteForms(model, pooled), inputs, ENGINES["reference"])
    assert result.passed and result.lossy and result.weights_equal
    assert not result.outputs[0].equal
    assert not verdict(TfliteForms(model, pooled), inputs, _Faulty()).passed
