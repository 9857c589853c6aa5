"""Files around an .onnx model that nobody would make by accident: one line, no wait, no memory, nothing written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.cli.harness import Cli, untouched
from tests.onnx.harness import conv_model, if_model, model_of, save, sparse, value
from tools.fuzz import memory_limit


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A model with external data, in a folder of its own."""
    (tmp_path / "in").mkdir()
    return save(conv_model(), tmp_path / "in" / "model.onnx", external=True)


def _with(path: Path, **entries: str) -> None:
    """Other words about where the first external tensor is."""
    model = onnx.load(path, load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL)
    found = {entry.key: entry.value for entry in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, text in found.items():
        tensor.external_data.add(key=key, value=text)
    path.write_bytes(model.SerializeToString())


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "data")


def _loop(folder: Path) -> None:
    (folder / "data").symlink_to("data")


def _dangling(folder: Path) -> None:
    (folder / "data").symlink_to("nowhere")


def _device(folder: Path) -> None:
    (folder / "data").symlink_to("/dev/zero")


def _through_a_folder(folder: Path) -> None:
    (folder / "sub").symlink_to("/etc")


def _short(folder: Path) -> None:
    (folder / "data").write_bytes((folder / "weights.bin").read_bytes()[:100])


PLACES: dict[str, tuple[str, Callable[[Path], None] | None, int, str]] = {
    "pipe": ("data", _pipe, 5, "is not a regular file"),
    "link to itself": ("data", _loop, 5, "cannot be read"),
    "link to nothing": ("data", _dangling, 5, "is missing"),
    "device": ("data", _device, 3, "is a link to a file outside the model's folder"),
    "folder that leads elsewhere": ("sub/passwd", _through_a_folder, 3, "is a link to a file outside"),
    "short": ("data", _short, 3, "the file is truncated or belongs to another model"),
    "the folder itself": (".", None, 5, "is not a regular file"),
    "up and down": ("a/../../in/weights.bin", None, 3, "outside the model's folder"),
    "up within": ("a/../weights.bin", None, 3, "outside the model's folder"),
    "below a file": ("weights.bin/x", None, 5, "cannot be read"),
    "long": ("x" * 5000, None, 5, "File name too long"),
    "another drive": ("\\\\server\\share\\data", None, 3, "outside the model's folder"),
    "line break": ("weights\n.bin", None, 5, "is missing"),
    "model": ("model.onnx", None, 3, "the tensor needs those from"),
}


@pytest.mark.parametrize(("location", "make", "code", "message"), PLACES.values(), ids=PLACES.keys())
def test_data_that_is_no_file_of_the_model_is_refused(
    location: str, make: Callable[[Path], None] | None, code: int, message: str, cli: Cli, outside: Path
) -> None:
    if make is not None:
        make(outside.parent)
    _with(outside, location=location, **({"offset": "999999999"} if location == "model.onnx" else {}))
    before = sorted(path.name for path in outside.parent.parent.rglob("*"))
    out = outside.parent.parent / "out.onnx"
    commands: list[list[str | Path]] = [
        [outside, "-o", out],
        [outside, "--in-place"],
        ["inspect", outside],
        ["restore", outside, "-o", out],
    ]
    for command in commands:
        assert message in cli.refused(code, *command)
    assert sorted(path.name for path in outside.parent.parent.rglob("*")) == before


def test_data_named_in_another_way_is_found(cli: Cli, outside: Path) -> None:
    (outside.parent / "link").symlink_to("weights.bin")
    for location in ("./weights.bin", "link"):
        _with(outside, location=location)
        cli.ok(outside, "-o", outside.parent.parent / "out.onnx", "--no-verify")


def test_a_file_with_terabytes_of_nothing_is_left_as_it_is(cli: Cli, tmp_path: Path) -> None:
    side = 1 << 20
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {}, [value("x", [1, side])], [value("y", [1, side])]
    )
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[side, side])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="data")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with (tmp_path / "data").open("wb") as file:
        try:
            file.truncate(4 * side * side)
        except OSError:
            pytest.skip("no files of this size here")
    begin = time.monotonic()
    done = cli.ok("inspect", tmp_path / "model.onnx", "--json")
    assert "has more than 2^30 − 1 elements" in done.out
    # To read it would take hours.
    assert time.monotonic() - begin < 30


def _nested(depth: int) -> ModelProto:
    """Ifs within Ifs."""
    product = helper.make_node("MatMul", ["x", "w"], ["y0"])
    weight = numpy_helper.from_array(sparse((64, 64), "float32"), "w")
    graph: GraphProto = helper.make_graph([product], "g0", [], [value("y0", [1, 64])], [weight])
    for level in range(1, depth):
        node = helper.make_node("If", ["c"], [f"y{level}"], then_branch=graph, else_branch=graph if level < 3 else None)
        graph = helper.make_graph([node], f"g{level}", [], [value(f"y{level}", [1, 64])])
    model = model_of([], {}, [value("x", [1, 64]), value("c", [], TensorProto.BOOL)], list(graph.output))
    nodes: list[NodeProto] = list(graph.node)
    model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("depth", [5, 25, 60, 1000])
def test_graphs_within_graphs_end_cleanly_however_deep(depth: int, cli: Cli, tmp_path: Path) -> None:
    # Written by hand, as protobuf writes no deeper ones than it reads.
    inner = _nested(2).SerializeToString()
    path = tmp_path / "model.onnx"
    if depth < 30:
        path.write_bytes(_nested(depth).SerializeToString())
        cli.ok("inspect", path)
        cli.ok(path, "-m", "bitmap", "-o", tmp_path / "out.onnx", "--no-verify")
        return
    graph = ModelProto.FromString(inner).graph.SerializeToString()
    for _ in range(depth):
        # graph.node.attribute.g, each with a tag and a length.
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            graph = tag + _varint(len(graph)) + graph
    path.write_bytes(b"\x08\x08" + b"\x3a" + _varint(len(graph)) + graph + b"\x42\x02\x10\x11")
    with untouched(tmp_path):
        commands: list[list[str | Path]] = [["inspect", path], [path, "-o", tmp_path / "out.onnx", "--no-verify"]]
        for command in commands:
            assert "not an ONNX model, or a truncated one" in cli.refused(3, *command)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_functions_that_call_themselves_end(cli: Cli, tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    nodes = [helper.make_node(f"F{i}", ["a", "b"], ["c"], domain="f") for i in range(2)]
    model = model_of(
        [helper.make_node("F0", ["x", "w"], ["y"], domain="f")],
        {"w": sparse((64, 64), "float32")},
        [value("x", [1, 64])],
        [value("y", [1, 64])],
    )
    model.opset_import.add(domain="f", version=1)
    for i in range(2):
        model.functions.append(helper.make_function("f", f"F{i}", ["a", "b"], ["c"], [nodes[1 - i]], imports))
    save(model, tmp_path / "model.onnx")
    done = cli.ok(tmp_path / "model.onnx", "-v", "-o", tmp_path / "out.onnx", "--no-verify")
    assert "no operator multiplies by it" in done.out


def test_a_model_cut_between_its_fields_gives_what_is_left_or_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = save(if_model(), tmp_path / "model.onnx")
    cli.ok(path, "-m", "bitmap", "-o", tmp_path / "small.onnx", "--no-verify")
    for name in ("model.onnx", "small.onnx"):
        data = (tmp_path / name).read_bytes()
        ends = _ends(data)
        assert len(ends) > 3
        for end in {max(0, end + shift) for end in ends for shift in (-1, 0, 1)} - {len(data), len(data) + 1}:
            (tmp_path / "bad.onnx").write_bytes(data[:end])
            done = cli("restore", tmp_path / "bad.onnx", "-o", tmp_path / "out.onnx")
            assert done.code in (0, 3) and done.err.count("\n") == (done.code != 0)
            assert (done.code == 0) <= (end in ends)


def _ends(data: bytes) -> list[int]:
    """Where the fields of a message end."""
    ends, at = [], 0
    while at < len(data):
        kind = data[at] & 7
        at += 2 if data[at] & 128 else 1
        number, shift = 0, 0
        while True:
            number |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 128:
                break
        at += number if kind == 2 else 0
        ends.append(at)
    return ends


def test_a_small_file_that_decodes_to_gigabytes_needs_no_more_than_there_is(cli: Cli, tmp_path: Path) -> None:
    total = (1 << 30) - 1
    weight = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {}, [value("x", [1, total])], [value("y", [1, 1])]
    )
    streams: dict[str, NDArray[Any]] = {
        "w/codes": np.zeros((total + 63) // 64, np.uint8),
        "w/vectors": np.ones(8, np.float32),
        "w/layout": np.array([1, total, 1, 1]),
        "w/shape": np.array([total, 1]),
    }
    weight.graph.node.insert(0, helper.make_node("DecodePool", list(streams), ["w"], domain="wpconvert"))
    weight.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in streams.items())
    weight.opset_import.add(domain="wpconvert", version=1)
    save(weight, tmp_path / "bomb.onnx")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    with untouched(tmp_path), memory_limit(used + (2 << 30)):
        assert "not enough memory for this model" in cli.refused(
            4, "restore", tmp_path / "bomb.onnx", "-o", tmp_path / "o.onnx"
        )
