"""Kernels, runtime and board support as libraries: built once for each board and state of the sources."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wpconvert.errors import ToolError
from wpconvert.target.board import Board
from wpconvert.target.cache import cache_root, cached, digest, locked
from wpconvert.target.sources import device_root
from wpconvert.target.tools import checked, find_tool, run_tool

COMPILE_FLAGS = "compile.rsp"
LINK_FLAGS = "link.rsp"
_ATTEMPTS = 3
_SUFFIXES = {".c", ".cc", ".h", ".S", ".ld", ".cmake", ".txt"}


class _SourcesChangedError(ToolError):
    """What was built is not what the key says."""


def build_firmware(board: Board, defines: tuple[str, ...] = ()) -> Path:
    """A folder with the board's libraries and the flags to compile and link a program with them.

    `defines` are macros for all sources. Raises ToolError when a tool is missing or fails.
    """
    compiler = find_tool("arm-none-eabi-gcc")
    find_tool("arm-none-eabi-g++")
    cmake, ninja = find_tool("cmake"), find_tool("ninja")
    version = checked(run_tool([compiler, "--version"]), "arm-none-eabi-gcc")
    root = device_root()
    place = [board.name.encode(), str(root).encode(), *(define.encode() for define in defines)]

    def current_key() -> str:
        return digest([*place, version.encode(), compiler.encode(), *_sources(root, board)])

    def make(folder: Path) -> None:
        # One build tree for each board, so that after a change only what it touches is compiled again.
        tree = cache_root() / "build" / f"{board.name}-{digest(place)}"
        with locked(tree):
            _build(root, board, defines, tree, cmake, ninja)
            if current_key() != key:
                raise _SourcesChangedError(f"the sources in {root} changed during the build; run the command again")
            for path in [*tree.rglob("*.a"), tree / COMPILE_FLAGS, tree / LINK_FLAGS]:
                shutil.copy2(path, folder / path.name)

    for _ in range(_ATTEMPTS):
        key = current_key()
        try:
            return cached("firmware", f"{board.name}-{key}", make)
        except _SourcesChangedError as error:
            reason = error
    raise reason


def _sources(root: Path, board: Board) -> Iterator[bytes]:
    """Path and content of everything that the libraries are made of."""
    ports = root / "runtime" / "ports"
    others = {path for path in ports.iterdir() if path.is_dir()} - {ports / "common", board.folder}
    for top in ("kernels", "runtime", "cmake"):
        for path in sorted((root / top).rglob("*")):
            inside = set(path.parents)
            if path.suffix in _SUFFIXES and path.is_file() and not inside & others:
                yield str(path.relative_to(root)).encode()
                yield path.read_bytes()


def _build(root: Path, board: Board, defines: tuple[str, ...], tree: Path, cmake: str, ninja: str) -> None:
    settings = {
        "CMAKE_TOOLCHAIN_FILE": root / "cmake" / "arm-none-eabi.cmake",
        "WPCONVERT_BOARD": board.folder,
        "WPCONVERT_DEFINES": ";".join(defines),
        "CMAKE_MAKE_PROGRAM": ninja,
        "CMAKE_BUILD_TYPE": "Release",
        # In a checkout warnings are ours to mend; a user's newer compiler may know more of them.
        "WPCONVERT_WERROR": "ON" if (root / ".clang-format").exists() else "OFF",
    }
    configure: list[str | Path] = [cmake, "-S", root / "runtime" / "ports", "-B", tree, "-G", "Ninja"]
    done = run_tool([*configure, *(f"-D{name}={value}" for name, value in settings.items())])
    if done.returncode:
        # A tree of another CMake or of tools that have moved cannot be used again.
        shutil.rmtree(tree / "CMakeFiles", ignore_errors=True)
        (tree / "CMakeCache.txt").unlink(missing_ok=True)
        done = run_tool([*configure, *(f"-D{name}={value}" for name, value in settings.items())])
    checked(done, f"configuring the firmware for {board.name}")
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1)
    targets = ["wpk", "wpconvert_runtime", "wpconvert_port"]
    done = run_tool([cmake, "--build", tree, "--parallel", jobs, "--target", *targets])
    checked(done, f"building the firmware for {board.name}")
    if not list(tree.rglob("libwpconvert_port.a")):
        raise ToolError(f"building the firmware for {board.name} produced no libraries in {tree}")
