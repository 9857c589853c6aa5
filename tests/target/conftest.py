"""What the tests on simulated boards share: the tools they need, and one cache for all runs of the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("arm-none-eabi-g++", "cmake", "ninja", "qemu-system-arm")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of built firmware, kept between runs and apart from the user's."""
    folder = ROOT / "build" / "firmware"
    monkeypatch.setenv("WPCONVERT_CACHE", str(folder))
    return folder


@pytest.fixture
def device() -> None:
    """Skips the test where firmware cannot be built or simulated."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}; make setup installs them")
