"""The tables of docs/BENCH.md and README.md."""

from __future__ import annotations

from collections.abc import Sequence

from tools.benchmark.defaults import default_table, pairs
from tools.benchmark.measure import DEFAULT, DENSE, Facts, Row
from tools.benchmark.numbers import PUBLISHED, STOCK, Stock, published_nbytes, stock_of
from tools.markdown import markdown
from wpconvert.target.board import boards
from wpconvert.units import number

STOCK_NAME = "TFLM + CMSIS-NN"
README_RATIOS = (
    ("smallest, instructions", "auto file", "instructions"),
    ("default, instructions", DEFAULT, "instructions"),
    ("default, cycles", DEFAULT, "modelled_cycles"),
)
"""Columns of README.md: title, method, and what of stock's it is a part of."""


def _millions(count: int) -> str:
    return f"{count / 1e6:.3f}"


def _ratio(count: int | None, base: int | None) -> str:
    return f"{count / base:.2f}" if count is not None and base else "–"


def _against(text: str, count: int, base: int | None) -> str:
    return f"{text} ({count / base:.2f} ×)" if base else text


def _against_stock(row: Row | None, stock: Stock | None, unit: str) -> str:
    return _ratio(getattr(row, unit, None), getattr(stock, unit, None))


def facts_line(facts: Facts) -> str:
    """A model in a sentence: what it is before anything is done to it."""
    text = (
        f"File {facts.file_nbytes:,} bytes; {facts.weights:,} int8 weights, "
        f"{100 * facts.zeros / max(1, facts.weights):.0f} % zeros, "
        f"order-0 entropy {facts.entropy_nbytes:,} bytes; `zip -9` {facts.zip_nbytes:,}, `xz -9e` "
        f"{facts.xz_nbytes:,} bytes."
    )
    published = [f"{m} {number(published_nbytes(facts.name, m))}" for m in ("dcsr", "rle")]
    if published_nbytes(facts.name, "dcsr") is not None:
        text += f" Files of the authors of dCSR: {', '.join(published)} bytes."
    return text


def model_table(facts: Facts, rows: Sequence[Row]) -> str:
    """All methods and boards of a model."""
    titles = ["method", "target", "file", "of entropy", "M instructions", "M cycles, modelled", "arena", "code flash"]
    lines = []
    for target in dict.fromkeys(row.board for row in rows):
        stock = stock_of(facts.name, target)
        if stock:
            cycles = "–" if stock.modelled_cycles is None else _millions(stock.modelled_cycles)
            lines.append(
                [
                    STOCK_NAME,
                    target,
                    f"{facts.file_nbytes:,}",
                    _ratio(facts.weights, facts.entropy_nbytes),
                    _millions(stock.instructions),
                    cycles,
                    number(stock.arena_nbytes),
                    number(stock.flash_nbytes),
                ]
            )
        for row in (row for row in rows if row.board == target):
            cells = [
                f"`{row.method}`" if row.method != DENSE else row.method,
                target,
                f"{row.file_nbytes:,}",
                _ratio(row.weights_nbytes, facts.entropy_nbytes),
            ]
            for text, ours, theirs in (
                (_millions(row.instructions), row.instructions, stock.instructions if stock else None),
                (_millions(row.modelled_cycles), row.modelled_cycles, stock.modelled_cycles if stock else None),
                (number(row.arena_nbytes), row.arena_nbytes, stock.arena_nbytes if stock else None),
                (number(row.code_nbytes), row.code_nbytes, stock.flash_nbytes if stock else None),
            ):
                cells.append(_against(text, ours, theirs))
            lines.append(cells)
    return markdown(titles, lines, texts=2)


def _siblings(shown: set[str]) -> str:
    """Published sizes of models that have no table."""
    texts = []
    for name in (name for name in PUBLISHED["files"] if name not in shown):
        sizes = ", ".join(f"{method} {nbytes:,}" for method, nbytes in PUBLISHED["files"][name].items())
        texts.append(f"`{name}`: {sizes}")
    return f"Models without a table here: {'; '.join(texts)}." if texts else ""


def report(models: Sequence[tuple[Facts, Sequence[Row]]], left_out: Sequence[str]) -> str:
    """docs/BENCH.md."""
    parts = [
        "# Benchmarks\n",
        "Made by `make bench`; the same numbers as data: [bench.json](bench.json). Instructions are measured, one\n"
        "inference on a random input, exact; cycles are modelled ([CYCLE_MODEL.md](CYCLE_MODEL.md)). All outputs are\n"
        "those of the reference interpreter, bit for bit.\n",
        "- **file**: bytes of the whole `.tflite`, with `--strip`, except as it is and by default.\n"
        "- **of entropy**: bytes of all int8 weights as stored (headers and code tables included, and those that stay\n"
        "  dense) in parts of their order-0 entropy, tensor by tensor.\n"
        "- **arena**, **code flash**: bytes. Code flash is the whole image but the model, with exactly the model's\n"
        "  operators and codecs, built without the texts of errors (`--no-error-texts`).\n"
        "- A method that rewrites nothing of a model has no row.\n"
        f"- In brackets: against {STOCK_NAME} on the dense model: {STOCK['provenance']}. {STOCK['how']}\n"
        f"  {STOCK['profile']}\n"
        "- **default**: `wpconvert MODEL -o OUT --target TARGET`, nothing else given.\n"
        f"- Published sizes: {PUBLISHED['provenance']}. {_siblings({facts.name for facts, _ in models})}\n",
    ]
    parts += [
        "## By default\n",
        "What `wpconvert MODEL -o OUT --target TARGET` makes of each model: as it is → by default. **flash** is\n"
        "file and code together.\n",
        default_table([row for _, rows in models for row in rows]),
    ]
    for facts, rows in models:
        parts += [f"## {facts.name}\n", facts_line(facts) + "\n", model_table(facts, rows)]
    if left_out:
        parts += ["## Left out\n", "".join(f"- {reason}\n" for reason in left_out)]
    return "\n".join(parts)


def _flash(rows: Sequence[Row]) -> str:
    """Flash by default in parts of that of the unconverted model, on all boards."""
    found = {after.board: _ratio(after.flash_nbytes, before.flash_nbytes) for before, after in pairs(rows)}
    return " / ".join(found.get(name, "–") for name in boards())


def readme_table(models: Sequence[tuple[Facts, Sequence[Row]]]) -> str:
    """One line a model: file sizes, flash, then ratios to stock on all boards in a cell."""
    titles = ["model", "file", "`xz -9e`", "smallest", "of entropy", "default, flash"]
    titles += [title for title, _, _ in README_RATIOS]
    lines = []
    for facts, rows in models:
        smallest = min(rows, key=lambda row: row.file_nbytes)
        cells = [
            f"`{facts.name}`",
            f"{facts.file_nbytes:,}",
            f"{facts.xz_nbytes:,}",
            f"{smallest.file_nbytes:,}",
            _ratio(smallest.weights_nbytes, facts.entropy_nbytes),
            _flash(rows),
        ]
        for _, method, unit in README_RATIOS:
            found = {row.board: row for row in rows if row.method == method}
            ratios = [_against_stock(found.get(name), stock_of(facts.name, name), unit) for name in boards()]
            cells.append("–" if set(ratios) == {"–"} else " / ".join(ratios))
        lines.append(cells)
    return markdown(titles, lines)
