"""External data: however tensors share files and bytes, it is stored once, grows by nothing, and is found again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper

from tests.onnx.harness import check, content, converted, model_of, outputs, sparse, value
from wpconvert.formats.onnx.data import Span, extents_of
from wpconvert.formats.onnx.file import read

Spot = tuple[str, int, int]
"""Location, offset, bytes."""


def located(spots: dict[str, Spot], shapes: dict[str, Sequence[int]]) -> ModelProto:
    """A chain of products with float32 weights of these shapes that are at these places."""
    nodes, last = [], "x"
    for name in spots:
        nodes.append(helper.make_node("MatMul", [last, name], [last := f"{name}.y"]))
    first, final = next(iter(shapes.values())), list(shapes.values())[-1]
    model = model_of(nodes, {}, [value("x", [1, first[0]])], [value(last, [1, final[1]])])
    for name, (location, offset, nbytes) in spots.items():
        tensor = model.graph.initializer.add(
            name=name, data_type=TensorProto.FLOAT, dims=shapes[name], data_location=TensorProto.EXTERNAL
        )
        for key, text in (("location", location), ("offset", str(offset)), ("length", str(nbytes))):
            tensor.external_data.add(key=key, value=text)
    return model


def _saved(model: ModelProto, folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 12)), max_size=12))
def test_extents_cover_their_spans_and_no_two_of_them_overlap(places: list[tuple[str, int, int]]) -> None:
    spans = [Span(Path(name), offset, nbytes) for name, offset, nbytes in places]
    extents = extents_of(spans)
    assert extents.keys() == set(spans)
    for span, extent in extents.items():
        assert extent.path == span.path
        assert extent.offset <= span.offset <= span.offset + span.nbytes <= extent.offset + extent.nbytes
    used = [(e.path, at) for e in set(extents.values()) for at in range(e.offset, e.offset + e.nbytes)]
    covered = {(s.path, at) for s in spans for at in range(s.offset, s.offset + s.nbytes)}
    assert len(used) == len(set(used)) and set(used) == covered


@pytest.mark.parametrize("method", ["none", "bitmap"])
@pytest.mark.parametrize("step", [64 * 4, 64 * 64 * 4 - 4, 64 * 64 * 4])
def test_weights_whose_bytes_overlap_take_no_more_than_before(method: str, step: int, tmp_path: Path) -> None:
    nbytes = 64 * 64 * 4
    spots = {f"w{i}": ("data", i * step, nbytes) for i in range(3)}
    data = sparse((3 * 64 * 64,), "float32", 0.5).tobytes()[: 2 * step + nbytes]
    source = _saved(located(spots, dict.fromkeys(spots, (64, 64))), tmp_path, {"data": data})
    target, done = converted(source, method)
    check(source, target)
    assert done.report.nbytes_before == len(data) + source.stat().st_size
    if not done.changed:
        assert target.data.read_bytes() == data
    else:
        assert done.report.nbytes_after < done.report.nbytes_before
    # Three compressed forms of nearly the same bytes would take more than these.
    assert done.changed == (method == "bitmap" and step > 256)


def test_a_weight_whose_bytes_a_bias_shares_stays(tmp_path: Path) -> None:
    spots = {"w": ("data", 0, 64 * 64 * 4)}
    model = located(spots, {"w": (64, 64)})
    bias = model.graph.initializer.add(name="b", data_type=TensorProto.FLOAT, dims=[64])
    bias.data_location = TensorProto.EXTERNAL
    bias.external_data.extend(model.graph.initializer[0].external_data)
    bias.external_data[2].value = "256"
    model.graph.node.append(helper.make_node("Add", ["w.y", "b"], ["z"]))
    model.graph.output[0].name = "z"
    source = _saved(model, tmp_path, {"data": sparse((64, 64), "float32", 0.95).tobytes()})
    target, done = converted(source)
    assert not done.changed
    assert done.report.tensors[0].reason == "shares its data with tensors that are not weights"
    check(source, target)


def test_a_copy_of_large_tensors_without_gaps_has_none_either(tmp_path: Path) -> None:
    side = 520
    nbytes = side * side * 4
    assert nbytes > 1 << 20
    spots = {f"w{i}": ("data", 4 + i * nbytes, nbytes) for i in (1, 0)}
    data = np.random.default_rng(0).normal(size=2 * side * side + 1).astype(np.float32).tobytes()
    source = _saved(located(spots, dict.fromkeys(spots, (side, side))), tmp_path, {"data": data})
    target, done = converted(source, "none")
    assert not done.changed
    assert target.data.read_bytes() == data[4:]
    assert content(target.model) == content(source)


def test_tensors_without_elements_have_a_place_within_the_file(tmp_path: Path) -> None:
    spots = {"w": ("data", 0, 4 * 64 * 33)}
    model = located(spots, {"w": (64, 33)})
    for name in ("before", "after"):
        empty = model.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=[0])
        empty.data_location = TensorProto.EXTERNAL
        empty.external_data.add(key="location", value="data")
        empty.external_data.add(key="offset", value="0" if name == "before" else str(4 * 64 * 33))
        empty.external_data.add(key="length", value="0")
    source = _saved(model, tmp_path, {"data": sparse((64, 33), "float32", 0.95).tobytes()})
    for method in ("none", "bitmap"):
        target, done = converted(source, method)
        assert done.changed == (method == "bitmap")
        check(source, target, run=False)
        size = target.data.stat().st_size
        for tensor in read(target.model).proto.graph.initializer:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            assert not entries or int(entries["offset"]) + int(entries["length"]) <= size


def test_data_in_two_places_at_once_is_left_alone(tmp_path: Path) -> None:
    data = sparse((64, 64), "float32", 0.95).tobytes()
    model = located({"w": ("data", 0, len(data))}, {"w": (64, 64)})
    model.graph.initializer[0].float_data.append(1.0)
    inline = model.graph.initializer.add(name="v", data_type=TensorProto.FLOAT, dims=[64, 64], raw_data=data)
    inline.external_data.add(key="location", value="left over")
    model.graph.node.append(helper.make_node("MatMul", ["w.y", "v"], ["z"]))
    model.graph.output[0].name = "z"
    source = _saved(model, tmp_path, {"data": data})
    target, done = converted(source)
    reasons = {tensor.reason for tensor in done.report.tensors}
    assert reasons == {"is stored in a form that cannot be restored bit for bit"}
    assert onnx.load(target.model, load_external_data=False).graph.initializer[0].float_data == [1.0]
    assert outputs(source)[0].tobytes() == outputs(target.model)[0].tobytes()


def test_two_names_of_one_file_are_one_file(tmp_path: Path) -> None:
    nbytes = 64 * 64 * 4
    spots = {"w": ("data", 0, nbytes), "v": ("link", 0, nbytes)}
    data = sparse((64, 64), "float32", 0.0).tobytes()
    source = _saved(located(spots, dict.fromkeys(spots, (64, 64))), tmp_path, {"data": data})
    (tmp_path / "link").symlink_to("data")
    target, done = converted(source)
    assert not done.changed and target.data.read_bytes() == data
    assert done.report.nbytes_before == source.stat().st_size + nbytes
