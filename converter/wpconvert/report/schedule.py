"""A schedule: the layers of a model on an accelerator, their tiles and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wpconvert.report.view import View
from wpconvert.units import number, percent

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class ScheduledLayer:
    """A layer with its tiles.

    digits: signed digits of a weight. cycles: of the whole layer. tile: filters, channels, height and width of one;
    tiles: how many there are along each. lut_filters: of a tile's filters, those in the array of look-up tables. bound:
    `compute` or `memory`. buffers: filled share of the fullest, 0 to 1.
    """

    name: str
    digits: int
    macs: int
    cycles: int
    tile: tuple[int, int, int, int]
    tiles: tuple[int, int, int, int]
    lut_filters: int
    bound: str
    buffers: float


@dataclass(frozen=True, repr=False)
class Schedule(View):
    """A model on an accelerator.

    milliseconds: of one inference, modelled. baseline: cycles of the same layers in the DSP blocks alone, with 8-bit
    weights and tiles of their own; None in a compatible schedule. written: paths of the files that were written.
    """

    model: str
    architecture: str
    mhz: float
    layers: tuple[ScheduledLayer, ...]
    milliseconds: float
    baseline: int | None
    notes: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def cycles(self) -> int:
        """Of one inference."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def speedup(self) -> float | None:
        """Against the DSP blocks alone."""
        return None if self.baseline is None else self.baseline / self.cycles

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"cycles": self.cycles, "speedup": self.speedup}

    def summary(self) -> str:
        against = "" if self.speedup is None else f", {self.speedup:.2f} × as fast as its DSP blocks alone"
        return (
            f"{self.model} on {self.architecture}: {self.cycles:,} cycles, {self.milliseconds:.2f} ms at "
            f"{self.mhz:g} MHz (modelled){against}"
        )

    def print_on(self, console: Console) -> None:
        from wpconvert.report.table import Kind, escape, print_table  # noqa: PLC0415 - only where it is printed

        columns = [
            ("layer", Kind.NAME),
            ("digits", Kind.NUMBER),
            ("MACs", Kind.NUMBER),
            ("cycles", Kind.NUMBER),
            ("share", Kind.NUMBER),
            ("filters", Kind.NUMBER),
            ("in LUTs", Kind.NUMBER),
            ("channels", Kind.NUMBER),
            ("outputs", Kind.NUMBER),
            ("tiles", Kind.NUMBER),
            ("buffers", Kind.NUMBER),
            ("bound", Kind.WORD),
        ]
        rows = [
            [
                layer.name,
                str(layer.digits),
                number(layer.macs),
                number(layer.cycles),
                percent(layer.cycles, self.cycles),
                str(layer.tile[0]),
                str(layer.lut_filters),
                str(layer.tile[1]),
                f"{layer.tile[2]}×{layer.tile[3]}",
                "×".join(map(str, layer.tiles)),
                percent(layer.buffers, 1),
                layer.bound,
            ]
            for layer in self.layers
        ]
        print_table(console, columns, rows)
        console.print(escape(self.summary()))
        for note in self.notes:
            console.print(escape(f"note: {note}"))
        if self.written:
            console.print(escape(f"wrote {', '.join(self.written)}"))
