"""The files of cases, made once per worker by the generators of kernels/tests with fixed seeds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.kernels.harness import ROOT, Suite

MakeCases = Callable[[Suite], Path]
_TIMEOUT_S = 60


@pytest.fixture(scope="session")
def make_cases(tmp_path_factory: pytest.TempPathFactory) -> MakeCases:
    """The file of cases of a suite."""
    folder = tmp_path_factory.mktemp("cases")

    @cache
    def make(suite: Suite) -> Path:
        generator = ROOT / "kernels" / "tests" / f"{suite.name}_cases.py"
        file = folder / f"{suite.name}-{suite.seed}.cases"
        command = [sys.executable, str(generator), str(file), "--count", str(suite.count), "--seed", str(suite.seed)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        assert result.returncode == 0, result.stderr
        return file

    return make
