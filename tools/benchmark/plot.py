"""The plot of README.md: size against speed, a point per method, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tools.benchmark.measure import DENSE, METHODS, Facts, Row
from tools.benchmark.numbers import stock_of
from wpconvert.target.board import boards

matplotlib.use("svg")
# Text stays text, and the same numbers give the same file.
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "wpconvert"

INK, RULE = "#222222", "#e5e5e5"
STOCK_NAME = "TFLM + CMSIS-NN"
_COLOURS = (
    "#9ca3af",
    "#be185d",
    "#6b7280",
    "#0ea5e9",
    "#2563eb",
    "#7c3aed",
    "#0d9488",
    "#65a30d",
    "#dc2626",
    "#ea580c",
    "#f59e0b",
)
_MARKERS = "s*Dov^<>Pph"
STYLES = dict(zip(METHODS, zip(_COLOURS, _MARKERS, strict=True), strict=True)) | {STOCK_NAME: (INK, "X")}


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those points that no other one undercuts in both coordinates, by the first one."""
    front: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def _panel(axes: Axes, facts: Facts, rows: Sequence[Row], board: str) -> None:
    stock = stock_of(facts.name, board)
    base = stock.instructions if stock else next(row.instructions for row in rows if row.method == DENSE)
    points = {row.method: (row.file_nbytes / 1024, row.instructions / base) for row in rows}
    if stock:
        points[STOCK_NAME] = (facts.file_nbytes / 1024, 1.0)
    axes.plot(*zip(*pareto(list(points.values())), strict=True), color=INK, linewidth=0.9, zorder=1)
    for method, (x, y) in points.items():
        colour, marker = STYLES[method]
        axes.plot(x, y, marker, color=colour, markersize=5.5, markeredgecolor="white", markeredgewidth=0.5, zorder=2)
    axes.set_title(f"{facts.name}, {boards()[board].core}", fontsize=8, color=INK)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([m * 10.0**e for e in range(5) for m in (1, 1.5, 2, 3, 5, 7)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.locator_params(axis="y", nbins=5)
    axes.tick_params(labelsize=6.5, colors=INK)
    axes.margins(0.1)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw(models: Sequence[tuple[Facts, Sequence[Row]]], targets: Sequence[str], path: Path) -> None:
    """A panel per model (rows) and board (columns), written to `path` as SVG."""
    figure = Figure(figsize=(3.2 * len(targets), 2.4 * len(models) + 0.5), layout="constrained")
    grid = figure.subplots(len(models), len(targets), squeeze=False)
    for line, (facts, rows) in zip(grid, models, strict=True):
        for axes, board in zip(line, targets, strict=True):
            _panel(axes, facts, [row for row in rows if row.board == board], board)
    shown = {row.method for _, rows in models for row in rows} | {STOCK_NAME}
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5.5, label=name)
        for name, (colour, marker) in STYLES.items()
        if name in shown
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.9, label="Pareto front"))
    figure.legend(handles=handles, loc="outside upper center", ncols=6, fontsize=7, frameon=False)
    figure.supxlabel("file, KiB", fontsize=8)
    figure.supylabel(f"instructions per inference, in parts of {STOCK_NAME}", fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
