"""Includes point one way: from a folder to those it builds on, and never in a circle."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.kernels.harness import ROOT

KERNELS, RUNTIME = ROOT / "kernels" / "src", ROOT / "runtime"
API = (ROOT / "kernels" / "include", ROOT / "runtime" / "include")
KERNEL_ROOMS = (
    "base",
    "core",
    "codecs",
    "huffman",
    "gemm",
    "lists",
    "layers",
    "depthwise",
    "element",
    "shared_vectors",
    "shared_vector_layers",
)
RUNTIME_ROOMS = ("include", "core", "ops/common", "ops/layers", "ops/element", "ops/shape", "ops/compressed", "tflm")
_INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEFINED = (
    re.compile(r"#define (\w+)"),
    re.compile(r"^\} (\w+);", re.MULTILINE),
    re.compile(r"^(?:static |inline |extern |const )*\w[\w ]*[ *](\w+)\([^;{}]*\)\s*[{;]", re.MULTILINE),
)
_ENUM = re.compile(r"^(?:typedef )?enum \{(.*?)\}", re.MULTILINE | re.DOTALL)


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".c", ".cc", ".h"})


def _includes(path: Path) -> Iterator[Path]:
    """Files of ours that a file includes, beside it or in a folder of public headers."""
    for name in _INCLUDE.findall(path.read_text(encoding="utf-8")):
        for folder in (path.parent, *API):
            if (folder / name).is_file():
                yield (folder / name).resolve()
                break


def _arrows(*folders: Path) -> dict[Path, list[Path]]:
    return {path: list(_includes(path)) for folder in folders for path in _sources(folder)}


def _unit(path: Path) -> str:
    """A header and its source are one: their includes together must not form a circle."""
    return path.with_suffix("").as_posix()


def _circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """A circle, or nothing."""
    done: set[str] = set()

    def walk(unit: str, way: list[str]) -> list[str]:
        if unit in way:
            return [*way[way.index(unit) :], unit]
        if unit not in done:
            for target in sorted(arrows.get(unit, ())):
                if found := walk(target, [*way, unit]):
                    return found
            done.add(unit)
        return []

    for unit in sorted(arrows):
        if found := walk(unit, []):
            return found
    return []


def _upwards(folder: Path, rooms: Sequence[str], path: Path, target: Path) -> bool:
    """Whether an include leads from a room to a later one."""
    if not (path.is_relative_to(folder) and target.is_relative_to(folder)):
        return False
    return rooms.index(_room(folder, rooms, path)) < rooms.index(_room(folder, rooms, target))


def _room(folder: Path, rooms: Sequence[str], path: Path) -> str:
    return next(room for room in rooms if path.is_relative_to(folder / room))


@pytest.mark.parametrize(("folder", "rooms"), [(KERNELS, KERNEL_ROOMS), (RUNTIME, RUNTIME_ROOMS)])
def test_a_folder_includes_only_those_before_it(folder: Path, rooms: tuple[str, ...]) -> None:
    arrows = _arrows(*(folder / room for room in rooms))
    assert arrows
    wrong = [(path, to) for path, targets in arrows.items() for to in targets if _upwards(folder, rooms, path, to)]
    assert wrong == []


def test_every_kernel_is_in_a_folder_of_the_order() -> None:
    assert {path.relative_to(KERNELS).parts[0] for path in _sources(KERNELS)} == set(KERNEL_ROOMS)


def test_no_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for path, targets in _arrows(ROOT / "kernels", RUNTIME).items():
        arrows.setdefault(_unit(path), set()).update({_unit(target) for target in targets} - {_unit(path)})
    assert _circle(arrows) == []


def test_a_circle_is_found() -> None:
    assert _circle({"a": {"b"}, "b": {"c", "d"}, "d": {"b"}}) == ["b", "d", "b"]


def test_kernels_know_nothing_above_them() -> None:
    for path in _sources(ROOT / "kernels" / "src") + _sources(ROOT / "kernels" / "include"):
        assert all(target.is_relative_to(ROOT / "kernels") for target in _includes(path)), path
        assert "wpconvert/" not in "".join(_INCLUDE.findall(path.read_text(encoding="utf-8"))), path


def test_the_runtime_knows_the_kernels_by_their_public_headers() -> None:
    for path in _sources(RUNTIME):
        assert not any(target.is_relative_to(KERNELS) for target in _includes(path)), path


def test_names_in_shared_headers_have_the_prefix() -> None:
    """A header that one file includes alone is a part of that file."""
    users: dict[Path, int] = {}
    for targets in _arrows(KERNELS).values():
        for target in targets:
            users[target] = users.get(target, 0) + 1
    shared = [path for path in _sources(KERNELS) if path.suffix == ".h" and users.get(path, 0) > 1]
    shared += _sources(ROOT / "kernels" / "include")
    assert len(shared) > 20
    for path in shared:
        assert {name for name in _names(path) if not re.match(r"_*wpk_", name, re.IGNORECASE)} <= {"defined"}, path


def test_names_in_headers_of_the_ports_have_the_prefix() -> None:
    """But for the handlers of exceptions, whose names are those of CMSIS."""
    headers = sorted((RUNTIME / "ports" / "common").glob("*.h"))
    assert len(headers) >= 4
    for path in headers:
        names = {name for name in _names(path) if not re.fullmatch(r"\w+_Handler", name)}
        assert {name for name in names if not re.match(r"(wpconvert_)?port_", name, re.IGNORECASE)} == set(), path


def _names(path: Path) -> set[str]:
    """Names that a header of C defines or declares."""
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    names = {name for pattern in _DEFINED for name in pattern.findall(text)}
    for body in _ENUM.findall(text):
        names |= set(re.findall(r"\b([A-Z]\w*)\s*(?:=|,|$)", body))
    return names
