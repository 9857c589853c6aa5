"""Models with 4-bit weights stored as int8: `packed` halves them, and the native engine computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.native.harness import assert_equals_reference
from tests.support.low_bits import Levels, with_levels
from tests.support.models import ModelBuilder
from tests.tflite.harness import assert_same_outputs, converted, forced, inputs_for, reference
from wpconvert.codecs import parse as parse_blob
from wpconvert.codecs.packed import Mapping
from wpconvert.formats.tflite.file import parse

ZOO = sorted((Path(__file__).resolve().parents[2] / "models" / "zoo").glob("*.tflite"))


def mappings(data: bytes) -> dict[Mapping, set[int]]:
    """The mappings in a rewritten file and the bits a weight of each."""
    found: dict[Mapping, set[int]] = {}
    for buffer in parse(data).root.buffers:
        if buffer.data is not None and bytes(buffer.data[:4]) == b"WPKB":
            flags = parse_blob(np.asarray(buffer.data, np.uint8)).flags
            found.setdefault(Mapping(flags >> 3), set()).add(flags & 7)
    return found


@pytest.mark.parametrize("levels", Levels)
@pytest.mark.parametrize("model", ZOO, ids=lambda path: path.stem)
def test_outputs_of_packed_models_are_those_of_the_original(model: Path, levels: Levels) -> None:
    original = with_levels(model.read_bytes(), levels)
    inputs = [inputs_for(original, seed) for seed in range(2)]
    for packed in (converted(original, "packed").data, forced(original, "packed")):
        assert_equals_reference(packed, inputs)
        for sample in inputs:
            assert_same_outputs(reference(packed, sample), reference(original, sample))


def test_packed_takes_four_bits_a_weight() -> None:
    largest = max(ZOO, key=lambda path: path.stat().st_size).read_bytes()
    result = converted(with_levels(largest, Levels.INTEGERS), "packed")
    tensors = [tensor for tensor in result.report.tensors if tensor.method == "packed"]
    assert sum(tensor.nbytes_after for tensor in tensors) < 0.55 * sum(tensor.nbytes_before for tensor in tensors)
    assert mappings(result.data)[Mapping.SIGNED] == {4}


def _with_own_values(shape: tuple[int, ...], channel_axis: int) -> NDArray[np.int8]:
    """Weights of four values, which every channel has of its own."""
    generator = np.random.default_rng(5)
    values = np.stack([generator.permutation(256)[:4] for _ in range(shape[channel_axis])])
    channel = np.arange(shape[channel_axis]).reshape([-1 if axis == channel_axis else 1 for axis in range(len(shape))])
    return np.asarray(values[channel, generator.integers(0, 4, shape)], np.uint8).view(np.int8)


def test_channels_with_values_of_their_own_take_a_table_each() -> None:
    b = ModelBuilder()
    x = b.input((1, 12, 12, 16), 0.5, -3)
    y = b.depthwise(x, _with_own_values((1, 9, 9, 16), 3), range(16), scale=0.4, weight_scales=0.01)
    y = b.conv2d(y, _with_own_values((24, 3, 3, 16), 0), range(24), scale=0.4, weight_scales=0.01)
    y = b.fully_connected(
        b.reshape(y, (1, 24 * 12 * 12)), _with_own_values((10, 24 * 12 * 12), 0), scale=0.2, weight_scales=0.01
    )
    b.output(y)
    original = b.to_bytes()
    packed = converted(original, "packed").data
    assert mappings(packed) == {Mapping.ROW_TABLES: {2}, Mapping.COLUMN_TABLES: {2}}
    inputs = [inputs_for(original, seed) for seed in range(2)]
    assert_equals_reference(packed, inputs)
    for sample in inputs:
        assert_same_outputs(reference(packed, sample), reference(original, sample))


def test_weights_of_too_many_values_stay_and_the_report_says_why() -> None:
    b = ModelBuilder()
    weights = np.tile(np.arange(-128, 128), (10, 2)).astype(np.int8)
    b.output(b.fully_connected(b.input((1, 512), 0.5), weights, weight_scales=0.01))
    (tensor,) = converted(b.to_bytes(), "packed").report.tensors
    assert tensor.method == "none"
    assert str(tensor.reason).startswith("packed cannot store it: its values (-128 to 127) do not fit 7")
