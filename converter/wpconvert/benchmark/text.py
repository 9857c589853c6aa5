"""Benchmarks as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from wpconvert.benchmark.result import Benchmark, Comparison
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.report.table import Kind, escape, print_table, shortened
from wpconvert.report.text import short_name
from wpconvert.units import number, percent

MODELLED = "cycles (modelled)"
_COUNTED = [("instructions", Kind.NUMBER), ("share", Kind.NUMBER), (MODELLED, Kind.NUMBER)]
_TITLE_WIDTH = 24
FUNCTIONS = 15
"""How many of them a text lists."""


def ratio(part: float, whole: float) -> str:
    """`0.83 ×`; a dash when there is nothing to compare with."""
    return f"{part / whole:.2f} ×" if whole else "–"


def print_benchmark(console: Console, result: Benchmark, functions: int = FUNCTIONS, profile: bool = True) -> None:
    """The layers and the totals; with `profile` also functions (the first so many) and instruction classes."""
    _print_layers(console, result)
    if profile:
        _print_functions(console, result, functions)
        _print_classes(console, result)
    _print_totals(console, result)


def _layer_name(name: str) -> str:
    """Of a fused layer's parts the first, which is its last operator; the end of it if it is long."""
    return short_name(name.partition(";")[0], "") if name else ""


def _print_layers(console: Console, result: Benchmark) -> None:
    columns = [("", Kind.NUMBER), ("operator", Kind.WORD), ("output", Kind.NAME), *_COUNTED]
    rows = [
        [
            str(layer.index),
            layer.operator,
            _layer_name(layer.name),
            *_counted(layer.instructions, layer.modelled_cycles, result),
        ]
        for layer in result.layers
    ]
    between = _counted(result.interpreter_instructions, result.interpreter_modelled_cycles, result)
    rows.append(["", "interpreter", "", *between])
    total = ["", "Invoke", "", number(result.instructions), "", number(result.modelled_cycles)]
    print_table(console, columns, rows, [total])


def _counted(instructions: int, cycles: int, result: Benchmark) -> list[str]:
    """The cells below _COUNTED."""
    return [number(instructions), percent(instructions, result.instructions), number(cycles)]


def _print_functions(console: Console, result: Benchmark, functions: int) -> None:
    rows = [
        [row.name, row.part, *_counted(row.instructions, row.modelled_cycles, result)]
        for row in result.functions[:functions]
    ]
    if rest := result.functions[functions:]:
        counts = sum(row.instructions for row in rest), sum(row.modelled_cycles for row in rest)
        rows.append([f"{len(rest)} more", "", *_counted(*counts, result)])
    print_table(console, [("function", Kind.NAME), ("part", Kind.WORD), *_COUNTED], rows)


def _print_classes(console: Console, result: Benchmark) -> None:
    rows = [[row.name, *_counted(row.instructions, row.modelled_cycles, result)] for row in result.classes]
    print_table(console, [("instruction class", Kind.WORD), *_COUNTED], rows)


def _print_totals(console: Console, result: Benchmark) -> None:
    console.print(
        f"[bold]{escape(result.path)}[/bold] on {result.target} ({result.core}, simulated by {result.simulator}): "
        f"[bold]{result.instructions:,} instructions[/bold] per inference, measured; "
        f"{result.modelled_cycles:,} cycles, modelled"
    )
    console.print(
        f"AllocateTensors: {result.prepare_instructions:,} instructions, once; arena {result.arena_nbytes:,} bytes"
    )
    parts = ", ".join(f"{part} {nbytes:,}" for part, nbytes in result.flash_nbytes.items())
    console.print(f"flash {sum(result.flash_nbytes.values()):,} bytes: {parts}")
    for note in result.notes:
        console.print(f"note: {escape(note)}")


@dataclass(frozen=True)
class Pair:
    """The same operator in two models: instructions before and after. `operator` is that of the model after."""

    index: int
    operator: str
    name: str
    before: int
    after: int


def layer_pairs(model: Benchmark, against: Benchmark) -> list[Pair]:
    """The operators of both models in pairs; empty unless they are the same graph but for rewritten operators."""
    first = [BUILTIN_NAMES.get(layer.operator, layer.operator) for layer in against.layers]
    second = [BUILTIN_NAMES.get(layer.operator, layer.operator) for layer in model.layers]
    if first != second:
        return []
    return [
        Pair(after.index, after.operator, after.name or before.name, before.instructions, after.instructions)
        for before, after in zip(against.layers, model.layers, strict=True)
    ]


def print_comparison(console: Console, result: Comparison, functions: int = FUNCTIONS, profile: bool = False) -> None:
    """Both models side by side: layers where they correspond, then the totals with ratios."""
    model, against = result.model, result.against
    columns = [
        ("", Kind.NUMBER),
        ("operator", Kind.WORD),
        ("output", Kind.NAME),
        *((title, Kind.NUMBER) for title in (_title(against.path), _title(model.path), "ratio")),
    ]
    pairs = [_pair_cells(pair) for pair in layer_pairs(model, against)]
    totals = [
        ["", name, "", number(first), number(second), ratio(second, first)]
        for name, first, second in _totals(against, model)
    ]
    print_table(console, columns, pairs or totals, totals if pairs else ())
    if profile:
        for one in (against, model):
            console.print(f"[bold]{escape(one.path)}[/bold]")
            _print_functions(console, one, functions)
            _print_classes(console, one)
    console.print(f"{model.target} ({model.core}, simulated by {model.simulator}); instructions are measured")
    same = "identical outputs for this input, bit for bit"
    console.print(same if result.same_outputs else "[bold red]different outputs[/bold red] for this input")
    for one in (against, model):
        for note in one.notes:
            console.print(f"note: {escape(one.path)}: {escape(note)}")


def _title(path: str) -> str:
    """A path as a column's title: its end, short enough to leave room for the names of layers."""
    return shortened(Path(path).name, _TITLE_WIDTH)


def _pair_cells(pair: Pair) -> Sequence[str]:
    return (
        str(pair.index),
        pair.operator,
        _layer_name(pair.name),
        number(pair.before),
        number(pair.after),
        ratio(pair.after, pair.before),
    )


def _totals(first: Benchmark, second: Benchmark) -> list[tuple[str, int, int]]:
    rows = [
        ("instructions", first.instructions, second.instructions),
        (MODELLED, first.modelled_cycles, second.modelled_cycles),
        ("AllocateTensors", first.prepare_instructions, second.prepare_instructions),
        ("arena bytes", first.arena_nbytes, second.arena_nbytes),
        ("file bytes", first.file_nbytes, second.file_nbytes),
        ("code flash bytes", first.code_nbytes, second.code_nbytes),
    ]
    return rows + [
        (f"flash: {part}", first.flash_nbytes[part], second.flash_nbytes[part]) for part in first.flash_nbytes
    ]
