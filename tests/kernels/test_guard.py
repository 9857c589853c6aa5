"""Hand-written assembly, which no sanitizer sees, reads and writes nothing behind any buffer of a kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernels.conftest import MakeCases
from tests.kernels.harness import GEMM, GUARDED, Build, Suite, execute, run

_BOARDS = ("m3", "m4", "m55")


@pytest.mark.parametrize("suite", GUARDED, ids=lambda suite: suite.name)
@pytest.mark.parametrize("target", _BOARDS)
def test_every_buffer_may_end_where_memory_ends(
    suite: Suite, target: str, make_cases: MakeCases, tmp_path: Path
) -> None:
    """Random layers: no output differs, nothing behind scratch or output is written; then weights, table, bias, input,
    pool, scratch and output in turn: the same bits, and no fault."""
    outcome = run(suite, Build(target, ("-DWPK_GUARD",)), make_cases(suite), tmp_path)
    assert (outcome.returncode, outcome.cases, outcome.failed) == (0, suite.count, 0), outcome.text[-600:]
    turns = re.findall(r"^guard: .* behind (.*)$", outcome.text, re.MULTILINE)
    assert turns.count("output") == suite.count
    assert {"scratch", "output"} < set(turns)


@pytest.mark.parametrize("target", _BOARDS)
def test_a_byte_behind_the_guard_is_a_fault_that_names_the_case(
    target: str, make_cases: MakeCases, tmp_path: Path
) -> None:
    """Or the guard would guard nothing."""
    result = execute(GEMM, Build(target, ("-DWPK_GUARD", "-DWPK_GUARD_PROBE")), make_cases(GEMM), tmp_path)
    guard, fault = (result.stdout + result.stderr).splitlines()[-2:]
    assert result.returncode == 70
    assert guard == "guard: a byte behind it"
    assert re.match(r"wp:fault (MemManage|BusFault) .* address=0x(21f00000|31400000)", fault)
