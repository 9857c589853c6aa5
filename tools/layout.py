"""The layout of the package: its rooms in their order, and which room imports which.

    python -m tools.layout OUT.svg

Draws docs/architecture.svg. tests/test_layout.py holds the imports against the order.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "converter" / "wpconvert"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("batch",),
    ("wpconvert",),
    ("api",),
    ("job",),
    ("formats.registry",),
    ("formats.onnx",),
    ("lowering",),
    ("formats.tflite",),
    ("formats.protocol", "formats.onnx_graphs"),
    ("engines", "benchmark"),
    ("target",),
    ("plan", "accelerator"),
    ("backends", "reference", "memory"),
    ("report", "methods"),
    ("transforms",),
    ("graph", "model"),
    ("codecs",),
    ("files", "native", "strict_yaml"),
    ("temporary",),
    ("errors", "units", "interrupts", "_native", "__version__"),
)
"""Top first: a room imports rooms below its own row, and none beside or above."""


def room_of(module: str) -> str:
    """The room of a module `wpconvert.…`."""
    parts = module.split(".")[1:]
    if not parts:
        return "wpconvert"
    return ".".join(parts[:2]) if parts[0] == "formats" and len(parts) > 1 else parts[0]


def modules() -> Iterator[tuple[str, Path]]:
    """Every module with its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("wpconvert", *path.relative_to(PACKAGE).with_suffix("").parts)
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "wpconvert":
            yield from (f"wpconvert.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows() -> Mapping[str, Mapping[str, list[str]]]:
    """By room, the rooms that it imports, each with the modules that do."""
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module, path in modules():
        room = room_of(module)
        for other in imported(path):
            if other.split(".")[0] == "wpconvert" and room_of(other) != room:
                found[room][room_of(other)].append(f"{module} imports {other}")
    return found


def draw(path: Path) -> None:
    """Rooms in rows, and an arrow for each import that no chain of others implies."""
    from matplotlib import rc_context  # noqa: PLC0415 - for this alone
    from matplotlib.figure import Figure  # noqa: PLC0415 - for this alone

    names = {module for module, _ in modules()}
    shown = [[room for room in row if room not in _SMALL and _is_room(room, names)] for row in LAYERS]
    rows = [row for row in shown if row]
    place = {
        room: ((column + 0.5) / len(row), len(rows) - number)
        for number, row in enumerate(rows)
        for column, room in enumerate(row)
    }
    figure = Figure(figsize=(9, 0.72 * len(rows) + 0.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    boxes = {}
    for room, (x, y) in place.items():
        style = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": "0.2"}
        boxes[room] = axes.text(x, y, room, ha="center", va="center", bbox=style).get_bbox_patch()
    for room, below in sorted(_direct().items()):
        for other in sorted(below):
            if room not in place or other not in place:
                continue
            (x, y), (to_x, to_y) = place[room], place[other]
            # Around what stands between.
            bend = 0.3 if x == to_x and y - to_y > 1 else 0.0
            arrow = {"arrowstyle": "-|>", "color": "0.55", "lw": 0.8, "connectionstyle": f"arc3,rad={bend}"}
            arrow |= {"patchA": boxes[room], "patchB": boxes[other], "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (to_x, to_y), (x, y), arrowprops=arrow, zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0.4, len(rows) + 0.6)
    # Also where another drawing has set it otherwise.
    with rc_context({"svg.fonttype": "path"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


_SMALL = frozenset(
    {"errors", "units", "interrupts", "temporary", "strict_yaml", "files", "_native", "__version__", "native"}
)
"""What all may use; not drawn."""


def _is_room(room: str, names: set[str]) -> bool:
    return room == "wpconvert" or f"wpconvert.{room}" in names


def _direct() -> Mapping[str, set[str]]:
    """The arrows without those that a way over other rooms implies."""
    below = {room: set(others) for room, others in arrows().items()}

    def reached(room: str) -> set[str]:
        return set().union(*({other} | reached(other) for other in below.get(room, ())))

    return {
        room: {other for other in others if all(other not in reached(each) for each in others - {other})}
        for room, others in below.items()
    }


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
