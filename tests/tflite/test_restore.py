"""Restore says what it cannot give back, and refuses what contradicts itself instead of giving back something else."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import ModelBuilder
from tests.tflite.harness import (
    assert_same_outputs,
    canonical,
    conv_builder,
    conv_model,
    converted,
    forced,
    inputs_for,
    litert,
    losses,
    names,
    reference,
    restored,
    sparse,
)
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.metadata import RESTORE_NAME
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.schema import BuiltinOperator, ModelT
from wpconvert.graph.custom import table
from wpconvert.memory.offline import MemoryPlan


def entry_data(model: TfliteModel, name: str) -> Any:
    """The buffer of a metadata entry."""
    entry = next(e for e in model.root.metadata if text(e.name) == name)
    return model.root.buffers[entry.buffer]


def with_originals(data: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with its restore entry unpacked, changed and packed again."""
    model = parse(data)
    buffer = entry_data(model, RESTORE_NAME)
    root = ModelT.InitFromPackedBuf(zlib.decompress(bytes(buffer.data)), 0)
    change(root)
    buffer.data = np.frombuffer(zlib.compress(serialise(TfliteModel(root))), np.uint8)
    return serialise(model)


def with_table(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    """The file with the table of its first operator changed."""
    model = parse(data)
    graph = model.root.subgraphs[0]
    buffer = model.root.buffers[graph.tensors[graph.operators[0].inputs[2]].buffer]
    raw = bytearray(bytes(buffer.data))
    change(raw)
    buffer.data = np.frombuffer(bytes(raw), np.uint8)
    return serialise(model)


def poke(at: int, value: int) -> Callable[[bytearray], None]:
    def change(raw: bytearray) -> None:
        raw[at] = value

    return change


def test_file_without_rewritten_operators_is_left_alone() -> None:
    model = parse(conv_model())
    assert not is_rewritten(model)
    assert restore(model) == []
    assert serialise(model) == serialise(parse(conv_model()))


def test_nothing_is_lost_with_the_originals_and_stripping_is_said() -> None:
    assert losses(converted(conv_model()).data) == []
    (loss, versions) = losses(converted(conv_model(), strip=True).data)
    assert "1 operators: names, calibration ranges and original quantisation" in loss
    assert "operator versions were stripped" in versions


def test_without_a_rewritten_tensor_no_memory_plan_is_added_that_restore_could_not_remove() -> None:
    model = parse(conv_model())
    plan = MemoryPlan(np.zeros(len(model.root.subgraphs[0].tensors), np.int32), 1, 2, 3, 4)
    assert rewrite(model, [], False, lambda _: plan) is None
    assert serialise(model) == serialise(parse(conv_model()))


def test_idle_operator_codes_come_back() -> None:
    b, y = conv_builder()
    b.output(y)
    b._code("TANH", 7)
    data = b.to_bytes()
    assert restored(converted(data).data) == canonical(data)


def test_without_its_metadata_a_file_is_restored_from_blob_and_table() -> None:
    model = parse(converted(conv_model()).data)
    model.root.metadata = None
    data = serialise(model)
    assert len(losses(data)) == 2
    inputs = inputs_for(conv_model())
    assert_same_outputs(litert(restored(data), inputs), litert(conv_model(), inputs))


def test_operators_moved_by_another_tool_are_reconstructed_instead_of_mixed_up() -> None:
    b = ModelBuilder()
    x = b.input((1, 64), 0.5, 3)
    first = b.fully_connected(x, sparse(1, (64, 64)), np.arange(64), scale=0.4)
    b.output(first, b.fully_connected(x, sparse(2, (64, 64)), np.arange(64), scale=0.3, activation="RELU"))
    model = parse(converted(b.to_bytes()).data)
    model.root.subgraphs[0].operators.reverse()
    moved = serialise(model)
    assert "2 operators" in losses(moved)[0]
    inputs = inputs_for(moved)
    assert_same_outputs(reference(restored(moved), inputs), reference(b.to_bytes(), inputs))


@pytest.mark.parametrize(
    ("at", "value"),
    [(10, 1), (11, 1), (12, 0), (13, 0), (20, 99), (5, 4)],
    ids=["input zero point", "output zero point", "least", "greatest", "bias", "bias flag"],
)
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_table_that_contradicts_the_model_is_refused_or_kept_exactly(at: int, value: int, strip: bool) -> None:
    data = converted(conv_model(), strip=strip).data
    damaged = with_table(data, poke(at, value))
    if at == 20:
        # The table is the only place that has the bias.
        assert restored(damaged) != restored(data)
        return
    with pytest.raises(ModelError, match=r"operator 0 \((WP_)?CONV_2D, subgraph 0\): the table contradicts the"):
        restored(damaged)


def test_multipliers_that_no_scale_gives_are_said_by_restore_and_refused_for_encoding_anew() -> None:
    b = ModelBuilder()
    b.output(
        b.conv2d(b.input((1, 4, 4, 8), 0.3, 1), sparse(1, (64, 3, 3, 8)), [1] * 64, scale=0.7, weight_scales=0.011)
    )
    data = converted(b.to_bytes(), strip=True).data
    multiplier_base = 24

    def change(raw: bytearray) -> None:
        raw[multiplier_base] ^= 1

    damaged = with_table(data, change)
    assert any("no float32 scale gives exactly the stored multipliers" in loss for loss in losses(damaged))
    with pytest.raises(UnsupportedError, match="cannot be encoded again"):
        converted(damaged, "rle")


def test_weights_that_differ_from_the_recorded_hash_are_refused() -> None:
    model = parse(forced(conv_model(), "dense"))
    graph = model.root.subgraphs[0]
    buffer = model.root.buffers[graph.tensors[1].buffer]
    raw = np.array(buffer.data)
    section = 48
    value = int(np.flatnonzero(raw[section:].view(np.int8))[0])
    raw[section + value] ^= 1
    buffer.data = raw
    with pytest.raises(ModelError, match="the decoded weights differ from those recorded in the metadata"):
        restored(serialise(model))


WRONG_ORIGINALS: dict[str, Callable[[Any], None]] = {
    "bias index −5": lambda root: setattr(root.subgraphs[0].operators[0], "inputs", np.array([0, 1, -5], np.int32)),
    "bias index 99": lambda root: setattr(root.subgraphs[0].operators[0], "inputs", np.array([0, 1, 99], np.int32)),
    "weight shape": lambda root: setattr(root.subgraphs[0].tensors[0], "shape", np.array([32, 9, 16], np.int32)),
    "bias shape": lambda root: setattr(root.subgraphs[0].tensors[1], "shape", np.array([31], np.int32)),
    "weight type": lambda root: setattr(root.subgraphs[0].tensors[0], "type", 3),
    "other weight scale": lambda root: root.subgraphs[0].tensors[0].quantization.scale.__imul__(2),
    "no weight scale": lambda root: setattr(root.subgraphs[0].tensors[0], "quantization", None),
    "other options": lambda root: setattr(root.subgraphs[0].operators[0].builtinOptions, "fusedActivationFunction", 1),
    "unknown padding": lambda root: setattr(root.subgraphs[0].operators[0].builtinOptions, "padding", 7),
    "operator code": lambda root: setattr(root.subgraphs[0].operators[0], "opcodeIndex", 9),
    "more places": lambda root: setattr(root.subgraphs[0], "inputs", np.array([1, 2, 3], np.int32)),
    "another operator": lambda root: setattr(root.operatorCodes[0], "builtinCode", 9),
}


@pytest.mark.parametrize("change", WRONG_ORIGINALS.values(), ids=WRONG_ORIGINALS.keys())
def test_originals_that_do_not_fit_are_refused(change: Callable[[Any], None]) -> None:
    def writable(root: Any) -> None:
        quantization = root.subgraphs[0].tensors[0].quantization
        quantization.scale = np.array(quantization.scale)
        change(root)

    with pytest.raises(ModelError):
        restored(with_originals(converted(conv_model()).data, writable))


def test_unchanged_originals_survive_that_repacking() -> None:
    assert restored(with_originals(converted(conv_model()).data, lambda _: None)) == canonical(conv_model())


@pytest.mark.parametrize("content", [b"", b"\0" * 40, zlib.compress(b"TFL3"), zlib.compress(bytes(100))[:-3]])
def test_restore_entry_that_is_no_zlib_stream_of_a_model_is_refused(content: bytes) -> None:
    model = parse(converted(conv_model()).data)
    entry_data(model, RESTORE_NAME).data = np.frombuffer(content, np.uint8)
    with pytest.raises(ModelError):
        restored(serialise(model))


def test_restore_entry_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wpconvert.formats.tflite.metadata._MAX_ORIGINALS", 1 << 20)
    model = parse(converted(conv_model()).data)
    entry_data(model, RESTORE_NAME).data = np.frombuffer(zlib.compress(bytes(1 << 22), 9), np.uint8)
    with pytest.raises(ModelError, match="truncated or larger than 1048576 bytes"):
        restored(serialise(model))


@settings(max_examples=60, deadline=None)
@given(st.integers(-20, 3), st.integers(-10, 0), st.integers(-10, 1), st.integers(0, 2**32 - 1), st.booleans())
def test_scales_are_found_for_every_ratio(weight: int, inner: int, outer: int, seed: int, per_channel: bool) -> None:
    jitter = np.random.default_rng(seed).uniform(1, 2, 18).astype(np.float32)
    b = ModelBuilder()
    x = b.input((1, 8), float(jitter[0]) * 2.0**inner, 1)
    weights = jitter[1:17] * 2.0**weight if per_channel else float(jitter[1]) * 2.0**weight
    b.output(b.fully_connected(x, sparse(seed, (16, 8)), scale=float(jitter[17]) * 2.0**outer, weight_scales=weights))
    data = b.to_bytes()
    stripped = forced(data, strip=True)
    assert len(losses(stripped)) == 2
    again = forced(restored(stripped), strip=True)
    assert names(again) == ["WP_FULLY_CONNECTED"]
    models = [parse(stripped), parse(again)]
    raw = [m.root.buffers[m.root.subgraphs[0].tensors[-1].buffer].data for m in models]
    assert raw[0].tobytes() == raw[1].tobytes()
    assert table.unpack(raw[0]).channels == 16


def test_versions_that_a_stripped_file_does_not_keep_are_listed() -> None:
    b, y = conv_builder()
    b.output(b.fully_connected(b.reshape(y, (1, 512)), sparse(2, (32, 512), 0.95), scale=0.4, weight_scales=0.02))
    for code, version in zip(b.build().root.operatorCodes, (1, 1, 2), strict=True):
        code.version = version
    data = b.to_bytes()
    assert losses(forced(data)) == []
    stripped = forced(data, strip=True)
    (note,) = (loss for loss in losses(stripped) if "operator versions" in loss)
    assert note.endswith("now those of int8 kernels: CONV_2D 3, FULLY_CONNECTED 4")
    codes = {code.builtinCode: code.version for code in parse(restored(stripped)).root.operatorCodes}
    assert codes == {BuiltinOperator.CONV_2D: 3, BuiltinOperator.RESHAPE: 1, BuiltinOperator.FULLY_CONNECTED: 4}
