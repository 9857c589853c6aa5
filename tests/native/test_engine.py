"""The engine itself: errors, inputs, arena, and `verify --engine native`."""

from __future__ import annotations

import builtins
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.reference.harness import int8
from tests.support.models import ModelBuilder
from tests.tflite.harness import converted
from wpconvert import _native
from wpconvert.cli.app import app
from wpconvert.engines import ENGINES
from wpconvert.engines.native import NativeEngine
from wpconvert.errors import UnsupportedError, UsageError

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
SHAPE = (1, 8, 8, 4)


def convolution() -> ModelBuilder:
    b = ModelBuilder()
    x = b.input(SHAPE, 0.1, 3)
    b.output(b.conv2d(x, int8(1, (6, 3, 3, 4)), [1] * 6, scale=0.3, weight_scales=[0.01] * 6))
    return b


def relu_of_an_unknown_kind() -> ModelBuilder:
    b = ModelBuilder()
    x = b.input((4,), 0.1, 0)
    y = b.op("MyOperator", [x], [b.like(x)], custom_options=b"")
    b.output(b.op("RELU", [y], [b.like(x)]))
    return b


def test_details_and_a_run() -> None:
    interpreter = _native.Interpreter(convolution().to_bytes())
    assert interpreter.inputs == [(SHAPE, "int8")]
    assert interpreter.outputs == [((1, 8, 8, 6), "int8")]
    assert 0 < interpreter.arena_used <= interpreter.arena_nbytes
    outputs = interpreter.run([int8(2, SHAPE)])
    assert [(y.dtype, y.shape) for y in outputs] == [(np.dtype(np.int8), (1, 8, 8, 6))]


def test_results_outlive_the_interpreter_and_the_next_run() -> None:
    interpreter = _native.Interpreter(convolution().to_bytes())
    first = interpreter.run([int8(2, SHAPE)])[0]
    kept = first.copy()
    interpreter.run([int8(3, SHAPE)])
    del interpreter
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "0 inputs given, the model has 1"),
        ([int8(0, (1, 8, 8, 3))], r"input 0: expected int8 \[1, 8, 8, 4\], got int8 \[1, 8, 8, 3\]"),
        ([np.zeros(SHAPE, np.float32)], r"input 0: expected int8 \[1, 8, 8, 4\], got float32 \[1, 8, 8, 4\]"),
    ],
)
def test_inputs_are_checked(inputs: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Interpreter(convolution().to_bytes()).run(inputs)
    with pytest.raises(UsageError, match=message):
        NativeEngine().run(convolution().build(), [inputs], lambda: None)


def test_inputs_need_not_be_contiguous() -> None:
    interpreter = _native.Interpreter(convolution().to_bytes())
    wide = int8(2, (1, 8, 8, 8))
    view = wide[..., ::2]
    assert np.array_equal(interpreter.run([view])[0], interpreter.run([view.copy()])[0])


def test_a_small_arena_is_refused_with_the_size_that_works() -> None:
    data = convolution().to_bytes()
    used = _native.Interpreter(data).arena_used
    with pytest.raises(_native.Error, match=str(used)):
        _native.Interpreter(data, used // 2)
    exact = _native.Interpreter(data, used)
    assert exact.arena_used == exact.arena_nbytes == used
    with pytest.raises(ValueError, match="arena of 0 bytes"):
        _native.Interpreter(data, 0)


def test_a_large_model_gets_a_large_arena() -> None:
    b = ModelBuilder()
    x = b.input((1, 1024, 1024, 3), 0.1, 0)
    b.output(b.op("RELU", [x], [b.like(x)]))
    interpreter = _native.Interpreter(b.to_bytes())
    assert interpreter.arena_used >= 3 << 20


def test_an_unknown_operator_is_named() -> None:
    model = relu_of_an_unknown_kind().build()
    problems = NativeEngine().unsupported(model)
    assert len(problems) == 1
    assert "MyOperator" in problems[0]
    with pytest.raises(UnsupportedError, match="MyOperator"):
        NativeEngine().run(model, [[int8(0, (4,))]], lambda: None)


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(64), b"\xff" * 64])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(_native.Error, match="model"):
        _native.Interpreter(data)


def test_threads_may_share_an_interpreter() -> None:
    interpreter = _native.Interpreter(convolution().to_bytes())
    samples = [int8(seed, SHAPE) for seed in range(8)]
    expected = [interpreter.run([sample])[0] for sample in samples]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(interpreter.run([samples[number]])[0], expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(samples))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_verify_runs_both_models_in_the_native_engine(tmp_path: Path) -> None:
    original = ZOO / "digits_ds_cnn.tflite"
    rewritten = tmp_path / "small.tflite"
    rewritten.write_bytes(converted(original.read_bytes()).data)
    result = CliRunner().invoke(app, ["verify", str(original), str(rewritten), "--engine", "native", "--json"])
    assert result.exit_code == 0, result.output
    assert '"engine": "native"' in result.output


def test_without_the_extension_the_engine_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "wpconvert" and args[2] and "_native" in args[2]:
            raise ImportError("no module named wpconvert._native")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "wpconvert._native", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnsupportedError, match="build it with pip"):
        ENGINES["native"].unsupported(convolution().build())
