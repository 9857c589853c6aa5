"""The packages of the converter form layers: an import points to a layer further down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "converter" / "wpconvert"

LAYERS = (
    "errors",
    "units",
    "interrupts",
    "temporary",
    "files",
    "strict_yaml",
    "native",
    "codecs",
    "graph",
    "model",
    "transforms",
    "methods",
    "report",
    "reference",
    "memory",
    "plan",
    "formats.onnx_graphs",
    "formats.protocol",
    "formats.tflite",
    "lowering",
    "formats.onnx",
    "formats.registry",
    "backends.registry",
    "backends.c",
    "target",
    "engines",
    "benchmark",
    "job",
    "api",
    "batch",
    "",
    "cli",
)
"""From the lowest to the highest; the one without a name is the package itself, which offers the API."""

EXCEPTED = {
    # What runs models takes them in the form of a file format, and the formats run models to compare them.
    ("formats.protocol", "engines"),
    ("formats.tflite", "engines"),
    ("formats.onnx", "engines"),
}
"""Imports that point upwards all the same."""

ROOMS = ("backends", "formats")
"""Packages whose members are layers of their own."""


def layer_of(module: tuple[str, ...]) -> str:
    """The layer of a module, given by the names below the package."""
    return ".".join(module[: 2 if module[:1] and module[0] in ROOMS else 1])


def is_module(module: tuple[str, ...]) -> bool:
    path = PACKAGE.joinpath(*module)
    return path.is_dir() or path.with_suffix(".py").exists()


def imported(source: str) -> Iterator[tuple[str, ...]]:
    """The modules of the package that a source imports, at its top or in functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            own = node.module.split(".")
            # Of a package a module can be imported, or a name.
            names = [[*own, a.name] if is_module((*own[1:], a.name)) else own for a in node.names]
            # The compiled module and the version are in the package and no layer.
            if own == ["wpconvert"] and {a.name for a in node.names} <= {"_native", "__version__"}:
                continue
        else:
            continue
        yield from (tuple(name[1:]) for name in names if name[0] == "wpconvert")


def arrows() -> dict[tuple[str, str], list[str]]:
    """Every pair of layers of which the first imports the second, with the files that do."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE)
        module = where.parent.parts if path.stem == "__init__" else (*where.parent.parts, path.stem)
        for other in imported(path.read_text(encoding="utf-8")):
            pair = layer_of(module), layer_of(other)
            if pair[0] != pair[1]:
                found.setdefault(pair, []).append(str(where))
    return found


ARROWS = arrows()


def test_every_module_belongs_to_a_layer() -> None:
    paths = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {path.stem for path in paths} - {"__init__"} - set(ROOMS)
    members = (path for room in ROOMS for path in (PACKAGE / room).iterdir())
    names |= {f"{path.parent.name}.{path.stem}" for path in members if not path.stem.startswith("__")}
    assert names == set(LAYERS) - {""}


def test_imports_point_downwards() -> None:
    upwards = {pair: files for pair, files in ARROWS.items() if LAYERS.index(pair[0]) < LAYERS.index(pair[1])}
    assert not {pair: files for pair, files in upwards.items() if pair not in EXCEPTED}


@pytest.mark.parametrize("pair", sorted(EXCEPTED), ids="-".join)
def test_what_is_excepted_is_there(pair: tuple[str, str]) -> None:
    assert pair in ARROWS


@pytest.mark.parametrize("layer", ["codecs", "graph", "reference", "memory", "plan", "transforms"])
def test_what_reads_the_graph_knows_no_file_format(layer: str) -> None:
    assert not {other for own, other in ARROWS if own == layer and other.startswith("formats")}


def test_imports_in_functions_and_of_names_are_found() -> None:
    inside = "def f():\n    from wpconvert.graph import types"
    assert list(imported(inside)) == [("graph", "types")]
    assert list(imported("from wpconvert.graph.types import Shape, Values")) == [("graph", "types")] * 2
    assert list(imported("import wpconvert.units")) == [("units",)]
    assert not list(imported("from wpconvert import _native\nimport numpy"))
