"""Every compiled path of the kernels gives the bits of the reference interpreter and stays within its buffers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernels.conftest import MakeCases
from tests.kernels.harness import CODEC, ELEMENT, GEMM, POOL, Build, Suite, run

_HOSTS = {"host": Build("host"), "portable": Build("host", ("-DWPK_PORTABLE",))}


@pytest.mark.parametrize("suite", [GEMM, POOL, ELEMENT], ids=lambda suite: suite.name)
@pytest.mark.parametrize("build", _HOSTS.values(), ids=_HOSTS)
def test_every_path_gives_the_bits_of_the_reference(
    suite: Suite, build: Build, make_cases: MakeCases, tmp_path: Path
) -> None:
    """Random layers: no output differs, no sanitizer reports. On the boards it is test_guard.py that runs them."""
    outcome = run(suite, build, make_cases(suite), tmp_path)
    assert (outcome.returncode, outcome.cases, outcome.failed) == (0, suite.count, 0), outcome.text


_SCHEDULES = {
    "gather": ("-DWPK_SV_FORCE=WPK_ROWS_DENSE",),
    "direct": ("-DWPK_SV_FORCE=WPK_TILES_DIRECT",),
    "products multiplied": ("-DWPK_SV_FORCE=WPK_TILES_PRODUCTS", "-DWPK_SV_FORCE_LUT=0"),
    "products looked up": ("-DWPK_SV_FORCE=WPK_TILES_PRODUCTS", "-DWPK_SV_FORCE_LUT=1"),
}


@pytest.mark.parametrize("schedule", _SCHEDULES.values(), ids=_SCHEDULES)
@pytest.mark.parametrize("target", ["host", "m3", "m4", "m55"])
def test_every_schedule_of_pooled_layers_gives_the_bits_of_the_reference(
    target: str, schedule: tuple[str, ...], make_cases: MakeCases, tmp_path: Path
) -> None:
    """Not only the one that a plan would choose, wherever it can be used at all."""
    outcome = run(POOL, Build(target, schedule), make_cases(POOL), tmp_path)
    assert (outcome.returncode, outcome.cases, outcome.failed) == (0, POOL.count, 0), outcome.text


def test_the_path_without_floating_point_gives_the_bits_of_the_reference(make_cases: MakeCases, tmp_path: Path) -> None:
    """Quantise and dequantise as cores without a floating-point unit do them, under sanitizers."""
    outcome = run(ELEMENT, Build("soft"), make_cases(ELEMENT), tmp_path)
    assert (outcome.returncode, outcome.cases, outcome.failed) == (0, ELEMENT.count, 0), outcome.text


@pytest.mark.parametrize("flags", [(), ("-DWPK_PORTABLE",)], ids=["host", "portable"])
def test_the_decoders_read_and_refuse_as_the_reference_reader_does(
    flags: tuple[str, ...], make_cases: MakeCases, tmp_path: Path
) -> None:
    """Golden vectors and mutations of them: same verdict, same weights and table, no read outside of the blob."""
    outcome = run(CODEC, Build(None, flags), make_cases(CODEC), tmp_path)
    assert (outcome.returncode, outcome.failed) == (0, 0), outcome.text
    assert outcome.cases > CODEC.count, "the golden vectors come on top of the mutations"


@pytest.mark.parametrize("build", [Build("host"), Build("m55")], ids=["host", "m55"])
@pytest.mark.parametrize("suite", [GEMM, ELEMENT], ids=lambda suite: suite.name)
def test_a_wrong_output_fails(suite: Suite, build: Build, make_cases: MakeCases, tmp_path: Path) -> None:
    """The comparison can fail: one bit of the last expected output is flipped, and just that case is named."""
    cases = tmp_path / "wrong.cases"
    data = bytearray(make_cases(suite).read_bytes())
    data[-1] ^= 1
    cases.write_bytes(data)
    outcome = run(suite, build, cases, tmp_path)
    assert outcome.returncode != 0
    assert (outcome.cases, outcome.failed) == (suite.count, 1), outcome.text
    assert "output differs" in outcome.text
