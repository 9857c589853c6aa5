"""The tables of docs/WEIGHT_POOLS.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.markdown import markdown
from tools.pool_bench.measure import TYPICAL_SIZE, Row, Version
from tools.pool_bench.schedules import WAYS, Result
from tools.pool_bench.sizes import KINDS, Size
from tools.pool_bench.stock import shapes, stock_of
from wpconvert.target.board import boards

LAYER_BITS = (8, 4, 2, 1)
MANY_FILTERS = 64


@dataclass(frozen=True)
class Measured:
    """All rows of a run, by network, board and version."""

    rows: dict[tuple[str, str, Version | None], Row]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Measured:
        return cls({(row.network, row.board, row.version): row for row in rows})

    @property
    def networks(self) -> list[str]:
        return list(dict.fromkeys(network for network, _, _ in self.rows))

    @property
    def boards(self) -> list[str]:
        return list(dict.fromkeys(board for _, board, _ in self.rows))

    @property
    def versions(self) -> list[Version]:
        """Without the dense one."""
        return list(dict.fromkeys(version for _, _, version in self.rows if version))

    @property
    def bits(self) -> list[int]:
        return sorted({version.act_bits for version in self.versions}, reverse=True)

    @property
    def pool_sizes(self) -> list[int]:
        return sorted({version.pool_size for version in self.versions})

    @property
    def luts(self) -> list[str]:
        return list(dict.fromkeys(version.lut for version in self.versions))

    @property
    def typical(self) -> tuple[int, str]:
        """Pool size and place of the look-up table of the tables and lines that show one of each."""
        size = TYPICAL_SIZE if TYPICAL_SIZE in self.pool_sizes else self.pool_sizes[0]
        return size, self.luts[-1]


def _millions(count: float) -> str:
    return f"{count / 1e6:.2f}"


def _times(base: int, count: int) -> str:
    return f"{base / count:.2f}"


def core(board: str) -> str:
    return boards()[board].core


def run_time(found: Measured, board: str) -> str:
    """Whole networks on a board."""
    lines = []
    for network in found.networks:
        stock, dense = stock_of(network, board), found.rows[network, board, None]
        head = [network, _millions(stock.instructions), _million_times(stock.instructions, dense.instructions)]
        for size in found.pool_sizes:
            for lut in found.luts:
                counts = [found.rows[network, board, Version(size, bits, lut)].instructions for bits in found.bits]
                cells = [_million_times(stock.instructions, count) for count in counts]
                lines.append([*head, str(size), lut, *cells])
                head = [""] * len(head)
    titles = ["network", "stock, dense", "dense", "K", "LUT", *(f"B = {bits}" for bits in found.bits)]
    return markdown(titles, lines)


def cycles_and_memory(found: Measured) -> str:
    """Modelled cycles of whole networks, and bytes of the arena."""
    size, lut = found.typical
    lines = []
    for board in found.boards:
        for network in found.networks:
            stock, dense = stock_of(network, board), found.rows[network, board, None]
            rows = [found.rows[network, board, Version(size, bits, lut)] for bits in found.bits]
            cells = [_times(stock.modelled_cycles, row.modelled_cycles) for row in (dense, *rows)]
            nbytes = (stock.arena_nbytes, dense.arena_nbytes, max(row.arena_nbytes for row in rows))
            head = [core(board), network, _millions(stock.modelled_cycles)]
            lines.append([*head, *cells, *(f"{n:,}" for n in nbytes)])
    arenas = [f"arena, {what}" for what in ("stock", "dense", "pooled")]
    titles = ["core", "network", "M cycles, stock", "dense", *(f"B = {bits}" for bits in found.bits), *arenas]
    return markdown(titles, lines, texts=2)


def _million_times(base: int, count: int) -> str:
    return f"{_millions(count)} ({_times(base, count)} ×)"


def _layer_counts(found: Measured, network: str, board: str, bits: int) -> dict[str, int]:
    """Instructions of the pooled layers by name, of the typical version."""
    size, lut = found.typical
    row = found.rows[network, board, Version(size, bits, lut)]
    return {layer.name: layer.instructions for layer in row.layers if layer.pooled}


def _dense_counts(found: Measured, network: str, board: str) -> dict[str, int]:
    return {layer.name: layer.instructions for layer in found.rows[network, board, None].layers}


def layers(found: Measured, network: str) -> str:
    """Pooled layers of a network, those of one shape together, all boards in a cell."""
    bits = [b for b in LAYER_BITS if b in found.bits]
    pooled = _layer_counts(found, network, found.boards[0], bits[0])
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in pooled:
        groups.setdefault(shapes(network)[name], []).append(name)
    lines = []
    for shape, names in groups.items():
        stock, dense, counts = [], [], {b: list[str]() for b in bits}
        for board in found.boards:
            base = sum(stock_of(network, board).layers[name] for name in names)
            stock.append(_millions(base))
            dense.append(_times(base, sum(_dense_counts(found, network, board)[name] for name in names)))
            for b in bits:
                counts[b].append(_times(base, sum(_layer_counts(found, network, board, b)[name] for name in names)))
        cells = [stock, dense, *counts.values()]
        lines.append([shape_text(shape), str(len(names)), *(" / ".join(cell) for cell in cells)])
    return markdown(["layer", "times", "stock, dense", "dense", *(f"B = {b}" for b in bits)], lines)


def shape_text(shape: tuple[int, ...]) -> str:
    """A convolution's shape."""
    filters, height, width, depth, out_height, out_width = shape
    return f"{height} × {width}, {depth} → {filters}, {out_height} × {out_width}"


def wide_layers(found: Measured) -> str:
    """Pooled layers with many filters: the slowest one and all together."""
    bits = [b for b in (8, 4) if b in found.bits]
    lines = []
    for board in found.boards:
        for network in found.networks:
            stock, dense = stock_of(network, board).layers, _dense_counts(found, network, board)
            names = [
                name
                for name in _layer_counts(found, network, board, bits[0])
                if shapes(network)[name][0] >= MANY_FILTERS
            ]
            cells = [core(board), network, str(len(names))]
            for base in (stock, dense):
                for b in bits:
                    counts = _layer_counts(found, network, board, b)
                    least = min(base[name] / counts[name] for name in names)
                    every = sum(base[name] for name in names) / sum(counts[name] for name in names)
                    cells.append(f"{least:.2f} – {every:.2f}")
            lines.append(cells)
    against = [f"B = {b}, against {base}" for base in ("stock", "dense") for b in bits]
    return markdown(["core", "network", "layers", *against], lines, texts=2)


def ways(results: Sequence[Result]) -> str:
    """Single layers by schedule."""
    found = {(r.shape, r.way, r.board, r.act_bits): r.instructions for r in results}
    names = list(dict.fromkeys(r.board for r in results))
    bits = sorted({r.act_bits for r in results}, reverse=True)
    lines = []
    for shape in dict.fromkeys(r.shape for r in results):
        label = shape
        for way in WAYS:
            cells = []
            for b in bits:
                counts = [(found[shape, way, board, b], found[shape, next(iter(WAYS)), board, b]) for board in names]
                cells.append(" / ".join(f"{_millions(count)} ({count / best:.1f})" for count, best in counts))
            lines.append([label, way, *cells])
            label = ""
    return markdown(["layer", "way", *(f"B = {b}" for b in bits)], lines, texts=2)


def size_table(found: Sequence[Size]) -> str:
    """Bytes of weights and files."""
    titles = ["network", "K", "weights, int8", "of them pooled", "indices"]
    titles += [f"stored with {kind}" for kind in KINDS]
    titles += ["file, dense", *(f"file with {kind}" for kind in KINDS)]
    lines = []
    for size in found:
        cells = [f"{n:,}" for n in (size.weights, size.pooled, size.indices)]
        cells += [f"{size.stored(kind):,} ({size.smaller(kind):.1f} ×)" for kind in KINDS]
        cells += [f"{size.file:,}", *(f"{size.files[kind]:,}" for kind in KINDS)]
        lines.append([size.network, str(size.pool_size), *cells])
    return markdown(titles, lines)
