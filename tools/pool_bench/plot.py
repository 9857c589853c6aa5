"""The plot of docs/WEIGHT_POOLS.md: speed by bits of activations."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tools.benchmark.plot import INK, RULE
from tools.pool_bench.measure import Version
from tools.pool_bench.stock import stock_of
from tools.pool_bench.tables import Measured, core

_COLOURS = ("#dc2626", "#f59e0b", "#0d9488", "#2563eb", "#7c3aed")
_DASHES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")


def _panel(axes: Axes, found: Measured, board: str) -> None:
    size, _ = found.typical
    for network, colour in zip(found.networks, _COLOURS, strict=False):
        base = stock_of(network, board).instructions
        for lut, dashes in zip(reversed(found.luts), _DASHES, strict=False):
            counts = [found.rows[network, board, Version(size, bits, lut)].instructions for bits in found.bits]
            axes.plot(found.bits, [base / count for count in counts], dashes, color=colour, linewidth=1.2)
        dense = base / found.rows[network, board, None].instructions
        axes.axhline(dense, color=colour, linewidth=0.5, alpha=0.5)
    axes.set_title(core(board), fontsize=8, color=INK)
    axes.set_xticks(found.bits)
    axes.invert_xaxis()
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=6.5, colors=INK)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw(found: Measured, path: Path) -> None:
    """A panel per board, a line per network and place of the table, written to `path` as SVG."""
    figure = Figure(figsize=(3.2 * len(found.boards), 3.2), layout="constrained")
    for axes, board in zip(figure.subplots(1, len(found.boards), squeeze=False)[0], found.boards, strict=True):
        _panel(axes, found, board)
    handles = [Line2D([], [], color=colour, label=name) for name, colour in zip(found.networks, _COLOURS, strict=False)]
    handles += [
        Line2D([], [], color=INK, linestyle=dashes, label=f"--lut {lut}")
        for lut, dashes in zip(reversed(found.luts), _DASHES, strict=False)
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.5, label="dense"))
    figure.legend(handles=handles, loc="outside upper center", ncols=8, fontsize=7, frameon=False)
    figure.supxlabel(f"bits of an activation, a pool of {found.typical[0]} vectors", fontsize=8)
    figure.supylabel("times as fast as TFLM + CMSIS-NN, dense", fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
