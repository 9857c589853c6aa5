"""`wpconvert bench` on real firmware: sums that add up, the clock that agrees, nothing missing in the cost tables."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.bench.guest import MISSING
from tests.support.models import ModelBuilder
from wpconvert.benchmark.cycles import OTHER
from wpconvert.benchmark.flash import PARTS
from wpconvert.benchmark.measure import NO_ERROR_TEXTS, benchmark, benchmark_image
from wpconvert.benchmark.result import Benchmark
from wpconvert.benchmark.text import layer_pairs
from wpconvert.cli.main import run
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import ToolError, UnsupportedError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.job.convert import convert_bytes
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.target.board import boards
from wpconvert.target.image import build_image
from wpconvert.target.runner import run_on

BUILD_TOOLS = ("arm-none-eabi-g++", "cmake", "ninja")
ABSENT = [*MISSING, *(tool for tool in BUILD_TOOLS if shutil.which(tool) is None)]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")

# Wide enough that compressing pays.
CHANNELS = 48


def model_bytes() -> bytes:
    """Two convolutions, the second one mostly zeros, and a classifier."""
    random = np.random.default_rng(7)
    builder = ModelBuilder()
    x = builder.input((1, 6, 6, 16), scale=0.5, zero_point=-3)
    first = random.integers(-128, 128, (CHANNELS, 1, 1, 16)).astype(np.int8)
    second = random.integers(-128, 128, (CHANNELS, 1, 1, CHANNELS)).astype(np.int8)
    second[random.random(second.shape) < 0.9] = 0
    y = x
    for weights in (first, second):
        bias = np.zeros(CHANNELS, np.int32)
        y = builder.conv2d(y, weights, bias, scale=0.7, weight_scales=[0.01] * CHANNELS)
    builder.output(y)
    return serialise(builder.build())


@pytest.fixture(scope="module")
def dense() -> bytes:
    return model_bytes()


@pytest.fixture(scope="module", params=list(boards()))
def measured(request: pytest.FixtureRequest, dense: bytes) -> Benchmark:
    return bench(dense, request.param)


def bench(data: bytes, target: str) -> Benchmark:
    model = parse(data)
    sample = random_inputs(model, 1, seed=0).samples[0]
    return benchmark("model.tflite", data, model, boards()[target], sample, defines=(NO_ERROR_TEXTS,))


def test_profile_adds_up(measured: Benchmark) -> None:
    layers = sum(layer.instructions for layer in measured.layers)
    assert layers + measured.interpreter_instructions == measured.instructions
    assert sum(row.instructions for row in measured.functions) == measured.instructions
    assert sum(row.instructions for row in measured.classes) == measured.instructions
    for rows in (measured.functions, measured.classes):
        assert sum(row.modelled_cycles for row in rows) == measured.modelled_cycles
    layer_cycles = sum(layer.modelled_cycles for layer in measured.layers)
    assert layer_cycles + measured.interpreter_modelled_cycles == measured.modelled_cycles
    assert measured.interpreter_instructions < 1000
    assert [layer.operator for layer in measured.layers] == ["CONV_2D", "CONV_2D"]


def test_cost_table_is_complete(measured: Benchmark) -> None:
    assert OTHER not in {row.name for row in measured.classes}
    assert not measured.notes
    parts = [(layer.modelled_cycles, layer.instructions) for layer in measured.layers]
    parts += [(row.modelled_cycles, row.instructions) for row in measured.functions]
    parts += [(row.modelled_cycles, row.instructions) for row in measured.classes]
    parts.append((measured.interpreter_modelled_cycles, measured.interpreter_instructions))
    assert all(cycles >= 0 and (cycles > 0 or not instructions) for cycles, instructions in parts), parts
    assert measured.instructions / 4 < measured.modelled_cycles < 4 * measured.instructions


def test_flash_adds_up(measured: Benchmark, dense: bytes) -> None:
    assert list(measured.flash_nbytes) == list(PARTS)
    assert all(nbytes >= 0 for nbytes in measured.flash_nbytes.values())
    # The array may be padded to its alignment.
    assert 0 <= measured.flash_nbytes["model"] - len(dense) < 16
    assert measured.flash_nbytes["padding"] < 512
    assert measured.flash_nbytes["kernels"] > 500 and measured.flash_nbytes["runtime"] > 2000


def test_the_board_s_clock_agrees(measured: Benchmark, dense: bytes) -> None:
    """Two independent counters: the plugin, and a timer of the board read around Invoke."""
    model = parse(dense)
    sample = random_inputs(model, 1, seed=0).samples[0]
    device = run_on(boards()[measured.target], model, [sample], data=dense, defines=(NO_ERROR_TEXTS,))
    assert device.instructions is not None
    # The clock is read inside: its own instructions count, and it ticks every 31 or 40.
    assert abs(device.instructions[0] - measured.instructions) <= 120
    assert [output.tobytes() for output in device.outputs[0]] == [
        output.tobytes() for output in ReferenceEngine().run(model, [sample], lambda: None)[0]
    ]


def test_counts_are_the_same_each_time(measured: Benchmark, dense: bytes) -> None:
    assert bench(dense, measured.target) == measured


def test_an_image_of_one_s_own_gives_the_same_operators(measured: Benchmark, dense: bytes) -> None:
    model, board = parse(dense), boards()[measured.target]
    sample = random_inputs(model, 1, seed=0).samples[0]
    image = build_image(board, model, dense, defines=(NO_ERROR_TEXTS,))
    found = benchmark_image("model.tflite", dense, model, board, sample, image.path)
    assert (found.layers, found.outputs_sha256) == (measured.layers, measured.outputs_sha256)
    assert (found.arena_nbytes, found.code_nbytes) == (measured.arena_nbytes, measured.code_nbytes)
    # The way from Invoke to the clock, which counts where nobody knows what belongs to the program.
    assert 0 < found.instructions - measured.instructions < 20


def test_an_image_without_an_interpreter_is_refused(dense: bytes, tmp_path: Path) -> None:
    source, image = tmp_path / "empty.S", tmp_path / "empty.elf"
    source.write_text(".syntax unified\n.thumb\n.type f, %function\nf: nop\n")
    flags = ["-mcpu=cortex-m3", "-nostdlib", "-Wl,-ef"]
    subprocess.run(["arm-none-eabi-gcc", *flags, str(source), "-o", str(image)], check=True, timeout=60)
    model = parse(dense)
    sample = random_inputs(model, 1, seed=0).samples[0]
    with pytest.raises(ToolError, match="has no symbol wpconvert::MicroInterpreter::Invoke"):
        benchmark_image("model.tflite", dense, model, boards()["mps2-m3"], sample, image)


def test_against(dense: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = next(iter(boards()))
    converted = convert_bytes(dense, Settings("dcsr", Rules(rules=[]), threshold=0.5))
    first, second = tmp_path / "dense.tflite", tmp_path / "dcsr.tflite"
    first.write_bytes(dense)
    second.write_bytes(converted.data)
    command = ["bench", str(second), "--target", target, "--against", str(first), "--no-error-texts"]
    assert run([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["outputs_sha256"] == found["against"]["outputs_sha256"]
    assert found["model"]["instructions"] > 0 and found["against"]["modelled_cycles"] > 0
    assert run([*command, "--profile", "--functions", "3"]) == 0
    text = capsys.readouterr().out
    assert "WP_CONV_2D" in text and "cycles (modelled)" in text and "bit for bit" in text
    pairs = layer_pairs(bench(converted.data, target), bench(dense, target))
    assert [pair.operator for pair in pairs] == ["CONV_2D", "WP_CONV_2D"]
    assert pairs[0].before == pairs[0].after


def test_refusals_give_a_reason_without_texts_too() -> None:
    builder = ModelBuilder()
    x = builder.input((1, 4, 4, 8), scale=0.5, zero_point=0)
    bias, weights = np.zeros(8, np.int32), np.ones((8, 1, 1, 8), np.int8)
    builder.output(builder.conv2d(x, weights, bias, scale=0.7, weight_scales=[0.01] * 8))
    model = builder.build()
    model.root.subgraphs[0].tensors[model.root.subgraphs[0].inputs[0]].type = 0
    with pytest.raises(UnsupportedError, match=r"cannot run this model: \w"):
        bench(serialise(model), next(iter(boards())))


def test_unknown_targets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(tmp_path / "m.tflite"), "--target", "esp32"]) == 2
    assert "unknown target 'esp32'" in capsys.readouterr().err


def test_models_with_different_inputs_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for size in (4, 5):
        builder = ModelBuilder()
        builder.output(builder.input((1, size), scale=0.5, zero_point=0))
        (tmp_path / f"{size}.tflite").write_bytes(builder.to_bytes())
    command = ["bench", str(tmp_path / "4.tflite"), "--against", str(tmp_path / "5.tflite"), "--target", "mps2-m4"]
    assert run(command) == 2
    assert "the models have different inputs" in capsys.readouterr().err
