"""The example project of a user builds, runs and gives what it should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT


@pytest.mark.usefixtures("device")
def test_make_sim(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make on PATH")
    # The command belongs to the environment of the tests, which need not be active.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "-C", str(ROOT / "examples" / "corstone300"), "sim", f"BUILD={tmp_path}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^digit 7, \d+ instructions, arena \d+ bytes$", done.stdout + done.stderr, re.MULTILINE)
