"""Tables of any width: no number is cut, nothing is left out."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.bench.test_tables import made_up
from tests.cli.harness import MODEL
from wpconvert.benchmark.result import Comparison
from wpconvert.benchmark.text import print_benchmark, print_comparison
from wpconvert.formats.tflite.file import read
from wpconvert.formats.tflite.inspect import inspect_model
from wpconvert.report.inspection_text import print_inspection
from wpconvert.report.result import Conversion, Forecast, FrontPoint, OutputComparison, TensorResult, Verification
from wpconvert.report.table import Kind, print_table, shortened
from wpconvert.report.text import print_conversion

WIDTHS = [*range(20, 201), None]
"""Of terminals; None for a pipe."""


def printed(width: int | None, show: Callable[[Console], None]) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width, highlight=False, soft_wrap=True))
    return out.getvalue()


def whole(numbers: Iterable[str], text: str) -> bool:
    """Whether each number stands in a text as it is, not as a part of another."""
    return all(re.search(rf"(?<![\d,.]){re.escape(number)}(?![\d,.]*\d)", text) for number in numbers)


def shown(*values: int | None) -> list[str]:
    return [f"{value:,}" for value in values if value is not None]


TENSORS = tuple(
    TensorResult(
        key=f"{i}:{1234 + i}",
        name="model/block/" * (4 * i) + "größe/kernel",
        operators=("DEPTHWISE_CONV_2D", "ADD")[: i + 1],
        shape=(1, 3, 3, 16384),
        dtype="INT8",
        sparsity=0.8765 + i / 100,
        method=("huffman", "rle", "none")[i],
        nbytes_before=123_456_789 + i,
        nbytes_after=98_765_432 + i,
        reason=f"-{24_691_357 + i:,} bytes, +{1654 + i}.3 % cycles; would not shrink with 1,234,567 for the table",
        cycles=987_654_321 + i,
        snr_db=(12.3, None, None)[i],
        details=({"pool_size": 256, "index_bits": 8}, {}, {})[i],
    )
    for i in range(3)
)
FRONT = tuple(
    FrontPoint(16_384_000 + i, 17_384_000 + i, 271_828_182 + i, {"rle": 12, "none": 345}, i == 1) for i in range(3)
)
FORECAST = Forecast("mps2-m4", "Cortex-M4", "balanced", 1.1, 31_415_926, 271_828, 54_321, 65_536, 31, 27, 5, 6, FRONT)
OUTPUT = OutputComparison("logits", "int8", False, 123_456, 12_345, 7.0, 12.345, 0.5)
VERDICT = Verification(False, "identical outputs", "reference", 1_000, True, (OUTPUT,))
REPORT = Conversion("m", "auto", 370_370_370, 296_296_299, TENSORS, verification=VERDICT)


@pytest.mark.parametrize("forecast", [None, FORECAST], ids=["", "forecast"])
@pytest.mark.parametrize("verbose", [False, True], ids=["", "verbose"])
def test_every_number_of_a_conversion_is_whole_at_any_width(forecast: Forecast | None, verbose: bool) -> None:
    report = replace(REPORT, forecast=forecast)
    numbers = [f"{100 * (tensor.sparsity or 0):.1f}" for tensor in TENSORS]
    numbers += [*shown(*(tensor.nbytes_before for tensor in TENSORS)), "123,456", "12,345"]
    numbers += shown(*(tensor.nbytes_after for tensor in TENSORS[:2]), report.nbytes_before, report.nbytes_after)
    numbers += ["256", "12.3"]
    if forecast is not None:
        numbers += shown(*(tensor.cycles for tensor in TENSORS[:2]), 31_415_926, 54_321, 65_536)
        numbers += shown(*(value for point in FRONT for value in (point.nbytes, point.flash_nbytes, point.cycles)))
        numbers += [f"+{1654 + i}.3" for i in range(2)]
    if verbose:
        numbers += ["1×3×3×16384"]
    for width in WIDTHS:
        text = printed(width, lambda console: print_conversion(console, report, verbose, front=True))
        assert whole(numbers, text), (width, text)
        assert all(word in text for word in ("huffman", "rle", "zeros", "before", "after")), (width, text)


@pytest.mark.parametrize("compared", [False, True], ids=["one", "two"])
def test_every_number_of_a_benchmark_is_whole_at_any_width(compared: bool) -> None:
    first, second = made_up(123_456_789), replace(made_up(98_765_432, "WP_CONV_2D"), path="a/" + "x" * 60)
    numbers = shown(first.instructions, *(layer.instructions for layer in first.layers), first.modelled_cycles)
    numbers += shown(*(row.instructions for row in first.functions), *(row.modelled_cycles for row in first.classes))
    if compared:
        numbers += shown(second.instructions, *(layer.instructions for layer in second.layers))

    def show(console: Console) -> None:
        if compared:
            print_comparison(console, Comparison(first, second), 20, True)
        else:
            print_benchmark(console, first, 20, True)

    for width in WIDTHS:
        text = printed(width, show)
        assert whole(numbers, text), (width, text)


def test_every_number_of_an_inspection_is_whole_at_any_width() -> None:
    found = inspect_model("model.tflite", *read(MODEL))
    numbers = shown(found.nbytes, *(value for w in found.weights for value in (w.nbytes, w.bound, *w.methods.values())))
    smallest = shown(*(min(w.methods.values()) for w in found.weights), *(w.nbytes for w in found.weights))
    assert set(smallest) <= set(numbers)
    for width in WIDTHS:
        text = printed(width, lambda console: print_inspection(console, found))
        assert whole(smallest, text), (width, text)


@given(
    st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=8),
    st.integers(1, 5),
    st.integers(20, 200),
    st.randoms(use_true_random=False),
)
def test_no_number_and_no_word_is_cut(kinds: Sequence[Kind], height: int, width: int, chance: random.Random) -> None:
    pick = chance.choice
    columns = [(pick(["", "title", "a longer title"]), kind) for kind in kinds]
    rows = [
        [
            {
                Kind.NUMBER: pick(["1", "16,384", "1,234,567,890", "–"]),
                Kind.WORD: pick(["rle", "DEPTHWISE_CONV_2D", "[b]"]),
                Kind.NAME: pick(["x", "größe/" * 20 + "名前", "\x1b[2J"]),
                Kind.TEXT: pick(["", "-4,176 bytes, +25.2 % cycles", "would not shrink " * 9]),
            }[kind]
            for kind in kinds
        ]
        for _ in range(height)
    ]
    text = printed(width, lambda console: print_table(console, columns, rows))
    cells = [cell for row in rows for cell, kind in zip(row, kinds, strict=True) if kind in (Kind.NUMBER, Kind.WORD)]
    assert all(text.count(cell) >= cells.count(cell) for cell in cells)
    assert text.replace("\n", "").isprintable()


def test_names_keep_their_ends_by_the_cells_they_take() -> None:
    assert shortened("model/kernel", 12) == "model/kernel"
    assert shortened("model/kernel", 7) == "…kernel"
    assert shortened("名前名前", 5) == "…名前"
