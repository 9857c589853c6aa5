"""The commands on .onnx files; whatever is wrong with one ends in one line, and changes no file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from tests.cli.harness import MODEL, Cli, untouched
from tests.onnx.harness import content, conv_model, save, size, sparse, value


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model, the same with external data, and the first one rewritten."""
    save(conv_model(), tmp_path / "model.onnx")
    save(conv_model(), tmp_path / "outside.onnx", external=True)
    return tmp_path


def test_convert_verify_inspect_and_restore(cli: Cli, files: Path) -> None:
    done = cli.ok(files / "model.onnx", "-o", files / "small.onnx", "--report", files / "r.json")
    assert "identical outputs, bit for bit, on 4 samples (onnxruntime engine)" in done.out
    report = json.loads((files / "r.json").read_text())
    assert report["nbytes_after"] == (files / "small.onnx").stat().st_size < (files / "model.onnx").stat().st_size
    assert [tensor["method"] != "none" for tensor in report["tensors"]] == [True, True]
    assert "all weights equal" in cli.ok("verify", files / "model.onnx", files / "small.onnx", "--random", "2").out
    assert "rewritten tensors: 2 by" in cli.ok("inspect", files / "small.onnx").out
    inspected = json.loads(cli.ok("inspect", files / "model.onnx", "--json").out)
    assert {weight["name"]: weight["dtype"] for weight in inspected["weights"]} == {
        "conv.weight": "FLOAT",
        "fc.weight": "INT8",
    }
    cli.ok("restore", files / "small.onnx", "-o", files / "dense.onnx")
    assert (files / "dense.onnx").read_bytes() == (files / "model.onnx").read_bytes()


def test_external_data_goes_beside_the_output_and_comes_back(cli: Cli, files: Path) -> None:
    done = cli.ok(files / "outside.onnx", "-m", "bitmap", "-o", files / "small.onnx")
    assert f"wrote {files / 'small.onnx.data'}" in done.out and f"wrote {files / 'small.onnx'}" in done.out
    assert size(files / "small.onnx") < size(files / "outside.onnx")
    cli.ok("restore", files / "small.onnx", "-o", files / "dense.onnx")
    assert content(files / "dense.onnx") == content(files / "outside.onnx")
    (files / "small.onnx.data").unlink()
    assert "is missing" in cli.refused(5, "inspect", files / "small.onnx")


def test_in_place_leaves_the_data_before_alone(cli: Cli, files: Path) -> None:
    before, data = content(files / "outside.onnx"), (files / "weights.bin").read_bytes()
    done = cli.ok(files / "outside.onnx", "--in-place")
    assert "weights.bin: previous data file, no longer used by this model" in done.out
    assert (files / "weights.bin").read_bytes() == data
    cli.ok(files / "outside.onnx", "-m", "bitmap", "--in-place")
    cli.ok("restore", files / "outside.onnx", "-o", files / "dense.onnx")
    assert content(files / "dense.onnx") == before


def test_dry_run_writes_the_plan_alone_and_a_plan_is_a_rules_file(cli: Cli, files: Path) -> None:
    cli.ok(files / "model.onnx", "--dry-run", "--dump-plan", files / "plan.yaml")
    assert sorted(path.name for path in files.iterdir()) == ["model.onnx", "outside.onnx", "plan.yaml", "weights.bin"]
    cli.ok(files / "model.onnx", "-o", files / "a.onnx")
    cli.ok(files / "model.onnx", "-m", "none", "--rules", files / "plan.yaml", "-o", files / "b.onnx")
    assert (files / "a.onnx").read_bytes() == (files / "b.onnx").read_bytes()


def test_verify_finds_a_weight_that_differs_and_inputs_of_a_file(cli: Cli, files: Path) -> None:
    model = conv_model()
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(sparse((64, 3, 3, 3), "float32", seed=5), "conv.weight")
    )
    save(model, files / "other.onnx")
    np.savez(files / "x.npz", x=np.ones((3, 3, 8, 8), np.float32), labels=np.arange(3))
    done = cli("verify", files / "model.onnx", files / "other.onnx", "--inputs", files / "x.npz")
    assert done.code == 1 and "FAILED: " in done.out and "accuracy" in done.out
    done = cli("verify", files / "model.onnx", files / "model.onnx", "--inputs", files / "x.npz")
    assert done.code == 0


USAGE: list[tuple[list[str], str]] = [
    (["model.onnx", "-o", "x.onnx", "--flash", "1000"], "--flash is only for .tflite models"),
    (["model.onnx", "-o", "x.onnx", "--strip"], "--strip is only for .tflite models"),
    (["model.onnx", "-o", "x.onnx", "--runtime", "tflm"], "--runtime is only for .tflite models"),
    (["model.onnx", "-o", "x.onnx", "--no-memory-plan"], "--no-memory-plan is only for .tflite models"),
    (["model.onnx", "-o", "x.onnx", "-m", "dense"], "method dense is not for .onnx files"),
    (["model.onnx", "-o", "x.onnx", "--engine", "native"], "engine 'native' does not execute .onnx models"),
    (["outside.onnx", "-o", "weights.bin"], "expected the suffix .onnx or .tflite"),
    (["restore", "outside.onnx", "-o", "x.tflite"], "expected the suffix .onnx"),
    (["renamed.onnx", "-o", "weights.onnx"], "contains data of renamed.onnx"),
    (["restore", "renamed.onnx", "-o", "weights.onnx"], "contains data of renamed.onnx"),
    (["outside.onnx", "-o", "x.onnx", "--report", "x.onnx.data"], "the suffix must be"),
    (["outside.onnx", "-o", "x.onnx", "--dump-plan", "x.onnx.data"], "x.onnx.data is a data file of the model"),
    (["model.onnx", "-o", "model.onnx"], "is the input; use --in-place"),
    (["model.onnx", "-o", "x.onnx", "--to-c", "x.c"], "--to-c of an .onnx model needs a .tflite result, found x.onnx"),
    (["model.onnx", "--in-place", "--to-c", "x.c"], "--to-c of an .onnx model needs a .tflite result, found model"),
    (["verify", "model.onnx", "other.onnx"], "they are not two versions of one model"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_wrong_usage_is_refused(
    arguments: list[str], message: str, cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    other = conv_model()
    other.graph.output.append(value("c", [1, 64, 6, 6]))
    save(other, files / "other.onnx")
    onnx.save(other, files / "renamed.onnx", save_as_external_data=True, location="weights.onnx", size_threshold=64)
    with untouched(files):
        assert message in cli.refused(2, *arguments)


def _location(entries: dict[str, str]) -> Callable[[ModelProto], None]:
    """Other words about the data of the first external tensor."""

    def change(model: ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL)
        found = {entry.key: entry.value for entry in tensor.external_data} | entries
        del tensor.external_data[:]
        for key, text in found.items():
            if text != "gone":
                tensor.external_data.add(key=key, value=text)

    return change


def _dims(dims: list[int]) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.graph.initializer[0].dims[:] = dims

    return change


def _no_opset(model: ModelProto) -> None:
    del model.opset_import[:]


def _newer(model: ModelProto) -> None:
    model.ir_version = 99


def _newer_opset(model: ModelProto) -> None:
    model.opset_import[0].version = 999


def _short_raw(model: ModelProto) -> None:
    tensor = model.graph.initializer[1]
    tensor.raw_data = tensor.raw_data[:-1]


def _twice(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


ESCAPES = [
    "/etc/passwd",
    "../secret.bin",
    "sub/../../secret.bin",
    "C:\\secret.bin",
    "..\\secret.bin",
    "link.bin",
    "a\0b",
]
LIES: dict[str, tuple[Callable[[ModelProto], None], int, str]] = {
    **{f"escape {path}": (_location({"location": path}), 3, "outside the model's folder") for path in ESCAPES},
    "missing": (_location({"location": "missing.bin"}), 5, "missing.bin: cannot be read: the data file of tensor"),
    "folder": (_location({"location": "folder"}), 5, "is not a regular file"),
    "no location": (_location({"location": ""}), 3, "has no location"),
    "offset": (_location({"offset": "999999"}), 3, "weights.bin has"),
    "negative offset": (_location({"offset": "-1"}), 3, "'-1', expected a number"),
    "huge offset": (_location({"offset": "9" * 30}), 3, "expected a number"),
    "length": (_location({"length": "17"}), 3, "its external data has 17 bytes, its shape and type need"),
    "checksum": (_location({"checksum": "0" * 40}), 3, "the checksum of weights.bin does not match the model"),
    "absurd dims": (_dims([1 << 40, 1 << 40]), 3, "invalid shape with 2 dimensions"),
    "negative dims": (_dims([-1, 27]), 3, "invalid shape with 2 dimensions, [-1, 27]"),
    "many dims": (_dims([1] * 99 + [64, 3, 3, 3]), 3, "invalid shape with 103 dimensions, [1, 1, 1, 1, 1, 1, 1, 1]"),
    "other dims": (_dims([65, 3, 3, 3]), 3, "its shape and type need 7,020"),
    "no operator set": (_no_opset, 3, "it imports no operator set; the file may be truncated"),
    "newer format": (_newer, 4, "IR version 99"),
    "newer operators": (_newer_opset, 4, "opset 999"),
    "short data": (_short_raw, 3, "3 bytes of data, its shape [] and type FLOAT need 4"),
    "same name twice": (_twice, 3, "constant 'conv.weight' occurs twice"),
}


@pytest.mark.parametrize(("change", "code", "message"), LIES.values(), ids=LIES.keys())
def test_lies_of_a_model_are_refused(
    change: Callable[[ModelProto], None], code: int, message: str, cli: Cli, files: Path
) -> None:
    folder = files / "inner"
    (folder / "folder").mkdir(parents=True)
    (files / "secret.bin").write_bytes(bytes(1 << 16))
    (folder / "link.bin").symlink_to(files / "secret.bin")
    (folder / "weights.bin").write_bytes((files / "weights.bin").read_bytes())
    model = onnx.load(files / "outside.onnx", load_external_data=False)
    change(model)
    bad = folder / "bad.onnx"
    bad.write_bytes(model.SerializeToString())
    with untouched(files):
        commands: list[list[str | Path]] = [
            [bad, "-o", files / "out.onnx", "--no-verify"],
            ["inspect", bad],
        ]
        if "twice" not in message:
            commands.append(["restore", bad, "-o", files / "out.onnx"])
        for command in commands:
            assert message in cli.refused(code, *command)


def test_a_negative_size_of_an_input_is_an_open_one(cli: Cli, files: Path) -> None:
    model = conv_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    save(model, files / "open.onnx")
    assert "verified" in cli.ok(files / "open.onnx", "-o", files / "out.onnx").out


@pytest.mark.parametrize("taken", ["metadata", "operators"])
def test_a_dense_model_with_names_of_rewritten_ones_is_refused(taken: str, cli: Cli, files: Path) -> None:
    model = conv_model()
    if taken == "metadata":
        model.metadata_props.add(key="wpconvert", value="mine")
    else:
        model.opset_import.add(domain="wpconvert", version=1)
    save(model, files / "taken.onnx")
    with untouched(files):
        line = cli.refused(4, files / "taken.onnx", "-o", files / "out.onnx", "--no-verify")
    assert "operators or metadata of the name 'wpconvert'; remove these first" in line


def test_text_that_is_none_is_refused(cli: Cli, files: Path) -> None:
    data = (files / "model.onnx").read_bytes()
    assert b"conv.weight" in data
    (files / "bad.onnx").write_bytes(data.replace(b"conv.weight", b"conv\xffweight"))
    for command in (["inspect"], ["convert", "-o", "out.onnx"], ["restore", "-o", "out.onnx"]):
        line = cli.refused(3, command[0], files / "bad.onnx", *command[1:])
        assert "is not UTF-8; the file is damaged" in line


def test_right_checksum_is_taken(cli: Cli, files: Path) -> None:
    model = onnx.load(files / "outside.onnx", load_external_data=False)
    _location({"checksum": hashlib.sha1((files / "weights.bin").read_bytes()).hexdigest()})(model)
    (files / "outside.onnx").write_bytes(model.SerializeToString())
    cli.ok(files / "outside.onnx", "-o", files / "small.onnx", "--no-verify")


def test_model_truncated_anywhere_is_refused(cli: Cli, files: Path) -> None:
    bad = files / "bad.onnx"
    data = (files / "model.onnx").read_bytes()
    for length in [0, 1, 7, *range(60, len(data) - 3, len(data) // 12), len(data) - 3]:
        bad.write_bytes(data[:length])
        with untouched(files):
            assert str(bad) in cli.refused(3, bad, "-o", files / "out.onnx")


def test_what_is_no_model_is_refused(cli: Cli, files: Path) -> None:
    os.mkfifo(files / "pipe.onnx")
    (files / "folder.onnx").mkdir()
    for bad in (files / "pipe.onnx", files / "folder.onnx", files / "missing.onnx"):
        assert "cannot be read" in cli.refused(5, "inspect", bad)
    for content_ in (b"text\n" * 99, bytes(999), MODEL.read_bytes()):
        (files / "bad.onnx").write_bytes(content_)
        cli.refused(3, "inspect", files / "bad.onnx")


def _rewritten(files: Path, cli: Cli) -> ModelProto:
    cli.ok(files / "model.onnx", "-m", "bitmap", "-o", files / "small.onnx", "--no-verify")
    return onnx.load(files / "small.onnx")


def _metadata(text: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        next(entry for entry in model.metadata_props if entry.key == "wpconvert").value = text

    return change


def _wrong_bits(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("values"))
    tensor.raw_data = bytes(len(tensor.raw_data))


def _cut_input(model: ModelProto) -> None:
    node = next(node for node in model.graph.node if node.domain == "wpconvert")
    del node.input[-1]


def _lost_input(model: ModelProto) -> None:
    next(node for node in model.graph.node if node.domain == "wpconvert").input[0] = "nowhere"


def _unknown_operator(model: ModelProto) -> None:
    next(node for node in model.graph.node if node.domain == "wpconvert").op_type = "DecodeMore"


def _huge_shape(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("shape"))
    tensor.CopyFrom(numpy_helper.from_array(np.array([1 << 40, 1, 1, 1]), tensor.name))


CORRUPTION: dict[str, tuple[Callable[[ModelProto], None], int, str]] = {
    "metadata": (_metadata("{"), 3, "metadata entry 'wpconvert' is malformed"),
    "metadata list": (_metadata("[1]"), 3, "malformed: a field has the wrong type"),
    "metadata number": (_metadata(f'{{"version": {"1" * 5000}}}'), 3, "is malformed: a number with 5,000 digits"),
    "metadata text": (_metadata('{"version": "' + "x" * 5000 + '"}'), 3, f"version {'x' * 40}, this tool reads 1"),
    "metadata without tensors": (_metadata('{"version": 1}'), 3, "is malformed: missing 'tensors'"),
    "metadata version": (_metadata('{"version": 9}'), 3, "version 9, this tool reads 1"),
    "wrong bits": (_wrong_bits, 3, "differs from the one recorded in the metadata"),
    "cut input": (_cut_input, 3, "inputs, expected"),
    "lost input": (_lost_input, 3, "input 'nowhere' is not an initializer of the graph"),
    "unknown operator": (_unknown_operator, 4, "unknown operator wpconvert.DecodeMore"),
    "huge shape": (_huge_shape, 3, "shape"),
}


@pytest.mark.parametrize(("change", "code", "message"), CORRUPTION.values(), ids=CORRUPTION.keys())
def test_corrupt_rewritten_models_are_refused(
    change: Callable[[ModelProto], None], code: int, message: str, cli: Cli, files: Path
) -> None:
    model = _rewritten(files, cli)
    change(model)
    bad = files / "bad.onnx"
    bad.write_bytes(model.SerializeToString())
    with untouched(files):
        line = cli.refused(code, "restore", bad, "-o", files / "out.onnx")
        assert message in line and str(bad) in line
        assert message in cli.refused(code, bad, "-m", "rle", "-o", files / "out.onnx")


def test_random_damage_never_ends_in_a_traceback(cli: Cli, files: Path) -> None:
    generator = np.random.default_rng(0)
    data = np.frombuffer(_rewritten(files, cli).SerializeToString(), np.uint8)
    bad = files / "bad.onnx"
    for _ in range(60):
        damaged = data.copy()
        damaged[generator.integers(0, len(data), 3)] = generator.integers(0, 256, 3)
        bad.write_bytes(damaged.tobytes())
        commands: list[list[str | Path]] = [["inspect", bad], ["restore", bad, "-o", files / "out.onnx"]]
        for command in commands:
            done = cli(*command)
            assert done.code in (0, 3, 4, 5) and done.err.count("\n") <= 1


def test_files_are_named_as_they_were_given(cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    done = cli.ok("outside.onnx", "-o", "small.onnx", "--no-verify")
    assert done.out.splitlines()[-2:] == ["wrote small.onnx.data", "wrote small.onnx"]
    done = cli.ok("restore", "small.onnx", "-o", "./dense.onnx")
    assert "wrote dense.onnx.data, dense.onnx, " in done.out
