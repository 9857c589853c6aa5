"""Models that ONNX itself calls invalid: that is said, whatever they are made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto

from tests.cli.harness import Cli, untouched
from tests.onnx.harness import content, conv_model, save


def _reads_nothing(model: ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def _written_twice(model: ModelProto) -> None:
    model.graph.node.append(model.graph.node[0])


def _unknown_operator(model: ModelProto) -> None:
    model.graph.node[0].op_type = "Convv"


INVALID = {
    "reads nothing": (_reads_nothing, "'nowhere' of node"),
    "written twice": (_written_twice, "'c' has been used as output names multiple times"),
    "unknown operator": (_unknown_operator, "No Op registered for Convv"),
}


@pytest.mark.parametrize(("change", "reason"), INVALID.values(), ids=INVALID.keys())
def test_invalid_models_are_called_so(
    change: Callable[[ModelProto], None], reason: str, cli: Cli, tmp_path: Path
) -> None:
    model = conv_model()
    change(model)
    bad = save(model, tmp_path / "bad.onnx")
    with untouched(tmp_path):
        line = cli.refused(3, bad, "-o", tmp_path / "out.onnx")
        assert line.startswith(f"{bad}: it is not a valid ONNX model: ") and reason in line
    done = cli.ok(bad, "--no-verify", "-o", tmp_path / "out.onnx")
    assert "input: it is not a valid ONNX model: " in done.out and reason in done.out
    cli.ok("restore", tmp_path / "out.onnx", "-o", tmp_path / "dense.onnx")
    assert content(tmp_path / "dense.onnx") == content(bad)


def test_float_model_that_is_invalid_is_not_just_called_a_float_one(cli: Cli, tmp_path: Path) -> None:
    model = conv_model()
    del model.graph.node[3:]
    model.graph.output[0].name = "f"
    model.graph.node[1].input[0] = "nowhere"
    bad = save(model, tmp_path / "bad.onnx")
    with untouched(tmp_path):
        line = cli.refused(3, bad, "-o", tmp_path / "out.tflite")
    assert (
        "the model is not quantised; quantise it with" in line and "in addition, it is not a valid ONNX model" in line
    )


def test_valid_models_are_not_called_otherwise(cli: Cli, tmp_path: Path) -> None:
    for external in (False, True):
        source = save(conv_model(), tmp_path / "model.onnx", external)
        assert "not a valid" not in cli.ok(source, "-o", tmp_path / "out.onnx", "--no-verify").out


def test_very_long_names_do_not_make_very_long_lines(cli: Cli, tmp_path: Path) -> None:
    model = conv_model()
    model.graph.initializer[0].name = "n" * 100_000
    model.graph.initializer[0].dims[0] += 1
    line = cli.refused(3, "inspect", save(model, tmp_path / "bad.onnx"))
    assert len(line) < 1100 and line.endswith("the file is damaged")
