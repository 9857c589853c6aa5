"""`wpconvert run`: the models of the zoo on every board, and everything that can go wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.low_bits import Levels, with_levels
from tests.support.models import ModelBuilder
from wpconvert.cli.main import run as wpconvert
from wpconvert.codecs import STANDALONE
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import UsageError
from wpconvert.formats.tflite.file import read
from wpconvert.target import boards, run_on

from .conftest import ROOT, TOOLS

ZOO = sorted((ROOT / "models" / "zoo").glob("*.tflite"))
DIGITS = ROOT / "models" / "zoo" / "digits_ds_cnn.tflite"
DATA = ROOT / "models" / "zoo" / "digits_test.npz"
every_board = pytest.mark.parametrize("board", list(boards()))

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `wpconvert run … --json`: exit code, report ({} after an error) and what it printed as an error."""

    def call(model: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = wpconvert(["run", str(model), *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return call


@pytest.fixture(scope="session")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Path]:
    """A zoo model rewritten with a method."""
    folder = tmp_path_factory.mktemp("methods")

    def convert(model: Path, method: str) -> Path:
        path = folder / f"{model.stem}_{method}.tflite"
        if not path.exists():
            assert wpconvert([str(model), "-m", method, "-q", "--no-verify", "-o", str(path)]) == 0
        return path

    return convert


@every_board
@pytest.mark.parametrize("method", ["none", *STANDALONE])
@pytest.mark.parametrize("model", ZOO, ids=lambda path: path.stem)
@pytest.mark.usefixtures("device")
def test_zoo_models_give_the_bits_of_the_reference(
    model: Path, method: str, board: str, run: Run, methods: Callable[[Path, str], Path]
) -> None:
    path = model if method == "none" else methods(model, method)
    code, report, err = run(path, "--target", board, "--random", "3")
    assert (code, err) == (0, "")
    assert report["identical"] and report["samples"] == len(report["instructions"]) == 3
    assert report["outputs"][0]["different"] == 0
    assert report["model_nbytes"] in range(path.stat().st_size, path.stat().st_size + 32)
    assert 0 < report["arena_nbytes"] < 64 << 10
    assert 4096 < report["code_nbytes"] < 100_000
    assert min(report["instructions"]) > 50_000


@every_board
@pytest.mark.parametrize("levels", Levels)
@pytest.mark.usefixtures("device")
def test_packed_models_of_4_bit_weights_give_the_bits_of_the_original(
    levels: Levels, board: str, run: Run, tmp_path: Path
) -> None:
    original, packed = tmp_path / "original.tflite", tmp_path / "packed.tflite"
    original.write_bytes(with_levels(DIGITS.read_bytes(), levels))
    assert wpconvert([str(original), "-m", "packed", "-q", "--no-verify", "-o", str(packed)]) == 0
    assert packed.stat().st_size < 0.8 * original.stat().st_size
    assert wpconvert(["verify", str(original), str(packed), "--engine", board, "--random", "2"]) == 0
    code, report, err = run(packed, "--target", board, "--random", "2")
    assert (code, err) == (0, "") and report["identical"]


@pytest.mark.usefixtures("device")
def test_a_run_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outputs = tmp_path / "out.npz"
    few = tmp_path / "few.npz"
    with np.load(DATA) as data:
        np.savez(few, image=data["image"][:5], labels=data["labels"][:5])
    assert wpconvert(["run", str(DIGITS), "--target", "mps2-m3", "--inputs", str(few), "-o", str(outputs)]) == 0
    text = capsys.readouterr().out
    for words in ("accuracy", "instructions per inference: ", "(measured", "arena: ", "flash: ", "identical"):
        assert words in text
    with np.load(outputs) as stored:
        (values,) = (stored[name] for name in stored.files)
    assert values.shape == (5, 1, 10) and values.dtype == np.int8


@pytest.mark.usefixtures("device")
def test_counts_do_not_change_from_run_to_run(run: Run) -> None:
    first, second = (run(DIGITS, "--target", "mps2-m4", "--random", "2")[1] for _ in range(2))
    assert first["instructions"] == second["instructions"]


@pytest.mark.usefixtures("device")
def test_boards_are_engines(capsys: pytest.CaptureFixture[str], methods: Callable[[Path, str], Path]) -> None:
    rewritten = methods(DIGITS, "dcsr")
    assert wpconvert(["verify", str(DIGITS), str(rewritten), "--engine", "mps2-m4", "--random", "2"]) == 0
    assert "(mps2-m4 engine)" in capsys.readouterr().out


@pytest.mark.usefixtures("device")
def test_a_different_output_is_not_identical(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any, **options: Any) -> Any:
        result = run_on(*arguments, **options)
        result.outputs[0][0] = result.outputs[0][0] + 1
        return result

    monkeypatch.setattr("wpconvert.job.run.run_on", wrong)
    code, report, _ = run(DIGITS, "--target", "mps2-m3", "--random", "1")
    assert code == 1 and not report["identical"] and report["outputs"][0]["different"] > 0


@pytest.mark.parametrize("board", ["corstone300", "mps2-m3"])
@pytest.mark.usefixtures("device")
def test_a_small_arena_is_answered_with_the_size_that_works(run: Run, board: str) -> None:
    code, _, err = run(DIGITS, "--target", board, "--random", "1", "--arena", "600")
    assert code == 4 and "an arena of 600 bytes is too small for this model" in err
    works = err.rsplit("; ", 1)[1].removesuffix(" bytes are enough\n").replace(",", "")
    code, report, _ = run(DIGITS, "--target", board, "--random", "1", "--arena", works)
    assert code == 0 and report["arena_nbytes"] <= int(works)
    code, _, err = run(DIGITS, "--target", board, "--random", "1", "--arena", str(int(works) - 1))
    assert code == 4 and f"{int(works):,} bytes are enough" in err


@pytest.mark.usefixtures("device")
def test_an_image_that_does_not_fit_says_by_how_much(run: Run) -> None:
    code, _, err = run(DIGITS, "--target", "corstone300", "--arena", str((4 << 20) + 1024))
    assert code == 4 and "the image does not fit corstone300: memory SRAM is 1,024 bytes too small" in err
    code, _, err = run(DIGITS, "--target", "corstone300", "--arena", str(1 << 40))
    assert code == 4 and "the image does not fit corstone300: an arena of 1,099,511,627,776 bytes" in err


@pytest.mark.usefixtures("device")
def test_a_missing_operator_is_named(run: Run, tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 4), scale=0.5)
    b.output(b.op("ABS", [x], [b.like(x)]))
    path = tmp_path / "abs.tflite"
    path.write_bytes(b.to_bytes())
    code, _, err = run(path, "--target", "mps2-m3")
    assert code == 4 and "the runtime does not support the operator ABS" in err


def test_samples_that_do_not_fit_are_refused() -> None:
    _, model = read(DIGITS)
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm on PATH")
    with pytest.raises(UsageError, match=r"the model takes int8 \[1, 8, 8, 1\]"):
        run_on(boards()["mps2-m3"], model, [[np.zeros((8, 8), np.float32)]])


@pytest.mark.usefixtures("device")
def test_a_time_limit_ends_a_long_run(run: Run) -> None:
    code, _, err = run(DIGITS, "--target", "mps2-m3", "--random", "5000", "--timeout", "0.5")
    assert code == 7 and "did not finish within 0.5 seconds" in err


@pytest.fixture
def path_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a PATH with all tools but one."""

    def leave_out(missing: str) -> None:
        for tool in (*TOOLS, "arm-none-eabi-gcc", "arm-none-eabi-size"):
            found = shutil.which(tool)
            if tool != missing and found:
                (tmp_path / tool).symlink_to(found)
        monkeypatch.setenv("PATH", str(tmp_path))

    return leave_out


@pytest.mark.parametrize(
    ("tool", "package"),
    [
        ("qemu-system-arm", "qemu-system-arm"),
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib"),
        ("cmake", "cmake"),
        ("ninja", "ninja-build"),
    ],
)
@pytest.mark.usefixtures("device")
def test_a_missing_tool_is_answered_with_its_package(
    tool: str, package: str, run: Run, path_without: Callable[[str], None]
) -> None:
    path_without(tool)
    code, _, err = run(DIGITS, "--target", "mps2-m4")
    assert code == 6 and err.startswith(
        f"wpconvert: {tool} is not on PATH; install it, on Debian: apt-get install {package}"
    )


def test_an_absent_fvp_is_named(run: Run) -> None:
    if shutil.which("FVP_Corstone_SSE-300_Ethos-U55"):
        pytest.skip("this machine has the FVP")
    code, _, err = run(DIGITS, "--target", "corstone300", "--simulator", "fvp")
    assert code == 6 and "FVP_Corstone_SSE-300_Ethos-U55" in err
    code, _, err = run(DIGITS, "--target", "mps2-m3", "--simulator", "fvp")
    assert code == 2 and "mps2-m3 does not run in fvp, only in qemu" in err


@pytest.mark.usefixtures("device")
def test_the_fvp_is_used_when_it_is_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the FVP's name and options; its exit code says nothing, as the FVP's does."""
    stand_in = tmp_path / "FVP_Corstone_SSE-300_Ethos-U55"
    qemu = "qemu-system-arm -M mps3-an547 -display none -serial none -monitor none -semihosting-config enable=on"
    stand_in.write_text(f'#!/bin/sh\necho "Simulation starts"\n{qemu} -kernel "$2"\nexit 0\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    code, report, err = run(DIGITS, "--target", "corstone300", "--simulator", "fvp", "--random", "1")
    assert (code, err) == (0, "")
    assert report["simulator"] == "fvp" and report["identical"] and report["instructions"] is None


@pytest.mark.usefixtures("device")
def test_a_built_image_is_not_built_again(cache: Path) -> None:
    _, model = read(DIGITS)
    samples = random_inputs(model, 1, 0).samples
    first = run_on(boards()["mps2-m4"], model, samples).image
    changed = first.path.stat().st_mtime_ns
    second = run_on(boards()["mps2-m4"], model, samples).image
    assert second == first and first.path.is_relative_to(cache)
    assert first.path.stat().st_mtime_ns == changed
