"""What a wheel contains: the package, the compiled engine, and the sources that `run` compiles for a board."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (
    "kernels/include",
    "kernels/src",
    "runtime/include",
    "runtime/core",
    "runtime/ops",
    "runtime/ports",
    "cmake",
    "tools/qemu_plugin",
)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Files of a wheel built by what `make setup` installed, with nothing from the network."""
    pytest.importorskip("scikit_build_core", reason="the build backend is not in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    options = ["--config-settings", f"build-dir={folder / 'build'}", "--wheel-dir", str(folder)]
    done = subprocess.run([*command, *options, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_package_is_complete(names: set[str]) -> None:
    package = ROOT / "converter" / "wpconvert"
    expected = {
        f"wpconvert/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "wpconvert/py.typed" in expected
    assert expected <= names
    assert any(name.startswith("wpconvert/_native.") and name.endswith(".so") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)


def test_the_device_sources_are_complete(names: set[str]) -> None:
    expected = {
        f"wpconvert/_device/{path.relative_to(ROOT).as_posix()}"
        for part in SHIPPED
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"wpconvert/_device/{part}/CMakeLists.txt" for part in ("kernels", "runtime")}
    assert expected <= names


def test_nothing_else_is_in_it(names: set[str]) -> None:
    folders = {name.split("/")[0] for name in names}
    assert {folder for folder in folders if not folder.startswith("wpconvert-")} == {"wpconvert", "wptrain"}
    assert not [name for name in names if "/tests/" in name or "/build/" in name or "__pycache__" in name]
