"""The tables of `make bench` and the text of `wpconvert bench`, from made-up results."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tools.benchmark.__main__ import as_json, models_of
from tools.benchmark.defaults import broken_promises, default_table
from tools.benchmark.measure import DEFAULT, DENSE, Facts, Row
from tools.benchmark.numbers import STOCK, stock_of
from tools.benchmark.plot import draw, pareto
from tools.benchmark.tables import model_table, readme_table, report
from wpconvert.benchmark.result import Benchmark, ClassCount, Comparison, FunctionCount, LayerCount
from wpconvert.benchmark.text import layer_pairs, print_benchmark, print_comparison

FLASH = {"model": 1000, "kernels": 300, "runtime": 200, "C library": 100, "board": 50, "padding": 4}


def made_up(instructions: int, operator: str = "CONV_2D") -> Benchmark:
    layers = (LayerCount(0, operator, "conv[0]", instructions - 30, instructions),)
    functions = tuple(FunctionCount(f"f{i}", "kernels", instructions // 10, instructions // 5) for i in range(10))
    classes = (ClassCount("load", instructions, 2 * instructions),)
    return Benchmark(
        path="[red]/model.tflite",
        target="corstone300",
        core="Cortex-M55",
        simulator="qemu",
        file_nbytes=900,
        instructions=instructions,
        modelled_cycles=2 * instructions,
        prepare_instructions=7,
        interpreter_instructions=30,
        interpreter_modelled_cycles=instructions,
        arena_nbytes=600,
        flash_nbytes=FLASH,
        layers=layers,
        functions=functions,
        classes=classes,
        outputs_sha256="0",
    )


FACTS = Facts("mlperf_tiny/kws_ref_model", 53_936, 22_016, 100, 20_786, 40_000, 33_248)


def row(name: str, method: str, board: str, file_nbytes: int, instructions: int) -> Row:
    return Row(name, method, board, file_nbytes, 20_994, instructions, 2 * instructions, 600, 654, {"CONV_2D": 1})


def test_stock_numbers_are_found_by_model_and_board() -> None:
    sparse, dense = stock_of("ds_cnn_kws/sparse_l_85", "mps2-m4"), stock_of("ds_cnn_kws/dense_l", "mps2-m4")
    assert sparse == dense and sparse is not None
    assert (sparse.instructions, sparse.arena_nbytes, sparse.flash_nbytes) == (186_076_000, 165_168, 58_954)
    assert sparse.modelled_cycles == 220_004_536
    assert stock_of("zoo/digits_ds_cnn", "mps2-m4") is None
    assert stock_of("ds_cnn_kws/dense_l", "another") is None


def test_stock_operators_add_up_to_the_model() -> None:
    """What is left is the interpreter: little, and never less than nothing."""
    for name, entry in STOCK["models"].items():
        for board in STOCK["targets"]:
            stock = stock_of(name, board)
            assert stock is not None
            if stock.modelled_cycles is None:
                assert not entry["operators"]
                continue
            # Instructions of the whole were measured apart from those by operator: equal to 0.1 %.
            assert abs(sum(stock.operator_instructions.values()) / stock.instructions - 1) < 0.001
            assert 0.998 < sum(stock.operator_modelled_cycles.values()) / stock.modelled_cycles < 1


def test_tables_give_ratios_against_stock_and_entropy() -> None:
    rows = [row(FACTS.name, "rle", "corstone300", 30_000, 906_000)]
    table = model_table(FACTS, rows)
    assert "| TFLM + CMSIS-NN | corstone300 | 53,936 | 1.06 | 1.812 |" in table
    assert "| `rle` | corstone300 | 30,000 | 1.01 | 0.906 (0.50 ×) | 1.812 (0." in table
    assert "| 600 (0.02 ×) | 654 (0.01 ×) |" in table
    other = replace(FACTS, name="zoo/other")
    assert "| `rle` | corstone300 | 30,000 | 1.01 | 0.001 | 0.002 | 600 | 654 |" in model_table(
        other, [row("zoo/other", "rle", "corstone300", 30_000, 1000)]
    )


def test_the_report_names_what_is_modelled_and_what_is_missing() -> None:
    text = report([(FACTS, [row(FACTS.name, "rle", "corstone300", 30_000, 906_000)])], ["`x` on y: too large"])
    assert "modelled" in text and "measured" in text and "- `x` on y: too large" in text
    assert "order-0 entropy 20,786 bytes" in text and "`xz -9e` 33,248 bytes" in text
    assert "`ds_cnn_kws/sparse_l_80`: dcsr 313,592" in text


def test_a_default_plan_stands_beside_the_model_as_it_is() -> None:
    before, after = row("zoo/a", DENSE, "mps2-m4", 5_000, 2_000_000), row("zoo/a", DEFAULT, "mps2-m4", 4_000, 1_000_000)
    line = default_table([before, row("zoo/a", "rle", "mps2-m4", 4_500, 1_500_000), after]).splitlines()[-1]
    assert line.startswith("| `zoo/a` | mps2-m4 | 5,000 → 4,000 | 654 → 654 | 5,654 → 4,654 (0.82 ×) |")
    assert line.endswith("| 2.000 → 1.000 (0.50 ×) | 4.000 → 2.000 (0.50 ×) |")
    assert broken_promises([before, after]) == []


def test_a_default_plan_that_takes_more_than_promised_is_named() -> None:
    before = row("zoo/a", DENSE, "mps2-m4", 5_000, 1_000_000)
    larger = row("zoo/a", DEFAULT, "mps2-m4", 5_001, 1_000_000)
    assert broken_promises([before, larger]) == ["zoo/a on mps2-m4: 5,655 bytes of flash, 5,654 as it is"]
    slower = row("zoo/a", DEFAULT, "mps2-m4", 4_000, 1_101_000)
    assert [line.split(": ")[1] for line in broken_promises([before, slower])] == [
        "1.101 × the instructions, promised are 1.1",
        "1.101 × the modelled cycles, promised are 1.1",
    ]


def test_readme_has_all_targets_in_a_cell() -> None:
    rows = [
        row(FACTS.name, "auto file", "corstone300", 30_000, 1_812_000),
        row(FACTS.name, "auto file", "mps2-m3", 29_000, 5_266_000),
    ]
    line = readme_table([(FACTS, rows)]).splitlines()[-1]
    assert line.startswith(f"| `{FACTS.name}` | 53,936 | 33,248 | 29,000 | 1.01 | – / – / – | 1.00 / 0.50 / – |")


def test_the_front_has_no_point_that_another_one_undercuts() -> None:
    assert pareto([(2, 2), (1, 3), (3, 2), (2, 4), (4, 1)]) == [(1, 3), (2, 2), (4, 1)]


def test_the_plot_shows_every_method_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [row(FACTS.name, "rle", "corstone300", 30_000, 906_000), row(FACTS.name, DENSE, "corstone300", 50_000, 999)]
    for name in ("a.svg", "b.svg"):
        draw([(FACTS, rows)], ["corstone300"], tmp_path / name)
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert text == (tmp_path / "b.svg").read_text("utf-8")
    assert ">rle<" in text and f">{DENSE}<" in text and "Cortex-M55" in text


def test_all_numbers_are_kept_as_data() -> None:
    rows = [row(FACTS.name, "rle", "corstone300", 30_000, 906_000)]
    data = json.loads(as_json([(FACTS, rows)], []))
    assert [Facts(**entry) for entry in data["models"]] == [FACTS]
    assert [Row(**entry) for entry in data["rows"]] == rows and data["left_out"] == []


def test_places_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \.tflite model"):
        models_of([tmp_path])


@pytest.mark.parametrize("profile", [False, True])
def test_text_labels_what_is_modelled(profile: bool) -> None:
    console = Console(file=io.StringIO(), width=120)
    print_benchmark(console, made_up(100_000), 3, profile)
    print_comparison(console, Comparison(made_up(50_000, "WP_CONV_2D"), made_up(100_000)), 3, profile)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]/model.tflite" in text
    assert "100,000 instructions per inference, measured; 200,000 cycles, modelled" in " ".join(text.split())
    assert "0.50 ×" in text
    assert ("7 more" in text) == profile


def test_layers_are_paired_only_in_the_same_graph() -> None:
    assert len(layer_pairs(made_up(100, "WP_CONV_2D"), made_up(200))) == 1
    assert layer_pairs(made_up(100, "SOFTMAX"), made_up(200)) == []
