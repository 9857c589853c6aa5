"""The C++ tests of the runtime pass under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "build" / "pytest" / "host-sanitize"
_TOOLS = ("cmake", "ctest", "ninja", "gcc", "g++")
_TIMEOUT_S = 600


def _succeed(*command: str | Path) -> None:
    result = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"


def test_the_ctest_programs_pass_under_sanitizers() -> None:
    """Readers, planner, interpreter, a model of the zoo and the fuzz driver: no failure and no report of a sanitizer.

    The build is kept between runs, so that only what changed is compiled again.
    """
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}; make setup installs them")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER.parent / "host-sanitize.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two runs of pytest at the same time, one waits
        _succeed("cmake", "--preset", "host-sanitize", "-B", _FOLDER)
        assert "WPCONVERT_SANITIZE:BOOL=ON" in (_FOLDER / "CMakeCache.txt").read_text()
        _succeed("cmake", "--build", _FOLDER)
        _succeed("ctest", "--test-dir", _FOLDER, "--output-on-failure", "--no-tests=error", "--timeout", "120")
